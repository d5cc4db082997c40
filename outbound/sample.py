"""Made-up tickets to try templates on: what `otklik templates check` and `preview` show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

_NOW = datetime(2026, 11, 20, 4, 5, tzinfo=UTC)
_TEXT = {
    "ru": "Здравствуйте!\n\nС утра не печатает принтер в приёмной, горит красная лампа.\nСрочных документов две папки.",
    "en": "Hello,\n\nthe printer at the front desk has not printed since morning, its red lamp is on.",
}
_SUBJECT = {"ru": "Не печатает принтер в приёмной", "en": "The printer at the front desk does not print"}
_CUSTOMER = {"ru": "ООО «Ромашка»", "en": "Romashka Ltd"}
_CENTRE = {"ru": "Новосибирский сервисный центр", "en": "Novosibirsk service centre"}
_CONTACT = {"ru": "Ирина Власова", "en": "Irina Vlasova"}
_ASSIGNEE = {"ru": "Денис Котов", "en": "Denis Kotov"}
_LEAD = {"ru": "Мария Соколова", "en": "Maria Sokolova"}
_COMMENT = {
    "ru": "Заменили узел закрепления, напечатали пробную страницу.\nЕсли лампа загорится снова, напишите нам.",
    "en": "We replaced the fuser and printed a test page.\nIf the lamp comes on again, write to us.",
}
_REASONS = {
    "ru": ["центр по адресу, на который написали", "первая линия, меньше всего открытых заявок"],
    "en": ["the centre by the address written to", "first line, the fewest open tickets"],
}
_SITE = {"ru": "Служба поддержки «Отклик»", "en": "Otklik service desk"}
_MOVES = {
    "status_changed": [
        ("new", "in_progress"),
        ("closed", "in_progress"),
        ("in_progress", "waiting"),
        ("new", "rejected"),
        ("in_progress", "resolved"),
        ("resolved", "closed"),
    ],
    "resolved": [("in_progress", "resolved")],
    "merged": [("NSK-26-000123", "NSK-26-000119")],
    "closed": [("resolved", "closed")],
    "deadline_near": [("", "respond"), ("", "resolve")],
    "deadline_missed": [("", "respond"), ("", "resolve")],
    "undelivered": [("", "irina@example.ru")],
    "mail_loop": [("", "desk@example.org")],
}
_ROLES = {
    "public_comment": ["author", "copy"],
    "status_changed": ["author", "copy"],
    "resolved": ["author", "copy"],
    "closed": ["author", "copy"],
    "assigned": ["assignee", "group", "lead"],
    "author_replied": ["assignee", "lead"],
    "deadline_near": ["assignee", "lead"],
    "deadline_missed": ["assignee", "lead"],
    "reopened": ["assignee", "group"],
    "withdrawn": ["assignee", "group"],
    "undelivered": ["assignee", "group"],
    "mail_loop": ["assignee", "group"],
}


def sample_context(event: str, language: str = "ru") -> dict[str, Any]:
    """The context of a full, ordinary ticket, as `outbound.render` describes it."""
    words = "en" if language == "en" else "ru"
    role = _ROLES.get(event, ["author"])[0]
    old, new = _MOVES.get(event, [("", "")])[0]
    by_author = event == "author_replied"
    return {
        "ticket": {
            "number": "NSK-26-000123",
            "subject": _SUBJECT[words],
            "text": _TEXT[words],
            "status": new if event in ("status_changed", "resolved", "closed") else "new",
            "type": "incident",
            "priority": "high",
            "centre_name": _CENTRE[words],
            "customer_name": _CUSTOMER[words],
            "contact_name": _CONTACT[words],
            "assignee_name": _ASSIGNEE[words],
            "respond_by": _NOW + timedelta(hours=3),
            "resolve_by": _NOW + timedelta(days=3, hours=2),
            "created_at": _NOW - timedelta(minutes=2),
            "close_at": _NOW + timedelta(days=5) if event == "resolved" else None,
            "url": "https://desk.example.ru/t/NSK-26-000123",
        },
        "event": {
            "old": old,
            "new": new,
            "comment": _TEXT[words] if by_author else _COMMENT[words],
            "author": _CONTACT[words] if by_author else _ASSIGNEE[words],
            "reasons": list(_REASONS[words]),
        },
        "recipient": {
            "name": {"author": _CONTACT, "lead": _LEAD}.get(role, _ASSIGNEE)[words],
            "role": role,
            "language": words,
        },
        "site": {
            "name": _SITE[words],
            "url": "https://desk.example.ru",
            "signature": f"{_SITE[words]}\n8 800 000-00-00",
        },
        "zone": "Asia/Novosibirsk",
        "now": _NOW,
    }


def sample_contexts(event: str, language: str = "ru") -> Iterator[dict[str, Any]]:
    """All turns of an event worth trying: each move and each role, with everything known and with next to nothing."""
    for role in _ROLES.get(event, ["author"]):
        for old, new in _MOVES.get(event, [("", "")]):
            full = sample_context(event, language)
            full["event"].update(old=old, new=new)
            full["recipient"]["role"] = role
            yield full
            yield _bare(full)


def _bare(full: dict[str, Any]) -> dict[str, Any]:
    """The same ticket with everything left out that may be missing."""
    ticket = full["ticket"] | dict.fromkeys(
        ("subject", "text", "type", "customer_name", "contact_name", "assignee_name", "centre_name", "url"), ""
    )
    return full | {
        "ticket": ticket | {"respond_by": None, "resolve_by": None, "close_at": None},
        "event": full["event"] | {"comment": "", "author": "", "reasons": []},
        "recipient": full["recipient"] | {"name": ""},
        "site": {"name": full["site"]["name"], "url": "", "signature": ""},
    }
