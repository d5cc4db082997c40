"""The books are balanced: every mail of a mailbox, and every mail we said we have, leads somewhere.

A mailbox is held against what is on record of it, message by message. The SMTP journal are the receipts themselves: one
is written in the transaction whose commit the 250 waits for, so each has to lead to a message of a ticket, and each
mail without one to a quarantine entry with its bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from storage import reconcile
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """A mail nobody can say the end of; `id` is its external id, `told` what is known."""

    id: str
    told: str


@dataclass(slots=True)
class Account:
    """One line of the books. `mails` = `tickets` + `joined` + `quarantine` + `waiting` + what is unaccounted for.

    `tickets` counts mails that made or continued one, `joined` those whose content had come before, `waiting` those
    that came just now and are not read yet. `unaccounted` names some of `astray`.
    """

    source: str
    kind: str
    mails: int = 0
    tickets: int = 0
    joined: int = 0
    quarantine: int = 0
    waiting: int = 0
    astray: int = 0
    problem: str = ""
    unaccounted: list[Unaccounted] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether nothing is left over."""
        return not self.astray and not self.problem


async def mailbox(database: Database, account: str, external_ids: Sequence[str]) -> tuple[Account, dict[str, str]]:
    """The line of a mailbox that holds these, and what is left of them: why, by external id."""
    found = await database.read(lambda c: reconcile.deliveries(c, account, external_ids))
    line = Account(account, "mailbox", mails=len(external_ids))
    left: dict[str, str] = {}
    for external_id in external_ids:
        each = found.get(external_id)
        if each is None:
            left[external_id] = "not taken in"
        elif each.end == "problem":
            left[external_id] = each.reason
        elif each.end == "quarantine":
            line.quarantine += 1
        elif each.joined:
            line.joined += 1
        else:
            line.tickets += 1
    return line, left


async def journals(database: Database, mailboxes: Collection[str]) -> list[Account]:
    """The lines of all other accounts mail came by."""
    found = await database.read(lambda c: reconcile.journals(c, other_than=mailboxes))
    return [
        Account(
            each.account,
            "journal",
            each.answered,
            each.tickets,
            each.joined,
            each.quarantined,
            astray=each.astray,
            unaccounted=[Unaccounted(*told.split(": ", 1)) for told in each.some],
        )
        for each in found
    ]
