"""Canned answers: kept by leads for everybody or by anybody for themselves, filled with facts of the ticket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from desk import typed
from desk.change import Refused
from desk.visitor import Visitor
from outbound.words import LANGUAGES
from storage import canned
from storage.database import Connection
from tickets.key import new_key
from tickets.role import Right

Row = dict[str, Any]

FACTS = ("author", "number", "subject", "customer", "centre", "assignee", "me", "site")
"""What may stand in braces in a text; anything else in braces stays as it is."""

LONGEST_TITLE = 120
LONGEST_TEXT = 20_000

_PLACE = re.compile(r"\{([a-z]+)\}")


class NoSuchAnswer(LookupError):
    """There is no canned answer with this id, or it is somebody else's own."""

    def __init__(self, answer_id: UUID) -> None:
        super().__init__(f"there is no canned answer {answer_id.hex}")


@dataclass(frozen=True, slots=True)
class Wording:
    """A canned answer as it is written; `shared` ones are everybody's."""

    title: str
    text: str
    language: str
    shared: bool


def fill(text: str, facts: Mapping[str, str]) -> str:
    """The text with facts in their places. Facts are data: braces in them stay braces.

    >>> fill("{author}, заявка {number}: {unknown} {me}", {"author": "Ирина", "number": "OTK-26-1", "me": "{number}"})
    'Ирина, заявка OTK-26-1: {unknown} {number}'
    """
    return _PLACE.sub(lambda found: facts.get(found[1], found[0]), text)


def save(connection: Connection, who: Visitor, wording: Wording, now: datetime, answer_id: UUID | None = None) -> UUID:
    """Keep a new answer, or other words for one there is.

    Raises:
        NoSuchAnswer: nobody's id, or somebody else's own.
        Refused: nothing in it, too long, or not theirs to change.
    """
    title = typed.line(wording.title)
    text = typed.lines(wording.text).replace("\r\n", "\n").strip()
    if not title or not text:
        raise Refused("a canned answer has a title and a text", "canned_empty")
    if len(title) > LONGEST_TITLE or len(text) > LONGEST_TEXT:
        raise Refused(f"at most {LONGEST_TITLE} characters of title and {LONGEST_TEXT} of text", "canned_long")
    if wording.shared and not who.may(Right.CANNED_WRITE):
        raise Refused("shared answers are kept by leads", "canned_lead")
    values: Row = {
        "owner_id": None if wording.shared else who.user_id,
        "language": wording.language if wording.language in LANGUAGES else "",
        "title": title,
        "text": text,
        "updated_at": now,
        "by": who.actor.label,
    }
    if answer_id is None:
        answer_id = new_key()
        canned.add(connection, {"id": answer_id, "created_at": now, **values})
        return answer_id
    _own(connection, who, answer_id)
    canned.change(connection, answer_id, values)
    return answer_id


def remove(connection: Connection, who: Visitor, answer_id: UUID) -> str:
    """Forget an answer; returns its title.

    Raises:
        NoSuchAnswer: nobody's id, or somebody else's own.
        Refused: not theirs to remove.
    """
    row = _own(connection, who, answer_id)
    canned.remove(connection, answer_id)
    return str(row["title"])


def _own(connection: Connection, who: Visitor, answer_id: UUID) -> Row:
    row = canned.one(connection, answer_id, who.user_id)
    if row is None:
        raise NoSuchAnswer(answer_id)
    if row["owner_id"] is None and not who.may(Right.CANNED_WRITE):
        raise Refused("shared answers are kept by leads", "canned_lead")
    return row
