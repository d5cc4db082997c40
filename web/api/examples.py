"""Answers as the description shows them; a test holds them to their shapes."""

from __future__ import annotations

from typing import Any

from web.api import answers

_AT = "2026-11-21T09:05:52.894971+00:00"
_DUE = "2026-11-21T09:35:52.894971+00:00"

SUMMARY: dict[str, Any] = {
    "number": "OTK-26-000001",
    "subject": "Срочно: не печатает принтер",
    "status": "new",
    "type": "incident",
    "category": "",
    "impact": "medium",
    "urgency": "high",
    "priority": "high",
    "centre": "nsk",
    "line": 1,
    "group": "nsk-support",
    "assignee": "a.romanov",
    "customer": {"id": "sibtrans", "name": "ООО «СибТрансЛогистик»"},
    "channel": "api",
    "created_at": _AT,
    "updated_at": _AT,
    "version": 1,
    "respond_by": _DUE,
    "resolve_by": None,
    "closed_at": None,
}

_ATTEMPT: dict[str, Any] = {
    "number": 1,
    "provider": "local",
    "started_at": _AT,
    "ended_at": _AT,
    "outcome": "accepted",
    "code": "250",
    "detail": "2.0.0 OK",
    "provider_id": "SIM000001",
    "cost": None,
}

_WAY: dict[str, Any] = {
    "id": "01a2006dfa4774da8fb57079c2217cc3",
    "step": 1,
    "channel": "email",
    "provider": "local",
    "address": "irina@sibtrans.example",
    "language": "ru",
    "state": "sent",
    "reason": None,
    "because": None,
    "subject": "[OTK-26-000001] Приняли: Срочно: не печатает принтер",
    "text": "Здравствуйте!",
    "due_at": _AT,
    "expires_at": None,
    "attempts": [_ATTEMPT],
}

_TO = {"person": "Ирина Власова", "role": "author"}

TICKET: dict[str, Any] = {
    **SUMMARY,
    "contact": {
        "id": "01a2006dfa4474da8fb57079c2217cc1",
        "name": "Ирина Власова",
        "addresses": [{"kind": "email", "value": "irina@sibtrans.example", "verified": False}],
    },
    "decision": [
        {
            "field": "customer",
            "value": "sibtrans",
            "rule": "customer",
            "code": "customer_domain",
            "facts": {"customer": "ООО «СибТрансЛогистик»", "domain": "sibtrans.example"},
            "because": "domain sibtrans.example belongs to ООО «СибТрансЛогистик»",
        }
    ],
    "messages": [
        {
            "id": "01a2006dfa4574da8fb57079c2217cc2",
            "direction": "in",
            "channel": "api",
            "kind": "human",
            "from": {"kind": "email", "value": "irina@sibtrans.example", "name": "Ирина Власова"},
            "subject": "Срочно: не печатает принтер",
            "text": "С утра не печатает принтер на складе.",
            "reply_text": "С утра не печатает принтер на складе.",
            "html": "",
            "at": _AT,
            "message_id": "",
            "public": True,
            "authenticity": {},
            "defects": [],
            "fax": None,
            "receipts": 1,
            "attachments": [],
        }
    ],
    "notifications": [
        {
            "id": "01a2006dfa4674da8fb57079c2217cc4",
            "event": "received",
            "to": _TO,
            "state": "sent",
            "created_at": _AT,
            "deliveries": [_WAY],
        }
    ],
    "history": [{"at": _AT, "by": "api:portal", "what": "received", "old": None, "new": "new", "because": ""}],
    "links": [],
}

DELIVERY: dict[str, Any] = {
    **_WAY,
    "ticket": "OTK-26-000001",
    "notification": "01a2006dfa4674da8fb57079c2217cc4",
    "event": "received",
    "to": _TO,
    "dead": False,
    "tries": 1,
    "provider_id": "SIM000001",
    "created_at": _AT,
    "updated_at": _AT,
}

ENTRY: dict[str, Any] = {
    "id": "01a2006dfbd5721d861968e7938b180d",
    "channel": "email",
    "account": "smtp",
    "received_at": _AT,
    "reason": "empty",
    "detail": "",
    "envelope": {"peer": "192.0.2.7", "mail_from": "", "rcpt_to": ["help@support.example.ru"]},
    "size": 2,
    "sha256": "7eb70257593da06f682a3ddda54a9d260d4fc514f645237f5ca74b08f8da61a6",
    "state": "held",
    "replays": 0,
    "ticket": None,
}

EXAMPLES: dict[type, Any] = {
    answers.Ticket: TICKET,
    answers.TicketPage: {"items": [SUMMARY], "next": None},
    answers.DeliveryPage: {"items": [DELIVERY], "next": None},
    answers.DeliveryTold: {
        **DELIVERY,
        "html": None,
        "envelope": {"to": "irina@sibtrans.example"},
        "attempts": [{**_ATTEMPT, "exchange": "250 2.0.0 OK"}],
        "reports": [],
    },
    answers.QuarantineEntry: ENTRY,
    answers.QuarantinePage: {"items": [ENTRY], "next": None},
    answers.KeptInQuarantine: {
        "quarantine_id": "01a2006dfbd5721d861968e7938b180d",
        "detail": "it is kept as quarantine entry 01a2006dfbd5721d861968e7938b180d; staff can replay it",
    },
}
"""One for each shape of an answer."""
