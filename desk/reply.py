"""Answers and internal comments as a page sends them: each form once, nobody talks past a colleague, and an answer can
be taken back until it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from desk import typed
from desk.change import STATUS_COLUMNS, Actor, Changes, Refused, Speech
from storage import conversation, tickets
from storage.types import EPOCH, MICROSECOND
from tickets.delivery import DeliveryState
from tickets.reason import Suppression
from tickets.status import Status

Row = dict[str, Any]

REPLY, COMMENT = MODES = ("reply", "comment")

WORDS = frozenset({"public_comment", "author_replied", "participant_replied", "status", "note_added"})
"""Entries of the history somebody who answers has to know of first."""


class Overtaken(Exception):
    """Somebody wrote or decided meanwhile; `entries` are those of the history that the writer has not seen."""

    def __init__(self, entries: list[Row]) -> None:
        super().__init__("somebody answered meanwhile")
        self.entries = entries


@dataclass(frozen=True, slots=True)
class Letter:
    """What a form says.

    `status` is where the ticket goes along with it, None where it stays. `seen` is the newest entry of the history the
    writer has had before their eyes; `anyway` sends it whatever came since. `nonce` is the form's.
    """

    mode: str
    text: str
    nonce: str
    status: Status | None = None
    seen: UUID | None = None
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of it; `again` says that this very form had been taken before."""

    number: str
    message_id: UUID | None
    again: bool = False


def post(changes: Changes, number: str, letter: Letter, actor: Actor, user_id: UUID, hold: timedelta) -> Posted:
    """Say something on a ticket, with the files chosen for it, and move the ticket along.

    Raises:
        NoSuchTicket: the number is nobody's.
        Overtaken: somebody wrote meanwhile, and it is not to be sent `anyway`.
        IllegalMove: the life cycle has no such arc.
        Refused: there is nothing in it, the ticket was merged into another, or this very form has said something else
            before.
    """
    ticket = changes.ticket(number)
    known = conversation.submission(changes.connection, letter.nonce)
    if known is not None:
        return _again(changes, ticket, known, letter, user_id)
    if letter.mode not in MODES:
        raise Refused("an answer or an internal comment: choose one", "unknown_value")
    if letter.mode == REPLY and letter.seen is not None and not letter.anyway:
        news = unseen(changes, ticket, letter.seen, actor)
        if news:
            raise Overtaken(news)
    files = conversation.draft_files_of(changes.connection, ticket["id"], user_id)
    if not letter.text.strip():
        raise Refused("the message is empty", "empty")
    before = {name: _plain(ticket[name]) for name in STATUS_COLUMNS}
    moves = letter.status is not None and letter.status.value != ticket["status"]
    speech = Speech(tuple(files), hold if letter.mode == REPLY else timedelta(0))
    if letter.mode == COMMENT:
        if moves and letter.status in (Status.WAITING, Status.REJECTED):
            raise Refused(
                "the author has to be told what is asked or why not: answer instead of commenting", "comment_moves"
            )
        changes.comment(number, letter.text, actor, public=False, speech=speech)
        if moves and letter.status is not None:
            changes.status(number, letter.status, actor)
    elif moves and letter.status is not None:
        changes.status(number, letter.status, actor, letter.text, speech=speech)
    else:
        changes.comment(number, letter.text, actor, public=True, speech=speech)
    ticket = changes.ticket(number)
    message_id = conversation.last_message(changes.connection, ticket["id"], actor.label)
    conversation.keep_draft(changes.connection, ticket["id"], user_id, letter.mode, "", changes.now)
    conversation.files_sent(changes.connection, files)
    conversation.submitted(
        changes.connection,
        {
            "nonce": letter.nonce,
            "user_id": user_id,
            "ticket_id": ticket["id"],
            "message_id": message_id,
            "version": ticket["version"],
            "before": before | {"moved": moves},
            "at": changes.now,
            "undone": False,
        },
    )
    return Posted(ticket["number"], message_id)


def _again(changes: Changes, ticket: Row, form: Row, letter: Letter, user_id: UUID) -> Posted:
    """A form that was taken before: the same once more, or something else that must not be taken for it."""
    own = form["user_id"] == user_id and form["ticket_id"] == ticket["id"] and not form["undone"]
    said = conversation.message_of(changes.connection, [ticket["id"]], form["message_id"]) if own else None
    if said is None or said["text"] != typed.lines(letter.text) or said["public"] != (letter.mode == REPLY):
        raise Refused(
            "this form has said something else before: send it once more from the page shown now", "said_before"
        )
    return Posted(ticket["number"], said["id"], again=True)


def unseen(changes: Changes, ticket: Row, seen: UUID, actor: Actor) -> list[Row]:
    """What came into the history since, as far as somebody who answers has to know of it.

    Of what they did themselves, in another window, that is what the author was told.
    """
    entries = conversation.events_since(changes.connection, ticket["id"], seen)
    return [
        each
        for each in entries
        if each["what"] in WORDS and (each["by"] != actor.label or each["what"] == "public_comment")
    ]


def take_back(changes: Changes, number: str, nonce: str, actor: Actor, user_id: UUID) -> str:
    """Take an answer back that has not left yet, and the move that went with it; returns its text.

    The text and its files are the writer's draft again. The message stays on the ticket, for staff alone.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: it was not this user's, has left already, or the ticket changed since.
    """
    ticket = changes.ticket(number)
    form = conversation.submission(changes.connection, nonce, lock=True)
    if form is None or form["user_id"] != user_id or form["ticket_id"] != ticket["id"] or form["message_id"] is None:
        raise Refused("there is nothing of yours to take back", "undo_none")
    if form["undone"]:
        raise Refused("it was taken back already", "undo_twice")
    moved = form["before"].pop("moved")
    if moved and form["version"] != ticket["version"]:
        raise Refused("the ticket was changed since, so that it cannot be put back", "undo_changed")
    ways = conversation.ways_of(changes.connection, form["message_id"])
    if any(
        way["state"] != DeliveryState.SUPPRESSED and (way["state"] != DeliveryState.QUEUED or way["tries"])
        for way in ways
    ):
        raise Refused("it has left already", "undo_late")
    message = conversation.message_of(changes.connection, [ticket["id"]], form["message_id"])
    if message is None:
        raise Refused("there is nothing of yours to take back", "undo_none")
    waiting = [way["id"] for way in ways if way["state"] == DeliveryState.QUEUED]
    conversation.suppress(changes.connection, waiting, Suppression.WITHDRAWN.value, changes.now)
    conversation.withdraw(
        changes.connection, message["id"], {**message["detail"], "withdrawn": changes.now.isoformat()}
    )
    if form["version"] == ticket["version"]:
        for name, value in form["before"].items():
            ticket[name] = _instant(value) if name.endswith(("_at", "_by")) else value
    changes.event(ticket, actor, "reply_withdrawn", None, None, message["id"], [])
    if moved:
        changes.event(ticket, actor, "status", None, ticket["status"], None, [])
    ticket["updated_at"] = changes.now
    tickets.save(changes.connection, ticket, STATUS_COLUMNS)
    conversation.undone(changes.connection, nonce)
    conversation.files_again(changes.connection, message["id"], ticket["id"], user_id, changes.now)
    text = str(message["text"])
    conversation.keep_draft(changes.connection, ticket["id"], user_id, REPLY, text, changes.now)
    return text


def _plain(value: Any) -> Any:
    return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value


def _instant(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + value * MICROSECOND
