"""What the page of the demonstration can do to the stage, and what it sees there."""

from __future__ import annotations

import contextlib
import email
import email.policy
from collections import deque
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from desk.accounts import Accounts, NewUser, NotChanged
from desk.change import Actor
from desk.feed import Feed
from desk.portal_links import PageLinks
from gateway import assemble
from gateway.demo_mail import IRINA, REPLY, SOLVED, SUBJECT, TEXT, a_mail, send
from storage.errors import StorageUnavailable
from storage.tickets import Filter
from tickets.role import Role
from tickets.status import IllegalMove, Status
from web.demo.page import Received, Scene

if TYPE_CHECKING:
    from channels.testing import SimulatedRelay
    from gateway.program import Program

REFUSAL = "421 4.3.2 Service not available"
ANSWERS = (
    "Приняли, смотрим. Какая ошибка на экране?",
    "Ошибка 50 — это узел закрепления. Инженер будет через час.",
    "Инженер выехал, пропуск заказан.",
)
NEWS = 60
"""Lines the feed of events keeps."""


class DemoPlay:
    """See `web.demo.page.Play`."""

    def __init__(self, relay: SimulatedRelay, password: str) -> None:
        self._relay = relay
        self._begun: tuple[Program, Feed] | None = None
        self._number = ""
        self._since = datetime.now(UTC)
        self._answered = 0
        self._seen = 0
        self._broken_since: datetime | None = None
        self._done: set[str] = set()
        self._pages: dict[str, str] = {}
        self._news: deque[str] = deque(maxlen=NEWS)
        self.login = "o.belyaeva"
        self.password = password
        self.address = ""

    async def open(self, program: Program, feed: Feed) -> None:
        """Begin, with a program that was started: somebody has to be able to log in."""
        self.address = program.addresses.smtp or ""
        accounts = Accounts(program.opened, program.clock, assemble.staff_rules(program.settings))
        new = NewUser(self.login, Role.ADMINISTRATOR, language="ru", password=self.password)
        try:
            await accounts.create(new, Actor("demo"))
        except NotChanged:
            await accounts.set_password(self.login, self.password, Actor("demo"))
        self._begun = program, feed

    @property
    def _program(self) -> Program:
        if self._begun is None:
            raise StorageUnavailable("the demonstration has not begun yet")
        return self._begun[0]

    async def scene(self, language: str) -> Scene:
        """All there is to see now."""
        if self._begun is None:
            return Scene(None, [], [], None, frozenset(), "")
        self._news.extend(await self._begun[1].news())
        ticket = await self._ticket(language)
        page = ""
        if ticket is not None:
            page = await self._page(ticket["number"])
        mails = [_read(mail.raw, mail.at) for mail in self._relay.to(IRINA)[self._seen :]]
        return Scene(ticket, list(self._news), mails, self._broken_since, frozenset(self._done), page)

    async def write(self) -> None:
        """Irina writes a mail."""
        self._number = await self._send(a_mail(SUBJECT, TEXT))
        self._done.add("write")

    async def answer(self) -> None:
        """The engineer answers her."""
        ticket = await self._ticket("ru")
        if ticket is None:
            return
        text = ANSWERS[self._answered % len(ANSWERS)]
        self._answered += 1
        if Status(ticket["status"]) is Status.NEW:
            await self._program.change.status(ticket["number"], Status.IN_PROGRESS, self._engineer(ticket))
        await self._program.change.comment(ticket["number"], text, self._engineer(ticket), public=True)
        self._done.add("answer")

    async def toggle_relay(self) -> None:
        """Break the relay, or mend it."""
        self._done.add("relay")
        if self._broken_since is None:
            self._broken_since, self._relay.refusal = datetime.now(UTC), REFUSAL
            self._relay.disconnect()
        else:
            self._broken_since, self._relay.refusal = None, ""

    async def reply(self) -> None:
        """Irina replies to the last mail she got; without one she writes the ticket's number."""
        ticket = await self._ticket("ru")
        if ticket is None:
            return
        got = self._relay.to(IRINA)[self._seen :]
        last = email.message_from_bytes(got[-1].raw, policy=email.policy.default) if got else None
        subject = f"Re: {last['Subject']}" if last else f"Re: [{ticket['number']}] {SUBJECT}"
        await self._send(a_mail(subject, REPLY, reply_to=last))
        self._done.add("reply")

    async def solve(self) -> None:
        """The engineer solves the ticket, if its state allows it."""
        ticket = await self._ticket("ru")
        if ticket is None:
            return
        who, status = self._engineer(ticket), Status(ticket["status"])
        if status is Status.NEW:
            await self._program.change.status(ticket["number"], Status.IN_PROGRESS, who)
            status = Status.IN_PROGRESS
        with contextlib.suppress(IllegalMove):
            await self._program.change.status(ticket["number"], Status.RESOLVED, who, SOLVED)
        self._done.add("solve")

    async def again(self) -> None:
        """Begin a new story; what was stays in the database."""
        self._number, self._answered, self._since = "", 0, datetime.now(UTC)
        self._seen = len(self._relay.to(IRINA))
        self._broken_since, self._relay.refusal = None, ""
        self._done.clear()
        self._news.clear()

    async def _send(self, mail: EmailMessage) -> str:
        smtp = self._program.settings.smtp.listen
        answer = await send(mail, smtp.host, self._program.listener.port if self._program.listener else smtp.port)
        return answer.split()[-1]

    async def _ticket(self, language: str) -> dict[str, Any] | None:
        number = self._number
        if not number:
            items, _ = await self._program.read.tickets(Filter(since=self._since, limit=1))
            if not items:
                return None
            number = items[0]["number"]
        return await self._program.read.ticket(number, language)

    async def _page(self, number: str) -> str:
        if number not in self._pages:
            links = PageLinks(self._program.opened, self._program.site, self._program.clock)
            self._pages[number] = await links.give(number, Actor("demo"))
        return self._pages[number]

    def _engineer(self, ticket: dict[str, Any]) -> str:
        return str(ticket["assignee"] or self.login)


def _read(raw: bytes, at: datetime) -> Received:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    body = mail.get_body(("plain",))
    lines = body.get_content().strip().splitlines() if body is not None else []
    said = [line for line in lines if line.strip()]
    return Received(str(mail["Subject"]), "\n".join(said[1:5]), at)
