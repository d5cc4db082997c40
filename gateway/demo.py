"""The demonstration: the whole program on an embedded database, with a relay that delivers nowhere."""

from __future__ import annotations

import asyncio
import email
import email.policy
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from importlib.resources import files
from pathlib import Path

from channels.testing import SimulatedRelay
from desk.feed import Feed
from desk.organisation import import_bundle, parse
from desk.printout import ticket_text
from gateway import settings as settings_module
from gateway.demo_mail import IRINA, REPLY, SOLVED, SUBJECT, TEXT, a_mail, send
from gateway.demo_play import DemoPlay
from gateway.program import MoreRoutes, Program
from storage import schema
from tickets.status import Status
from web.demo.page import ADDRESS, DemoPage

PATIENCE = 15.0
"""Seconds the whole story may take."""

PASSWORD = "demo-demo-2026"
"""Of the login the demonstration makes; it listens on this machine only."""

LOOK = timedelta(milliseconds=200)
"""How often one looks for news."""


class Stage:
    """The set: a folder with settings and database, a simulated relay, the running program."""

    def __init__(self, folder: Path, *, http: int, smtp: int) -> None:
        self.folder = folder
        self.relay = SimulatedRelay()
        self._ports = {"http": http, "smtp": smtp}
        self.program: Program

    async def open(self, more: MoreRoutes | None = None) -> None:
        """Write the settings, lay out the database, import the sample organisation, start everything.

        `more` gives further pages of the program.

        Raises:
            OSError: an address is taken.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.relay.start()
        template = files("gateway.sample").joinpath("otklik.toml").read_text(encoding="utf-8")
        config = self.folder / "otklik.toml"
        url = f"http://127.0.0.1:{self._ports['http']}" if self._ports["http"] else ""
        config.write_text(template.format(**self._ports, relay=self.relay.port, url=url), encoding="utf-8")
        settings = settings_module.load(config, {})
        await schema.upgrade(settings.database.url)
        self.program = Program(settings)
        if more is not None:
            self.program.more_routes = more
        await self.program.start()
        sample = files("gateway.sample").joinpath("organisation.toml").read_text(encoding="utf-8")
        bundle = parse(sample, "organisation.toml")
        await self.program.opened.write(lambda c: import_bundle(c, bundle, site=self.program.site))

    async def close(self) -> None:
        """Stop everything; the folder stays."""
        if hasattr(self, "program"):
            await self.program.stop()
        await self.relay.stop()

    def feed(self, language: str) -> Feed:
        """News of this stage."""
        return Feed(self.program.opened, language, self.program.site.zone)


async def once(folder: Path, language: str, say: Callable[[str], None]) -> None:
    """Tell the whole story by itself and print the ticket at the end.

    Raises:
        TimeoutError: something that should happen did not.
    """
    stage = Stage(folder, http=0, smtp=0)
    await stage.open()
    told = _Told(language, say, stage.feed(language))
    watching = asyncio.create_task(told.watch())
    try:
        async with asyncio.timeout(PATIENCE):
            await _story(stage, told)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await _last_news(stage, told)
    finally:
        watching.cancel()
        await stage.close()


async def _story(stage: Stage, told: _Told) -> None:
    program, relay = stage.program, stage.relay
    smtp = program.settings.smtp.listen
    port = program.listener.port if program.listener else smtp.port
    await told.step("Ирина пишет в Новосибирск, а почтовый релей капризничает", "Irina writes, and the relay is moody")
    relay.script(["451 4.7.1 Please try again later"] * 2, to=IRINA)
    answer = await send(a_mail(SUBJECT, TEXT), smtp.host, port)
    told.line(f"SMTP: {answer}")
    acknowledgement = await _mail_to(relay, IRINA, 1)
    await told.step(
        f"Подтверждение дошло с третьей попытки: «{acknowledgement['Subject']}». Ирина отвечает на него",
        f"The acknowledgement arrived at the third try: “{acknowledgement['Subject']}”. Irina answers it",
    )
    answer = await send(a_mail(f"Re: {acknowledgement['Subject']}", REPLY, reply_to=acknowledgement), smtp.host, port)
    told.line(f"SMTP: {answer}")
    number = answer.split()[-1]
    view = await program.read.ticket(number, told.language)
    login = view["assignee"] or "o.belyaeva"
    await told.step("Инженер берётся за дело и чинит принтер", "An engineer takes it and mends the printer")
    await program.change.status(number, Status.IN_PROGRESS, login)
    await program.change.status(number, Status.RESOLVED, login, SOLVED)
    await _mail_to(relay, IRINA, 3)
    await _settled(stage, number)
    told.number = number


async def _last_news(stage: Stage, told: _Told) -> None:
    view = await stage.program.read.ticket(told.number, told.language)
    await told.step(
        "Вот вся заявка: кто, что, почему и кому сказано", "The whole ticket: who, what, why, and who was told"
    )
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    told.line(ticket_text(view, told.language, stage.program.site.zone, colour=colour))


async def _mail_to(relay: SimulatedRelay, address: str, count: int) -> EmailMessage:
    """The `count`-th mail the relay took for somebody, once it is there."""
    seen = 0
    while len(relay.to(address)) < count:
        seen = len(await relay.wait(seen + 1, within=PATIENCE))
    raw = relay.to(address)[count - 1].raw
    return email.message_from_bytes(raw, policy=email.policy.default)


async def _settled(stage: Stage, number: str) -> None:
    """Wait until nothing of a ticket is on its way any more."""
    while True:
        view = await stage.program.read.ticket(number, "en")
        states = {d["state"] for n in view["notifications"] for d in n["deliveries"]}
        if not states & {"queued", "sending"}:
            return
        await asyncio.sleep(LOOK.total_seconds())


async def live(folder: Path, language: str, say: Callable[[str], None], *, http: int, smtp: int, command: str) -> None:
    """Run until interrupted and say what happens as it happens."""
    stage = Stage(folder, http=http, smtp=smtp)
    play = DemoPlay(stage.relay, PASSWORD)
    await stage.open(lambda look: DemoPage(play, look).routes())
    told = _Told(language, say, stage.feed(language))
    try:
        await play.open(stage.program, stage.feed(language))
        addresses = stage.program.addresses
        for name, told_of in (
            (_word("Страница", "Page", language), f"{addresses.http}{ADDRESS}"),
            (_word("Рабочее место", "Staff", language), f"{addresses.http}/queue ({play.login} / {play.password})"),
            ("SMTP", addresses.smtp),
            (_word("Папка", "Folder", language), folder),
        ):
            told.line(f"{name:<14} {told_of}")
        await told.step("Отправьте настоящее письмо из другого окна", "Send a real mail from another window")
        told.line(f"  {command} --send 'Не печатает принтер, срочно!'")
        await told.step("и смотрите, что с ним станет (Ctrl+C — конец)", "and watch what becomes of it (Ctrl+C ends)")
        await told.watch()
    finally:
        await stage.close()


class _Told:
    """Says things in one of two languages, and what happened in the meantime before each of them."""

    def __init__(self, language: str, say: Callable[[str], None], feed: Feed) -> None:
        self.language = language
        self.line = say
        self.number = ""
        self._feed = feed
        self._speaking = asyncio.Lock()

    async def step(self, russian: str, english: str) -> None:
        """A heading of the story."""
        await self.news()
        self.line(f"\n— {_word(russian, english, self.language)}\n")

    async def news(self) -> None:
        """What happened since the last call."""
        async with self._speaking:
            for line in await self._feed.news():
                self.line(line)

    async def watch(self) -> None:
        """Tell the news for ever."""
        while True:
            await self.news()
            await asyncio.sleep(LOOK.total_seconds())


def _word(russian: str, english: str, language: str) -> str:
    return english if language == "en" else russian
