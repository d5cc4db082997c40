"""Who changes a ticket, how they say it, and how they are told that it cannot be."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tickets.organisation import Member, Organisation

Row = dict[str, Any]


class NoSuchTicket(LookupError):
    """There is no ticket with this number."""

    def __init__(self, number: str) -> None:
        super().__init__(f"there is no ticket {number}")


class Refused(ValueError):
    """The change makes no sense; the text says why and what would. Pages word it by `code`."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: `label` is what the history shows (`staff:<login>`, `api:<token>`, `clock`), `id` the person."""

    label: str
    name: str = ""
    id: uuid.UUID | None = None


def actor_of(organisation: Organisation, login: str) -> Actor:
    """A member of staff as an actor.

    Raises:
        Refused: nobody has this login.
    """
    member = member_of(organisation, login)
    return Actor(f"staff:{member.login}", member.name, uuid.UUID(member.id))


@dataclass(frozen=True, slots=True)
class Speech:
    """How something is said.

    `files` go along with it: rows with `name`, `content_type`, `size` and `sha256` (32 octets) of bytes that are kept
    already. `hold` is how long what is told about it waits before it leaves, so that it can be taken back.
    """

    files: tuple[Row, ...] = ()
    hold: timedelta = timedelta(0)


PLAIN = Speech()


def member_of(organisation: Organisation, login: str) -> Member:
    """A member of staff by login.

    Raises:
        Refused: nobody has it.
    """
    for member in organisation.members.values():
        if member.login == login:
            return member
    known = ", ".join(sorted(m.login for m in organisation.members.values())) or "none"
    raise Refused(f"there is nobody with the login {login!r}; known: {known}", "unknown_value")
