"""The pages about tickets, deliveries and quarantine, put together once."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from channels.email import frame
from desk.attachments import Files
from desk.delivery_desk import DeliveryDesk
from desk.intake import Intake
from desk.quarantine import Read
from desk.quarantine_desk import QuarantineDesk
from desk.spam_desk import SpamDesk
from desk.ticket_desk import TicketDesk
from web.console.canned import CannedPages
from web.console.deliveries import DeliveryPages
from web.console.gate import Gate
from web.console.quarantine import QuarantinePages
from web.console.spam import SpamPages
from web.console.ticket import TicketPages
from web.console.ticket_files import TicketFiles
from web.console.ticket_new import NewTicketPages
from web.console.ticket_together import TogetherPages
from web.look.page import Look


@dataclass(frozen=True, slots=True)
class TicketDoor:
    """What the pages of tickets need."""

    desk: TicketDesk
    deliveries: DeliveryDesk
    quarantine: QuarantineDesk
    spam: SpamDesk
    read: Read
    intake: Intake
    files: Files
    look: Look
    gate: Gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses; those with fixed names first."""
        return [
            *NewTicketPages(self.desk, self.intake, self.look, self.gate).routes(),
            *CannedPages(self.desk, self.look, self.gate).routes(),
            *TicketFiles(self.desk, self.files, frame.document, self.look, self.gate).routes(),
            *TogetherPages(self.desk, self.look, self.gate).routes(),
            *DeliveryPages(self.deliveries, self.look, self.gate).routes(),
            *QuarantinePages(self.quarantine, self.read, self.look, self.gate).routes(),
            *SpamPages(self.spam, self.read, self.look, self.gate).routes(),
            *TicketPages(self.desk, self.look, self.gate).routes(),
        ]
