"""Garbage against the running program: `python -m bench.garbage --count 2000 --seed N --database both`

Half of the inputs go into SMTP sessions (bytes as commands, bytes as mails, mails cut short, real mails with things
done to them), half into the API (spoilt JSON, deep nesting, NUL, lone surrogates, huge numbers, wrong types, bad
headers). Afterwards the program must still run and answer; everything it said 250, 200, 201 or 202 to must be a
receipt or a quarantine entry with exactly the bytes sent; nothing may have been answered with a 5xx; and no traceback
may stand in its log. Exit status 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import secrets
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from bench.crash_rig import Rig
from bench.garbage_forms import Garbage
from bench.processes import ROOT, BenchError, Children

PATIENCE = 10.0
CLIENTS = 8
_GONE = (OSError, asyncio.IncompleteReadError)


@dataclass(slots=True)
class Report:
    """What was sent and what came of it; `accepted` are the digests of inputs taken, `cut` of mails cut short."""

    answers: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)


class Thrower:
    """Throws garbage at one gateway."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.report = Report()
        self._seed = seed

    async def throw(self, count: int) -> None:
        """Throw `count` inputs, then make sure that a good mail is still taken."""
        left = iter(range(count))

        async def client() -> None:
            for number in left:
                try:
                    async with asyncio.timeout(PATIENCE):
                        await self._one(number)
                except TimeoutError:
                    self.report.violations.append(f"input {number} was not answered within {PATIENCE:.0f} s")
                except _GONE:
                    self.report.answers["hung up"] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(client())
        good = b"From: irina@north.example\r\nSubject: good\r\n\r\nStill here?\r\n"
        async with asyncio.timeout(PATIENCE):
            answer = await self._mail(
                good, b"MAIL FROM:<irina@north.example>\r\n", b"RCPT TO:<support@desk.example>\r\n"
            )
        if not answer.startswith(b"250 2.0.0 Accepted as "):
            self.report.violations.append(f"a good mail is not taken any more: {answer!r}")

    async def _one(self, number: int) -> None:
        garbage = Garbage(self._seed, number)
        kind = garbage.chance.random()
        if number % 2:
            await self._http(garbage)
        elif kind < 0.2:
            await self._babble(garbage)
        elif kind < 0.3:
            await self._cut_short(garbage)
        else:
            await self._mail(garbage.mail(), *garbage.envelope())

    # ---- SMTP -----------------------------------------------------------------------------------------------------

    async def _babble(self, garbage: Garbage) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.rig.smtp_port)
        await reader.readline()
        writer.write(garbage.commands() + b"\r\nQUIT\r\n")
        writer.write_eof()
        said = await reader.read()
        self.report.answers["SMTP commands"] += 1
        if b"Accepted" in said:
            self.report.violations.append("commands alone were accepted as a mail")
        writer.close()

    async def _cut_short(self, garbage: Garbage) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.rig.smtp_port)
        if await self._open_data(reader, writer, *garbage.envelope()):
            mail = garbage.mail().replace(b"\r\n.", b"\r\n,") + b"never to end"
            self.report.cut.add(sha256(mail).hexdigest())
            writer.write(mail)
            if garbage.chance.random() < 0.5:
                writer.write_eof()
                await reader.read()
            self.report.answers["mail cut short"] += 1
        writer.close()

    async def _open_data(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sender: bytes, recipient: bytes
    ) -> bool:
        await reader.readline()
        for line in (b"EHLO x.example\r\n", sender, recipient, b"DATA\r\n"):
            writer.write(line)
            answer = await _reply(reader)
            if answer[:1] not in b"23":
                self.report.answers[f"SMTP {answer[:3].decode()} to the envelope"] += 1
                return False
        return True

    async def _mail(self, mail: bytes, sender: bytes, recipient: bytes) -> bytes:
        raw = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
        stuffed = raw.replace(b"\r\n.", b"\r\n..")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.rig.smtp_port)
        answer = b""
        if await self._open_data(reader, writer, sender, recipient):
            writer.write((b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n")
            answer = await _reply(reader)
            words = answer.split(b" as ")[0].decode("ascii", "replace").strip()
            self.report.answers[f"SMTP {words}{' as a ticket' if b' as ' in answer else ''}"] += 1
            if answer.startswith(b"250"):
                self.report.accepted.add(sha256(raw).hexdigest())
            else:
                self.report.violations.append(f"a mail of {len(raw)} bytes was answered {answer!r}")
        writer.close()
        return answer

    # ---- HTTP -----------------------------------------------------------------------------------------------------

    async def _http(self, garbage: Garbage) -> None:
        body = garbage.body()
        head = f"POST {garbage.path()} HTTP/1.1\r\nHost: x.example\r\nConnection: close\r\n".encode()
        if garbage.chance.random() < 0.95:
            head += f"Authorization: Bearer {self.rig.token}\r\n".encode()
        if garbage.chance.random() < 0.15:
            head += garbage.header() + b"\r\n"
        if b"\r\nContent-Length:" not in head and b"Transfer-Encoding" not in head:
            head += b"Content-Length: %d\r\n" % len(body)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.rig.http_port)
        writer.write(head + b"\r\n" + body)
        answer = await reader.read()
        writer.close()
        final = re.findall(rb"HTTP/1\.[01] ([2-5]\d\d) ", answer)
        status = final[-1].decode() if final else "no answer"
        self.report.answers[f"HTTP {status}"] += 1
        if status.startswith("5"):
            self.report.violations.append(f"HTTP {status} to {head[:60]!r} {body[:200]!r}")
        if status in ("200", "201", "202") and b" /api/v1/tickets HTTP" in head:
            self.report.accepted.add(sha256(body).hexdigest())


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while (line := await reader.readline())[3:4] == b"-":
        continue
    if not line:
        raise ConnectionResetError("the server hung up")
    return line


def settle(rig: Rig, report: Report) -> None:
    """After the program was stopped: nothing taken is missing, nothing cut short is there, the log is clean."""
    kept = {bytes(row["d"]).hex() for row in rig.rows("SELECT raw_sha256 AS d FROM receipts")}
    held = {bytes(row["d"]).hex() for row in rig.rows("SELECT raw_sha256 AS d FROM quarantine")}
    intact = set()
    for row in rig.rows("SELECT sha256, bytes FROM blobs"):
        named = bytes(row["sha256"]).hex()
        if sha256(bytes(row["bytes"])).hexdigest() == named:
            intact.add(named)
        else:
            report.violations.append(f"the bytes kept under {named} are others")
    for digest in sorted(report.accepted - ((kept | held) & intact)):
        report.violations.append(f"LOST: {digest} was accepted and is not there")
    for digest in sorted(report.cut & (kept | held)):
        report.violations.append(f"{digest} was cut short and is there")
    for path in rig.folder.glob("gateway*.log"):
        text = path.read_text(errors="replace")
        if "Traceback" in text:
            where = text.index("Traceback")
            report.violations.append(f"a traceback in {path.name}: {text[max(0, where - 200) : where + 1500]}")
    report.answers["kept as receipts"] = len(kept)
    report.answers["kept in quarantine"] = len(held)


def run(database: str, count: int, seed: int, folder: Path) -> Report:
    """Throw garbage at a program of its own; what came of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Children(folder) as children:
        rig = Rig(folder, database, children, only=("smtp", "http"), disk=False)
        thrower = Thrower(rig, seed)
        try:
            rig.prepare(relay=False)
            rig.start()
            asyncio.run(thrower.throw(count))
            rig.stop()
            settle(rig, thrower.report)
        except BenchError as error:
            thrower.report.violations.append(str(error))
        finally:
            rig.close()
    if not thrower.report.violations:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
    return thrower.report


def main() -> int:
    """Exit status: 0 nothing crashed and nothing was lost, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.garbage", description="Garbage against the running program.")
    parser.add_argument("--count", type=int, default=2000, help="inputs for each database")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given = parser.parse_args()
    seed: int = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    failed = False
    for database in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
        report = run(database, given.count, seed, ROOT / "build" / f"garbage-{database}-{seed}")
        print(f"{database}: {given.count} garbage inputs, {len(report.violations)} violations")
        for answer, times in sorted(report.answers.items()):
            print(f"  {answer:<44}{times:>6}")
        for violation in report.violations[:20]:
            print(f"  ! {violation}")
        failed = failed or bool(report.violations)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
