"""The main story, told through the doors alone: mail in by SMTP, mail out by a relay, the ticket over HTTP."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from channels.testing import Received, SimulatedRelay
from desk.tokens import TokenBook
from gateway import settings as settings_module
from gateway.program import Program
from tests.eventually import eventually
from tests.stage import post_office, settle_in

IRINA = "irina@sibtrans.example"
JOHN = "john@globex.example"


class Stage:
    """Programs on one database, a relay, and a world of people with mailboxes."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.relay = SimulatedRelay()
        self.programs: list[Program] = []
        self.token = ""
        self._stack = AsyncExitStack()
        self.session: aiohttp.ClientSession

    async def open(self, nodes: int = 1) -> None:
        """Start the relay and the programs."""
        await self.relay.start()
        self._stack.push_async_callback(self.relay.stop)
        for number in range(nodes):
            config = self.folder / f"node-{number}.toml"
            sections = {"relay.simulated": f"port = {self.relay.port}", "serve": f'node = "node-{number}"'}
            config.write_text(post_office(self.url, sections), "utf-8")
            program = Program(settings_module.load(config, {}))
            self._stack.push_async_callback(program.stop)
            await program.start()
            self.programs.append(program)
        first = self.programs[0]
        await settle_in(first)
        scopes = ["tickets:read", "tickets:write"]
        self.token = await TokenBook(first.opened).create("test", scopes, first.clock.now(), None)
        self.session = await self._stack.enter_async_context(aiohttp.ClientSession())

    async def close(self) -> None:
        """Stop everything."""
        await self._stack.aclose()

    async def send(self, mail: EmailMessage, node: int = 0, **envelope: Any) -> str:
        """Hand a mail to a program by SMTP; the ticket's number is read from nowhere but the API."""
        host, _, port = str(self.programs[node].addresses.smtp).rpartition(":")
        door: dict[str, Any] = {"hostname": host, "port": int(port), "start_tls": False, "use_tls": False}
        _, answer = await aiosmtplib.send(mail, **door, **envelope)
        return str(answer)

    async def api(self, method: str, path: str, body: Any = None, language: str = "en", node: int = 0) -> Any:
        """Ask a program."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Language": language}
        url = f"{self.programs[node].addresses.http}/api/v1/tickets{path}"
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def tickets(self) -> list[dict[str, Any]]:
        """All tickets, oldest first."""
        return list((await self.api("GET", "?limit=200"))["items"][::-1])

    async def settled(self, number: str) -> dict[str, Any]:
        """The ticket once nothing of it is on its way any more."""

        async def quiet() -> dict[str, Any] | None:
            ticket: dict[str, Any] = await self.api("GET", f"/{number}")
            states = {d["state"] for n in ticket["notifications"] for d in n["deliveries"]}
            return None if states & {"queued", "sending"} else ticket

        return dict(await eventually(quiet))

    def mails(self, to: str) -> list[EmailMessage]:
        """What the relay took for somebody."""
        return [read(mail) for mail in self.relay.to(to)]


def read(mail: Received) -> EmailMessage:
    """A mail as its reader's program shows it."""
    return email.message_from_bytes(mail.raw, policy=email.policy.default)


def body(mail: EmailMessage) -> str:
    """The plain text."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def a_mail(
    sender: str = IRINA, subject: str = "Не печатает принтер", text: str = "Горит красная лампа", **headers: str
) -> EmailMessage:
    """A mail as a mail program writes it; headers by name with underscores."""
    mail = EmailMessage(policy=email.policy.SMTP)
    usual = {"From": sender, "To": "support@otklik.example", "Subject": subject}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in {**usual, "Message-ID": make_msgid(domain="x.example"), **given}.items():
        mail[name] = value
    mail.set_content(text)
    return mail


@pytest.fixture
async def stage(laid_out_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage that is not opened yet."""
    made = Stage(laid_out_url, tmp_path)
    yield made
    await made.close()


async def test_the_story(stage: Stage) -> None:
    await stage.open()
    stage.relay.script(["451 4.7.1 Greylisted, come back", "421 4.3.2 Shutting down"], to=IRINA)

    # a mail becomes a ticket
    question = a_mail(From=f"Ирина Власова <{IRINA}>")
    assert "2.0.0" in await stage.send(question)
    [line] = await stage.tickets()
    number = line["number"]
    assert number.startswith("NSK-")
    assert (line["customer"]["id"], line["status"]) == ("sibtrans", "new")

    # the acknowledgement leaves at the third try, every try the same
    ticket = await stage.settled(number)
    [received] = [n for n in ticket["notifications"] if n["event"] == "received"]
    [way] = received["deliveries"]
    assert way["state"] == received["state"] == "sent"
    assert [(a["number"], a["outcome"]) for a in way["attempts"]] == [
        (1, "temporary"), (2, "temporary"), (3, "accepted"),
    ]  # fmt: skip
    assert way["attempts"][0]["code"] == "451 4.7.1"
    tries = [read(mail) for mail in stage.relay.received if IRINA in mail.rcpt_to]
    assert len(tries) == 3
    assert len({mail["Message-ID"] for mail in tries}) == len({body(mail) for mail in tries}) == 1
    [thanks] = stage.mails(IRINA)
    assert number in thanks["Subject"]
    assert thanks["In-Reply-To"] == question["Message-ID"]
    assert thanks["Auto-Submitted"] == "auto-replied"
    assert thanks["Reply-To"].addresses[0].username.startswith("support+k1-")
    assert "Ирина Власова" not in str(thanks), "nobody has proved yet that the mail is hers"

    # somebody of the staff is alerted, with reasons
    [alert] = [n for n in ticket["notifications"] if n["event"] == "assigned"]
    [alarm] = stage.mails(alert["deliveries"][0]["address"])
    assert number in alarm["Subject"]
    shown = await stage.api("GET", f"/{number}", language=alert["deliveries"][0]["language"])
    because = [d["because"] for d in shown["decision"] if d["code"] != "default"]
    told = " ".join(body(alarm).split())
    assert len(because) > 5
    assert [reason for reason in because if " ".join(reason.split()) not in told] == []

    # the reply finds its ticket by the token alone
    reply = a_mail(subject="Re: совсем другая тема", text="Ошибка 50.2", To=str(thanks["Reply-To"]))
    await stage.send(reply)
    ticket = await stage.settled(number)
    assert [m["text"].strip() for m in ticket["messages"]] == ["Горит красная лампа", "Ошибка 50.2"]
    assert [h["what"] for h in ticket["history"]][-1] == "author_replied"
    assert len(await stage.tickets()) == 1

    # the author hears of a question, answers, and of the end
    await stage.api("POST", f"/{number}/status", {"status": "waiting", "comment": "Какая модель?"})
    await stage.settled(number)
    asked = stage.mails(IRINA)[-1]
    assert "Какая модель?" in body(asked)
    assert "Ирина Власова" in str(asked["To"])
    await stage.send(a_mail(text="HP M404", To=str(asked["Reply-To"])))
    assert (await stage.settled(number))["status"] == "in_progress"
    await stage.api("POST", f"/{number}/status", {"status": "resolved", "comment": "Заменили узел"})
    ticket = await stage.settled(number)
    assert ticket["status"] == "resolved"
    assert "Заменили узел" in body(stage.mails(IRINA)[-1])
    assert len({mail["Message-ID"] for mail in stage.mails(IRINA)}) == len(stage.mails(IRINA))


async def test_everybody_is_told_in_their_language(stage: Stage) -> None:
    await stage.open()
    english = "The printer in the lobby does not print anything since this morning, please help us with it."
    await stage.send(a_mail(JOHN, "Printer is broken", english))
    russian = "Здравствуйте! Принтер у входа с утра ничего не печатает, помогите, пожалуйста."
    await stage.send(a_mail(IRINA, "Сломался принтер", russian))
    for line in await stage.tickets():
        await stage.settled(line["number"])
    [to_john], [to_irina] = stage.mails(JOHN), stage.mails(IRINA)
    assert to_john["Content-Language"] == "en"
    assert to_irina["Content-Language"] == "ru"
    assert "Hello" in body(to_john)
    assert "Здравствуйте" not in body(to_john)
    assert "Здравствуйте" in body(to_irina)


@pytest.mark.parametrize(
    "headers, mail_from",
    [
        ({"Auto_Submitted": "auto-replied"}, IRINA),
        ({"Precedence": "bulk", "List_Id": "<news.example>"}, IRINA),
        ({}, ""),
    ],
    ids=["auto-replied", "list", "null sender"],
)
async def test_automatic_mail_is_kept_and_never_acknowledged(
    stage: Stage, headers: dict[str, str], mail_from: str
) -> None:
    await stage.open()
    await stage.send(a_mail(**headers), sender=mail_from, recipients=["support@otklik.example"])
    [line] = await stage.tickets()
    ticket = await stage.settled(line["number"])
    [received] = [n for n in ticket["notifications"] if n["event"] == "received"]
    assert received["deliveries"][0]["reason"] == "automatic_mail"
    assert stage.mails(IRINA) == []


async def test_a_dead_mailbox_is_not_written_to_again(stage: Stage) -> None:
    await stage.open()
    stage.relay.script(["550 5.1.1 No such user"], to=IRINA, stage="rcpt")
    await stage.send(a_mail())
    [line] = await stage.tickets()
    ticket = await stage.settled(line["number"])
    assert [n["state"] for n in ticket["notifications"] if n["event"] == "received"] == ["failed"]
    await stage.api("POST", f"/{line['number']}/comments", {"text": "Едем", "public": True})
    ticket = await stage.settled(line["number"])
    [told] = [n for n in ticket["notifications"] if n["event"] == "public_comment"]
    assert (told["state"], told["deliveries"][0]["reason"]) == ("suppressed", "address_dead")
    assert stage.mails(IRINA) == []


async def test_the_same_mail_to_two_of_our_addresses_is_one_ticket(stage: Stage) -> None:
    await stage.open()
    mail = a_mail()
    for recipient in ("support@otklik.example", "nsk@otklik.example"):
        await stage.send(mail, recipients=[recipient])
    [line] = await stage.tickets()
    ticket = await stage.settled(line["number"])
    assert [m["receipts"] for m in ticket["messages"]] == [2]
    assert len(stage.mails(IRINA)) == 1


# one process does everything on SQLite
@pytest.mark.parametrize("laid_out_url", ["postgresql"], indirect=True)
async def test_two_nodes_on_one_database(stage: Stage) -> None:
    await stage.open(nodes=2)
    writers = [f"p{n}@romashka.example" for n in range(12)]
    await asyncio.gather(*(stage.send(a_mail(w, text=f"Письмо {w}"), node=n % 2) for n, w in enumerate(writers)))
    same = a_mail(text="Одно и то же письмо")
    await asyncio.gather(stage.send(same, node=0), stage.send(same, node=1))
    lines = await stage.tickets()
    assert len(lines) == 13
    assert len({line["number"] for line in lines}) == 13
    for line in lines:
        await stage.settled(line["number"])
    sent = Counter((mail.rcpt_to, mail.message_id) for mail in stage.relay.received)
    assert set(sent.values()) == {1}
    assert all(len(stage.mails(writer)) == 1 for writer in (*writers, IRINA))
