"""What would become of a message, decided by the very code that files it, with nothing written."""

from __future__ import annotations

from typing import Any

from desk import arrival, view
from desk.cap import Cap, Domains
from desk.intake import Given
from desk.known import Known
from desk.site import Site
from desk.words import words
from outbound.token import ReplyTokens
from storage import intake
from storage import organisation as organisations
from storage.database import Connection, Database
from storage.intake import Batch
from tickets.clock import Clock
from tickets.message import InboundMessage


class Explaining:
    """Answers "what if this came now"."""

    def __init__(self, database: Database, site: Site, tokens: ReplyTokens, clock: Clock) -> None:
        self._database = database
        self._site = site
        self._tokens = tokens
        self._clock = clock

    async def message(self, message: InboundMessage, language: str) -> dict[str, Any]:
        """What intake would do: `becomes` is "new", "reply" or "joined" (came before); `ticket` the number of the
        one it would belong to, `decision` the router's for a new one, `because` what ties it to others."""
        return await self._database.write(lambda connection: self._explain(connection, message, language))

    def _explain(self, connection: Connection, message: InboundMessage, language: str) -> dict[str, Any]:
        # a write transaction, because the look-ups lock what intake would change; the batch is dropped, not written
        organisation = organisations.load(connection)
        known = Known.gather(connection, [message], self._tokens)
        earlier = known.receipt(message) or known.same_content(message)
        if earlier is not None:
            return {"becomes": "joined", "ticket": earlier["number"], "decision": [], "because": []}
        batch = Batch()
        load = {member.hex: count for member, count in intake.open_load(connection).items()}
        desk = arrival.Desk(
            self._site,
            organisation,
            load,
            batch,
            known,
            self._clock.now(),
            Cap(self._site.caps, Domains(), known.hours),
        )
        ticket, _, made = desk.file(message, b"", Given())
        tied = [
            words(reason, language)
            for event in batch.rows("events")
            if event["what"] not in ("received", "assigned")
            for reason in event["reasons"]
        ]
        if made is None:
            return {"becomes": "reply", "ticket": ticket["number"], "decision": [], "because": tied}
        assignee = organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        return {
            "becomes": "new",
            "ticket": None,
            "assignee": assignee.login if assignee else None,
            "decision": view.decision(ticket["decision"], organisation, language),
            "because": tied,
        }
