"""The load of the crash rig: clients that keep a ledger of what they were told.

Every client behaves as RFC 5321 and RFC 9110 let it: what was not answered by 250, 200 or 201 is sent again, the same
bytes under the same Message-ID or Idempotency-Key, until it is. Some hang up after the last dot without waiting for
the answer, some close their half of the connection there, and a few never come back. A web form is acknowledged by the
303 to its receipt, and is the same form by its nonce; a mail in the mailbox is by the flag it then bears. Changes to
tickets bear no key, so they are sent once: answered they must be there, unanswered they may be.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp

from bench.crash_forms import NEVER_SENT, Browser
from bench.crash_mailbox import Mailbox
from bench.crash_pages import Pages
from bench.crash_relay import AUTHORS
from bench.crash_rig import SENDER

PATIENCE = 5.0
"""Seconds a client waits for an answer before it hangs up and tries again."""

_ACCEPTED = re.compile(rb"250 2\.0\.0 Accepted as (\S+)")
_GONE = (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError, aiohttp.ClientError)
_MOVES = (
    ("in_progress", ""),
    ("waiting", "Уточните модель"),
    ("in_progress", ""),
    ("resolved", "Готово"),
    ("closed", ""),
)


class Unexpected(Exception):
    """An answer that no crash excuses."""


@dataclass(slots=True)
class Input:
    """One content a client wants to hand in. `answers` are the ticket numbers it was told."""

    id: str
    door: str
    raw: bytes
    author: str
    digest: str = ""
    tries: int = 0
    answers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.digest = sha256(self.raw).hexdigest()


@dataclass(slots=True)
class Change:
    """One change to a ticket; `mark` stands in a comment's text, `status` names the new one."""

    number: str
    mark: str = ""
    status: str = ""
    answered: bool = False


class Ledger:
    """What was sent and what was answered: in memory, and appended to a file for a person to look at."""

    def __init__(self, path: Path) -> None:
        self.inputs: dict[str, Input] = {}
        self.changes: list[Change] = []
        self.unexpected: list[str] = []
        self._file = path.open("a", encoding="utf-8")

    def note(self, event: str, **facts: Any) -> None:
        """One line of the file."""
        self._file.write(json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n")
        self._file.flush()

    @property
    def acknowledged(self) -> int:
        """Inputs that were answered for good."""
        # the clients go on meanwhile, in their own thread
        return sum(bool(one.answers) for one in tuple(self.inputs.values()))

    def close(self) -> None:
        """No more lines."""
        self._file.close()


class Load(threading.Thread):
    """The clients, in a thread and event loop of their own, until `finish`."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        smtp_port: int,
        http_port: int,
        token: str,
        link: Callable[[str], str],
        seed: int,
        mailbox: Mailbox,
    ) -> None:
        super().__init__(name="load", daemon=True)
        self.ledger = ledger
        self.smtp_port = smtp_port
        self.handed_over = threading.Event()
        """Set whenever a client has sent the last byte of an input: a good moment for a kill."""
        self.mailbox = mailbox
        self.pages = Pages(link, note=ledger.note, handed_over=self.handed_over.set, seed=seed)
        self._base = f"http://127.0.0.1:{http_port}"
        self._url = f"{self._base}/api/v1/tickets"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._random = random.Random(seed)
        self._pause = 0.12
        self._finishing = threading.Event()
        self._ids = self._numbered(seed)
        self._free: list[tuple[str, int]] = []
        self.broken: BaseException | None = None

    def finish(self, patience: float) -> None:
        """Hand in nothing new, wait until everything open is answered.

        Raises:
            Unexpected: the clients broke or were not answered within `patience` seconds.
        """
        self._finishing.set()
        self.join(patience)
        if self.broken is not None:
            raise Unexpected(f"the load broke: {self.broken!r}") from self.broken
        if self.is_alive():
            raise Unexpected(f"clients were not answered within {patience:.0f} s after the last start")

    def run(self) -> None:
        """The thread's work."""
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self.broken = error

    async def _main(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as web, asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(self._mails())
            for _ in range(5):
                group.create_task(self._submissions(web))
            for _ in range(3):
                group.create_task(self._changes(web))
            for _ in range(3):
                group.create_task(self._forms(web))
            for _ in range(2):
                group.create_task(self._replies())
            group.create_task(self._letters())

    @staticmethod
    def _numbered(seed: int) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield f"c{seed}x{number:06d}"

    async def _rest(self) -> None:
        await asyncio.sleep(self._random.expovariate(1 / self._pause))

    # ---- mail -----------------------------------------------------------------------------------------------------

    def _mail(self, door: str = "smtp") -> Input:
        name = next(self._ids)
        author = f"{door[0]}{name}@{AUTHORS}"
        padding = "Строка письма.\r\n" * self._random.choice((1, 1, 3, 40, 400))
        raw = (
            f"From: Author {name} <{author}>\r\nTo: <{SENDER}>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0300\r\n"
            f"Message-ID: <{name}@{AUTHORS}>\r\nSubject: crash {name} end\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            f"Не печатает принтер {name}.\r\n{padding}"
        ).encode()
        return Input(name, door, raw, author, tries=int(door == "imap"))

    async def _mails(self) -> None:
        line: _Conversation | None = None
        while not self._finishing.is_set():
            await self._rest()
            mail = self._mail()
            self.ledger.inputs[mail.id] = mail
            how = self._random.choices(("wait", "hang up", "half close", "give up"), (90, 4, 4, 2))[0]
            while not mail.answers:
                mail.tries += 1
                self.ledger.note("try", id=mail.id, how=how, digest=mail.digest)
                try:
                    if line is None:
                        line = await _Conversation.open(self.smtp_port)
                    number = await line.send(mail, how, self.handed_over.set)
                except _GONE:
                    number = None
                if number:
                    mail.answers.append(number)
                    self.ledger.note("answer", id=mail.id, number=number)
                    self._free.append((number, 0))
                if not number or how == "half close":
                    if line is not None:
                        line.close()
                    line = None
                if how == "give up":
                    break
                if not number:
                    how = "wait"
                    await asyncio.sleep(self._random.uniform(0.02, 0.2))
        if line is not None:
            line.close()

    async def _letters(self) -> None:
        while not self._finishing.is_set():
            await self._rest()
            mail = self._mail("imap")
            self.ledger.inputs[mail.id] = mail
            self.ledger.note("delivered", id=mail.id, digest=mail.digest)
            self.mailbox.deliver(mail.raw, times=2 if self._random.random() < 0.05 else 1)
            self.handed_over.set()
        await self.mailbox.read()

    # ---- API ------------------------------------------------------------------------------------------------------

    def _submission(self) -> Input:
        name = next(self._ids)
        author = f"a{name}@{AUTHORS}"
        body = {
            "contact": {"kind": "email", "value": author, "name": f"Author {name}"},
            "subject": f"crash {name} end",
            "text": f"Нет доступа {name}. " + "Подробности. " * self._random.choice((1, 10, 200)),
        }
        return Input(name, "api", json.dumps(body, ensure_ascii=False).encode(), author)

    async def _submissions(self, web: aiohttp.ClientSession) -> None:
        while not self._finishing.is_set():
            await self._rest()
            one = self._submission()
            self.ledger.inputs[one.id] = one
            while not one.answers:
                one.tries += 1
                self.ledger.note("try", id=one.id, how="post", digest=one.digest)
                self.handed_over.set()
                status, answer = await self._post(web, "", one.raw, {"Idempotency-Key": one.id})
                if status in (200, 201):
                    one.answers.append(answer["number"])
                    self.ledger.note("answer", id=one.id, number=answer["number"], status=status)
                    self._free.append((answer["number"], 0))
                elif status not in (NEVER_SENT, 0, 503):
                    self._surprise(f"POST /tickets for {one.id}: {status} {answer}")
                    break
                else:
                    await asyncio.sleep(self._random.uniform(0.02, 0.2))

    # ---- web forms ------------------------------------------------------------------------------------------------

    async def _forms(self, web: aiohttp.ClientSession) -> None:
        browser = Browser(web, self._base, self._random)
        while not self._finishing.is_set():
            await self._rest()
            name = next(self._ids)
            author = f"f{name}@{AUTHORS}"
            raw = await browser.fill(name, author)
            if raw is None:
                continue
            one = self.ledger.inputs[name] = Input(name, "form", raw, author)
            while not one.answers:
                one.tries += 1
                self.ledger.note("try", id=one.id, how="form", digest=one.digest)
                self.handed_over.set()
                status, path = await browser.send(raw)
                if status == 303:
                    # from here on it is acknowledged: its receipt may be away for a moment, yet never gone
                    shown, number = await browser.receipt(path)
                    if not number:
                        self._surprise(f"GET {path} for {one.id}: {shown}")
                        break
                    one.answers.append(number)
                    self.ledger.note("answer", id=one.id, number=number, status=status)
                    self._free.append((number, 0))
                elif status not in (NEVER_SENT, 0, 503):
                    self._surprise(f"POST /form for {one.id}: {status}")
                    break
                else:
                    await asyncio.sleep(self._random.uniform(0.02, 0.2))

    async def _changes(self, web: aiohttp.ClientSession) -> None:
        while not self._finishing.is_set():
            await self._rest()
            if not self._free:
                continue
            number, moves = self._free.pop(self._random.randrange(len(self._free)))
            if self._random.random() < 0.5:
                change = Change(number, mark=f"mark-{next(self._ids)}-end")
                path, body = "comments", {"text": f"Смотрим: {change.mark}", "public": True}
            elif moves < len(_MOVES):
                change = Change(number, status=_MOVES[moves][0])
                path, body = "status", {"status": change.status, "comment": _MOVES[moves][1]}
                moves += 1
            else:
                continue
            status, answer = await self._post(web, f"/{number}/{path}", json.dumps(body).encode(), {})
            if status == NEVER_SENT:
                self._free.append((number, moves - bool(change.status)))
                continue
            self.ledger.changes.append(change)
            change.answered = status in (200, 201)
            self.ledger.note("change", number=number, mark=change.mark, status=change.status, answered=change.answered)
            if change.answered:
                self._free.append((number, moves))
            elif status not in (0, 503):
                self._surprise(f"POST /tickets/{number}/{path}: {status} {answer}")

    # ---- pages of authors -----------------------------------------------------------------------------------------

    async def _replies(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as browser:
            while not self._finishing.is_set():
                await self._rest()
                if not self._free:
                    continue
                number, _ = self._free.pop(self._random.randrange(len(self._free)))
                for _ in range(self._random.choice((1, 1, 2, 3))):
                    await self.pages.reply(browser, self._base, number, next(self._ids))

    async def _post(
        self, web: aiohttp.ClientSession, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        try:
            async with web.post(self._url + path, data=body, headers=headers) as response:
                return response.status, json.loads(await response.read())
        except aiohttp.ClientConnectorError:
            return NEVER_SENT, {}
        except _GONE:
            return 0, {}

    def _surprise(self, what: str) -> None:
        self.ledger.unexpected.append(what)
        self.ledger.note("unexpected", what=what)


class _Conversation:
    """One SMTP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> _Conversation:
        async with asyncio.timeout(PATIENCE):
            line = cls(*await asyncio.open_connection("127.0.0.1", port))
            await line._reply()
            await line._say(b"EHLO client.example\r\n")
            return line

    def close(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.close()

    async def send(self, mail: Input, how: str, handed_over: Any) -> str | None:
        """The ticket's number if the mail was accepted, None if the client has to come again."""
        async with asyncio.timeout(PATIENCE):
            await self._say(f"MAIL FROM:<{mail.author}>\r\n".encode())
            await self._say(f"RCPT TO:<{SENDER}>\r\n".encode())
            await self._say(b"DATA\r\n")
            stuffed = mail.raw.replace(b"\r\n.", b"\r\n..")
            self._writer.write((stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n") + b".\r\n")
            await self._writer.drain()
            handed_over()
            if how in ("hang up", "give up"):
                return None
            if how == "half close":
                self._writer.write_eof()
            reply = await self._reply()
        found = _ACCEPTED.match(reply)
        return found[1].decode() if found else None

    async def _say(self, command: bytes) -> None:
        self._writer.write(command)
        reply = await self._reply()
        if not reply.startswith((b"250", b"354")):
            raise ConnectionResetError(reply.decode("ascii", "replace"))

    async def _reply(self) -> bytes:
        while True:
            line = await self._reader.readuntil(b"\n")
            if line[3:4] != b"-":
                return line
