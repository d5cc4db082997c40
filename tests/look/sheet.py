"""The facts the sheets of parts show."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 20, 7, 5, tzinfo=UTC)
EARLIER = datetime(2026, 11, 19, 5, 40, 7, tzinfo=UTC)

ICONS = re.findall(r'<symbol id="([^"]+)"', (Path(__file__).parents[2] / "web/static/icons.svg").read_text("utf-8"))


def attempt(number: int, outcome: str | None, code: str = "", detail: str = "") -> dict[str, Any]:
    """One try, as the ledger gives it."""
    at = EARLIER.replace(minute=40 + number).isoformat()
    return {"number": number, "provider": "relay-1", "started_at": at, "ended_at": at} | {
        "outcome": outcome,
        "code": code,
        "detail": detail,
        "provider_id": "",
        "cost": None,
    }


def way(step: int, state: str, tries: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    """One delivery, as the ledger gives it."""
    return {
        "id": f"{step:032x}",
        "step": step,
        "channel": "email",
        "provider": "relay-1",
        "address": "i.petrova@romashka.example",
        "state": state,
        "reason": None,
        "because": None,
        "text": "Заявка принята",
        "due_at": NOW.isoformat(),
        "expires_at": NOW.isoformat(),
        "attempts": tries,
    } | given


def told(event: str, role: str, person: str, state: str, ways: list[dict[str, Any]]) -> dict[str, Any]:
    """One notification, as the ledger gives it."""
    return {"id": "0" * 32, "event": event, "to": {"person": person, "role": role}, "state": state, "deliveries": ways}


NOTIFICATIONS = [
    told(
        "status_changed",
        "lead",
        "Олег Панов",
        "queued",
        [
            way(1, "queued", [attempt(1, "temporary", "421 4.3.2", "4.3.2 Service shutting down")]),
            way(2, "suppressed", [], channel="sms", reason="opted_out", because="Просил не писать сюда", address=""),
        ],
    ),
    told(
        "public_comment",
        "author",
        "Ирина Петрова",
        "delivered",
        [
            way(
                1,
                "failed",
                [attempt(1, "temporary", "451 4.7.1"), attempt(2, "permanent", "550 5.1.1")],
                reason="refused",
            ),
            way(2, "delivered", [attempt(1, "accepted")], channel="sms", address="+7 913 •••-••-07"),
        ],
    ),
    told("assigned", "assignee", "Денис Котов", "unknown", [way(1, "unknown", [attempt(1, "unknown")])]),
    told("resolved", "author", "Ирина Петрова", "sending", [way(1, "sending", [attempt(1, None)])]),
    told("received", "author", "Ирина Петрова", "sent", [way(1, "sent", [attempt(1, "accepted", "250 2.0.0")])]),
]
DECISIONS = [
    {
        "field": "priority",
        "value": "critical",
        "rule": "matrix",
        "code": "matrix",
        "facts": {"impact": "high", "urgency": "high"},
        "because": "Касса на месте продаж остановлена, а договор «Ромашки» — «Премиум»",
    },
    {"field": "line", "value": "2", "rule": "errors", "code": "rule", "facts": {}, "because": "Код E-17 есть в списке"},
]
FACTS: dict[str, Any] = {
    "earlier": EARLIER,
    "notifications": NOTIFICATIONS,
    "decisions": DECISIONS,
    "icons": ICONS,
}
