"""Web forms at the desk: taking one in, keeping its files until it is sent, and what its writer is shown afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from msgspec import structs

from channels.webform.answers import Held
from channels.webform.form import Form
from channels.webform.message import Statement, read_again
from desk.intake import Given, Intake, Misstated, Taken
from desk.portal_links import page_path
from desk.site import Site
from storage import forms
from storage.database import Connection, Database
from tickets.clock import Clock
from tickets.key import new_key
from tickets.message import InboundMessage, Unreadable

log = structlog.get_logger(__name__)

PARKED_FOR = timedelta(hours=1)
SHOWN_FOR = timedelta(hours=24)
"""How long the page behind a form that was sent can be opened again: it carries the link to the ticket."""
SWEEP_EVERY = timedelta(minutes=5)


class NoRoom(Exception):
    """A file is not parked: the form has enough, or all forms together have."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a form became, for its writer. `told` says whether a mail goes to `address` now; `page` is the path of the
    ticket's page, empty where there is none."""

    number: str
    address: str
    by_mail: bool
    told: bool
    respond_by: datetime | None
    resolve_by: datetime | None
    zone: str
    page: str


class Forms:
    """The desk's part of web forms."""

    def __init__(self, database: Database, intake: Intake, site: Site, clock: Clock, *, room: int) -> None:
        self._database = database
        self._intake = intake
        self._site = site
        self._clock = clock
        self._room = room
        self._swept: datetime | None = None

    async def take(self, message: InboundMessage | Unreadable, raw: bytes, stated: Statement) -> Taken:
        """Take a form in for good.

        A centre the settings name and the organisation does not have costs no ticket: the router decides instead.

        Raises:
            NotAcceptedNow: nothing was kept, the writer must try again.
            DifferentContent: this opened form was sent before with other words.
        """
        given = given_of(stated)
        try:
            taken = await self._intake.take(message, raw, given)
        except Misstated as error:
            log.warning("form_states_what_is_not", form=message.account, field=error.field, problem=str(error))
            taken = await self._intake.take(message, raw, structs.replace(given, centre="", group="", customer=""))
        return taken

    # ---- files that wait ------------------------------------------------------------------------------------------

    async def park(self, nonce: str, form: Form, files: Sequence[tuple[str, str, str, bytes]]) -> list[Held]:
        """Keep files of a form that is not sent yet: `(field, name, content type, bytes)` each.

        Raises:
            NoRoom: there are enough of them; none was kept.
            StorageUnavailable: none was kept.
        """
        now = self._clock.now()
        rows: list[dict[str, Any]] = [
            {
                "id": new_key(),
                "nonce": nonce,
                "field": field,
                "name": name,
                "content_type": content_type,
                "size": len(data),
                "bytes": data,
                "expires_at": now + PARKED_FOR,
            }
            for field, name, content_type, data in files
        ]

        def keep(connection: Connection) -> None:
            if self._swept is None or now - self._swept > SWEEP_EVERY:
                forms.sweep(connection, now)
            count, octets, every = forms.weight(connection, nonce, now)
            added = sum(row["size"] for row in rows)
            # twice what may be sent, because a file that was taken out again stays until its hour is over
            if count + len(rows) > 2 * form.files.count or octets + added > 2 * form.files.total:
                raise NoRoom("this form has enough files")
            if every + added > self._room:
                raise NoRoom("there is no room for more files now")
            for row in rows:
                forms.park(connection, row)

        await self._database.write(keep, name="forms.park")
        self._swept = now
        return [Held(r["id"].hex, r["field"], r["name"], r["content_type"], r["size"]) for r in rows]

    async def held(self, nonce: str, ids: Sequence[str]) -> list[Held]:
        """The files of a form that are still there; ids of other forms name nothing.

        Raises:
            StorageUnavailable: nobody knows.
        """
        wanted = _keys(ids)
        if not wanted:
            return []
        now = self._clock.now()
        rows = await self._database.read(lambda connection: forms.parked(connection, nonce, wanted, now))
        return [Held(r["id"].hex, r["field"], r["name"], r["content_type"], r["size"]) for r in rows]

    async def held_bytes(self, nonce: str, held: Sequence[Held]) -> list[tuple[str, str, str, bytes]]:
        """The same files with their bytes, as `park` takes them."""
        wanted = _keys([one.id for one in held])
        if not wanted:
            return []
        found = await self._database.read(lambda connection: forms.parked_bytes(connection, nonce, wanted))
        return [(f.field, f.name, f.content_type, found[UUID(f.id)]) for f in held if UUID(f.id) in found]

    async def drop(self, nonce: str, file_id: str) -> None:
        """Forget one file of a form."""
        keys = _keys([file_id])
        if keys:
            await self._database.write(lambda connection: forms.drop(connection, nonce, keys[0]), name="forms.drop")

    async def move(self, old: str, new: str) -> None:
        """Give the files of one opened form to another that takes its place."""
        await self._database.write(lambda connection: forms.move(connection, old, new), name="forms.move")

    async def forget(self, nonce: str) -> None:
        """The form was sent."""
        await self._database.write(lambda connection: forms.forget(connection, nonce), name="forms.forget")

    # ---- afterwards -----------------------------------------------------------------------------------------------

    async def was_sent(self, form: str, external_id: str) -> bool:
        """Whether this opened form was taken in before."""
        return await self._database.read(lambda c: forms.receipt(c, form, external_id)) is not None

    async def receipt(self, form: str, external_id: str) -> Receipt | None:
        """What a form became; None for nobody's id and after a day."""
        now = self._clock.now()
        row = await self._database.read(lambda connection: forms.receipt(connection, form, external_id))
        if row is None or now - row["received_at"] > SHOWN_FOR:
            return None
        centre = self._intake.organisation.centres.get(row["centre"])
        by_mail = row["sender_kind"] == "email"
        return Receipt(
            number=row["number"],
            address=row["sender_value"],
            by_mail=by_mail,
            told=by_mail and row["told"] not in ("", "suppressed"),
            respond_by=row["respond_by"],
            resolve_by=row["resolve_by"],
            zone=(centre.zone if centre else "") or self._site.zone,
            page=page_path(self._site, row["ticket_id"], row["contact_id"], row["received_at"]),
        )


@dataclass(frozen=True, slots=True)
class FormsAgain:
    """Reads forms out of quarantine, as `desk.quarantine.Quarantine` asks for it."""

    forms: Mapping[str, Form]

    def __call__(
        self, raw: bytes, *, account: str, external_id: str, received_at: datetime, envelope: Mapping[str, Any]
    ) -> tuple[InboundMessage | Unreadable, Given]:
        """The message and what it states."""
        message, stated = read_again(
            self.forms, raw, account=account, external_id=external_id, received_at=received_at, envelope=envelope
        )
        return message, given_of(stated)


def given_of(stated: Statement) -> Given:
    """A form's statement as intake takes it."""
    return Given(
        type=stated.type,
        category=stated.category,
        impact=stated.impact,
        urgency=stated.urgency,
        centre=stated.centre,
        consents=stated.consents,
        unproven=stated.unproven,
    )


def _keys(ids: Sequence[str]) -> list[UUID]:
    found: list[UUID] = []
    for one in ids:
        try:
            found.append(UUID(hex=one))
        except ValueError:
            continue
    return found
