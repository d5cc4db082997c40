"""A simulated IMAP server: real sockets, what clients who read mail use of RFC 3501, and bad manners on demand.

    server = SimulatedImap()
    await server.start()
    box = server.folder("INBOX")
    uid = box.deliver(b"From: ...")
    server.script("FETCH", [DROP, NO])           # the next two FETCH commands
    server.poison[uid] = GARBAGE                 # every FETCH of that message's body

Besides RFC 3501 it has IDLE (RFC 2177), UIDPLUS (RFC 4315), MOVE (RFC 6851), STARTTLS, AUTH=PLAIN and XOAUTH2; what it
says it can is `capabilities`. Folders are named in modified UTF-7, as on the wire.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from channels.testing_folder import Folder, Stored

DROP = "drop"
"""Break the connection instead of answering."""
NO = "no"
"""Answer NO."""
BAD = "bad"
"""Answer BAD."""
BYE = "bye"
"""Say goodbye and hang up."""
HANG = "hang"
"""Never answer."""
OMIT = "omit"
"""Answer OK and leave the message out."""
GARBAGE = "garbage"
"""Answer with what is no response."""
HUGE = "huge"
"""Announce a literal of two gigabytes."""
NIL = "nil"
"""Answer NIL for a body."""
WRONG = "wrong"
"""Answer with another message's UID."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\([^()]*\))|([^\s"]+)')


class _HangUp(Exception):
    """The connection ends here."""


class SimulatedImap:
    """The server. `commands` is every command it got, without passwords."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        username: str = "help@desk.example",
        password: str = "secret",  # noqa: S107 - of a simulation
        access_tokens: Iterable[str] = (),
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
    ) -> None:
        self.capabilities = ["IMAP4rev1", "IDLE", "UIDPLUS", "MOVE", "AUTH=PLAIN", "AUTH=XOAUTH2"]
        self.greeting = "* OK simulated IMAP4rev1 ready"
        self.folders: dict[str, Folder] = {}
        self.commands: list[str] = []
        self.poison: dict[int, str] = {}
        self.access_tokens = set(access_tokens)
        self.connections = 0
        self.reading = 0
        self.host, self.port = host, 0
        self.username, self.password = username, password
        self.tls, self.implicit = tls, implicit
        self.changed = asyncio.Event()
        self._scripts: dict[str, deque[str]] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.folder("INBOX")

    def folder(self, name: str) -> Folder:
        """A folder by its name on the wire, made where it is missing."""
        if name not in self.folders:
            self.folders[name] = Folder(self._change, 1000 + len(self.folders))
        return self.folders[name]

    def script(self, command: str, behaviours: Iterable[str]) -> None:
        """What happens at the next commands of a name, one after the other; "" is the usual."""
        self._scripts.setdefault(command.upper(), deque()).extend(behaviours)

    def next_of(self, command: str) -> str:
        """What is to happen at this one."""
        waiting = self._scripts.get(command)
        return waiting.popleft() if waiting else ""

    def _change(self) -> None:
        old, self.changed = self.changed, asyncio.Event()
        old.set()

    async def start(self) -> None:
        """Listen, on the port of before where it was started already."""
        context = self.tls if self.implicit else None
        self._server = await asyncio.start_server(self._client, self.host, self.port, ssl=context, limit=1 << 20)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the door and every connection."""
        if self._server is not None:
            self._server.close()
        await self.drop_all()

    async def drop_all(self) -> None:
        """Break every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        self.connections += 1
        try:
            await _Session(self, reader, writer).run()
        except (_HangUp, OSError, EOFError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            if task is not None:
                self._tasks.discard(task)
            with suppress(Exception):
                writer.transport.abort()


class _Session:
    def __init__(self, server: SimulatedImap, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.folder: Folder | None = None
        self.seen = 0

    async def run(self) -> None:
        await self.say(self.server.greeting)
        while True:
            line = (await self.line()).decode("utf-8", "replace")
            tag, _, rest = line.partition(" ")
            name, _, rest = rest.partition(" ")
            name = name.upper()
            if name == "UID":
                name, _, rest = rest.partition(" ")
                name = name.upper()
            self.server.commands.append(name if name in ("LOGIN", "AUTHENTICATE") else f"{name} {rest}".strip())
            answer = await self.misbehave(self.server.next_of(name)) or await self.do(name, rest)
            await self.say(f"{tag} {answer}")
            if name == "STARTTLS" and self.server.tls is not None:
                await self.writer.start_tls(self.server.tls)
            if name == "LOGOUT":
                return

    async def line(self) -> bytes:
        found = await self.reader.readuntil(b"\r\n")
        return found[:-2]

    async def say(self, text: str, literal: bytes | None = None, after: str = "") -> None:
        rest = b"" if literal is None else b"\r\n" + literal + after.encode()
        self.writer.write(text.encode() + rest + b"\r\n")
        await self.writer.drain()

    async def misbehave(self, behaviour: str) -> str:
        if behaviour == DROP:
            raise _HangUp
        if behaviour == BYE:
            await self.say("* BYE simulated shutdown")
            raise _HangUp
        if behaviour == HANG:
            await asyncio.Event().wait()
        if behaviour == GARBAGE:
            await self.say("* 1 FETCH (UID x BODY[] ((")
        return {NO: "NO simulated refusal", BAD: "BAD simulated refusal"}.get(behaviour, "")

    async def do(self, name: str, rest: str) -> str:
        method = getattr(self, f"do_{name.lower()}", None)
        if method is None:
            return "BAD unknown command"
        return str(await method([a or b or c for a, b, c in _WORD.findall(rest)]))

    # ---- any state ------------------------------------------------------------------------------------------------

    async def do_capability(self, _: list[str]) -> str:
        await self.say(f"* CAPABILITY {' '.join(self.server.capabilities)}")
        return "OK done"

    async def do_noop(self, _: list[str]) -> str:
        await self.news()
        return "OK done"

    async def do_logout(self, _: list[str]) -> str:
        await self.say("* BYE")
        return "OK done"

    async def do_starttls(self, _: list[str]) -> str:
        return "OK begin" if self.server.tls is not None else "BAD no TLS here"

    async def do_login(self, words: list[str]) -> str:
        good = words == [self.server.username, self.server.password]
        return "OK signed in" if good else "NO [AUTHENTICATIONFAILED] wrong"

    async def do_authenticate(self, words: list[str]) -> str:
        await self.say("+ ")
        given = base64.b64decode(await self.line()).decode()
        if words[0].upper() == "PLAIN":
            good = given.split("\0")[1:] == [self.server.username, self.server.password]
        else:
            parts = dict(part.partition("=")[::2] for part in given.split("\x01") if part)
            token = parts.get("auth", "").removeprefix("Bearer ")
            good = parts.get("user") == self.server.username and token in self.server.access_tokens
        return "OK signed in" if good else "NO [AUTHENTICATIONFAILED] wrong"

    # ---- signed in ------------------------------------------------------------------------------------------------

    async def do_list(self, words: list[str]) -> str:
        for name in self.server.folders:
            if words[-1] in (name, "*"):
                await self.say(f'* LIST () "/" "{name}"')
        return "OK done"

    async def do_create(self, words: list[str]) -> str:
        self.server.folder(words[0])
        return "OK done"

    async def do_select(self, words: list[str], mode: str = "READ-WRITE") -> str:
        if words[0] not in self.server.folders:
            return "NO there is no such folder"
        folder = self.folder = self.server.folders[words[0]]
        self.seen = len(folder.shown)
        await self.say(f"* {self.seen} EXISTS")
        await self.say("* FLAGS (\\Seen \\Deleted)")
        await self.say(f"* OK [UIDVALIDITY {folder.uidvalidity}] told")
        await self.say(f"* OK [UIDNEXT {folder.uidnext}] told")
        return f"OK [{mode}] done"

    async def do_examine(self, words: list[str]) -> str:
        return await self.do_select(words, "READ-ONLY")

    # ---- in a folder ----------------------------------------------------------------------------------------------

    @property
    def open(self) -> Folder:
        if self.folder is None:
            raise _HangUp
        return self.folder

    async def news(self) -> bool:
        if self.folder is None or len(self.folder.shown) == self.seen:
            return False
        self.seen = len(self.folder.shown)
        await self.say(f"* {self.seen} EXISTS")
        return True

    def chosen(self, numbers: str, *, nothing_above: bool = False) -> list[Stored]:
        """Messages of a set of UIDs; `*` is the highest there is, whatever the other end says."""
        highest = max((each.uid for each in self.open.shown), default=0)
        found: list[Stored] = []
        for part in numbers.split(","):
            ends = [highest if end == "*" else int(end) for end in part.split(":")]
            found += [each for each in self.open.shown if min(ends) <= each.uid <= max(ends)]
        return found

    async def do_search(self, words: list[str]) -> str:
        found = self.open.shown
        while words:
            word = words.pop(0).upper()
            if word == "UID":
                chosen = {each.uid for each in self.chosen(words.pop(0))}
                found = [each for each in found if each.uid in chosen]
            elif word == "SINCE":
                day, month, year = words.pop(0).split("-")
                since = datetime(int(year), _MONTHS.index(month) + 1, int(day), tzinfo=UTC)
                found = [each for each in found if each.arrived >= since]
            elif word == "UNSEEN":
                found = [each for each in found if "\\Seen" not in each.flags]
        await self.say(f"* SEARCH {' '.join(str(each.uid) for each in found)}".rstrip())
        return "OK done"

    async def do_fetch(self, words: list[str]) -> str:
        self.server.reading += 1
        numbers = self.numbers()
        try:
            for each in self.chosen(words[0]):
                answer = await self.fetch(each, numbers[each.uid], words[1].upper())
                if answer:
                    return answer
        finally:
            self.server.reading -= 1
        return "OK done"

    def numbers(self) -> dict[int, int]:
        """Message sequence numbers by UID."""
        return {each.uid: number for number, each in enumerate(self.open.shown, 1)}

    async def fetch(self, each: Stored, number: int, items: str) -> str:
        arrived = each.arrived
        date = f"{arrived.day:2d}-{_MONTHS[arrived.month - 1]}-{arrived:%Y %H:%M:%S %z}"
        told = f"* {number} FETCH (UID {each.uid}"
        if "INTERNALDATE" in items:
            told += f' INTERNALDATE "{date}"'
        if "RFC822.SIZE" in items:
            told += f" RFC822.SIZE {len(each.raw) if each.size is None else each.size}"
        header = each.raw[: each.raw.find(b"\r\n\r\n") + 4]
        for item, content in (("BODY.PEEK[]", each.raw), ("BODY.PEEK[HEADER]", header)):
            if item not in items:
                continue
            bad = self.server.poison.get(each.uid, "")
            answer = await self.misbehave(bad)
            if answer:
                return answer
            if bad == OMIT:
                return ""
            if bad == WRONG:
                told = told.replace(f"UID {each.uid}", f"UID {each.uid + 100_000}")
            told += f" {item.replace('.PEEK', '')} "
            if bad == NIL:
                await self.say(f"{told}NIL)")
            elif bad == HUGE:
                await self.say(f"{told}{{2147483647}}")
            else:
                await self.say(f"{told}{{{len(content)}}}", content, ")")
            return ""
        await self.say(f"{told})")
        return ""

    async def do_store(self, words: list[str]) -> str:
        flags = words[2].strip("()").split()
        numbers = self.numbers()
        for each in self.chosen(words[0]):
            each.flags.update(flags)
            if "SILENT" not in words[1].upper():
                await self.say(f"* {numbers[each.uid]} FETCH (UID {each.uid} FLAGS ({' '.join(sorted(each.flags))}))")
        return "OK done"

    async def do_copy(self, words: list[str]) -> str:
        if words[1] not in self.server.folders:
            return "NO [TRYCREATE] there is no such folder"
        for each in self.chosen(words[0]):
            self.server.folders[words[1]].deliver(each.raw, arrived=each.arrived, flags=each.flags)
        return "OK done"

    async def do_move(self, words: list[str]) -> str:
        answer = await self.do_copy(words)
        if answer == "OK done":
            await self.remove(self.chosen(words[0]))
        return answer

    async def do_expunge(self, words: list[str]) -> str:
        chosen = self.chosen(words[0]) if words else self.open.shown
        await self.remove([each for each in chosen if "\\Deleted" in each.flags])
        return "OK done"

    async def remove(self, gone: list[Stored]) -> None:
        for each in gone:
            await self.say(f"* {self.open.shown.index(each) + 1} EXPUNGE")
            self.open.messages.remove(each)
        self.seen = len(self.open.shown)

    async def do_idle(self, _: list[str]) -> str:
        await self.say("+ idling")
        line = asyncio.ensure_future(self.line())
        try:
            while not line.done():
                change = self.server.changed
                await self.news()
                waiting = asyncio.ensure_future(change.wait())
                await asyncio.wait([line, waiting], return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
            return "OK done" if line.result().upper() == b"DONE" else "BAD expected DONE"
        finally:
            line.cancel()
