"""No acknowledgement before the sync, shown by system calls: `python -m bench.trace`

The gateway runs under strace and takes 1,000 inputs on SQLite and as many on PostgreSQL, by SMTP and by the API, with
1 to 20 clients at once. On PostgreSQL the server runs under the same strace, so that one file has the calls of all
processes in an order that respects cause and effect. `bench.trace_proof` says what is then proved of each
acknowledgement. Exit status 1 if one of them lacks its proof; the trace is then kept under `build/`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.crash_rig import SENDER, Rig
from bench.processes import ROOT, BenchError, Child, Children, tail, wait_for
from bench.trace_proof import Proof, prove

CALLS = "read,write,readv,writev,recvfrom,sendto,recvmsg,sendmsg,pwrite64,pwritev,fsync,fdatasync,sync_file_range"
CONCURRENCY = (1, 2, 5, 10, 20)
_ACCEPTED = re.compile(rb"250 2\.0\.0 Accepted as \S+\r\n")


def mark(number: int) -> str:
    """What stands in an input and nowhere else."""
    return f"tr{number:06d}ce"


def start_traced(rig: Rig, output: Path) -> Child:
    """The gateway, and PostgreSQL where there is one, under strace.

    Raises:
        BenchError: strace is missing or the gateway did not become ready.
    """
    program = shutil.which("strace")
    if program is None:
        raise BenchError("strace is not installed (Debian: apt-get install strace)")
    attach = [word for pid in _postgres(rig) for word in ("-p", str(pid))]
    argv = [program, "-I", "2", "-f", "-y", "-s", "65536", "-e", f"trace={CALLS}", "-e", "signal=none"]
    argv += ["-o", str(output)]
    child = rig.children.start("traced", [*argv, *attach, *rig.command], announces=False)
    wait_for(f"http://127.0.0.1:{rig.http_port}/readyz", child, 120.0)
    return child


def _postgres(rig: Rig) -> list[int]:
    if rig.server is None or rig.server.pid is None:
        return []
    postmaster = rig.server.pid
    return [postmaster, *map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())]


def stop_traced(child: Child, output: Path) -> None:
    """End the gateway in order; strace then has only PostgreSQL left and lets go of it."""
    traced = Path(f"/proc/{child.process.pid}/task/{child.process.pid}/children").read_text().split()
    for pid in traced:
        subprocess.run(["kill", "-TERM", pid], check=False)
    until = time.monotonic() + 20
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in traced):
        time.sleep(0.05)
    if child.process.poll() is None:
        child.process.send_signal(signal.SIGINT)
        try:
            child.process.wait(20)
        except subprocess.TimeoutExpired:
            raise BenchError("strace does not let go of PostgreSQL") from None
    if not output.stat().st_size:
        raise BenchError(f"strace wrote nothing: {tail(child.log)}")


async def drive(rig: Rig, numbers: Iterator[int], each: int) -> None:
    """Hand in `each` inputs at every level of concurrency, mail and API in turn.

    Raises:
        BenchError: one of them was not accepted.
    """
    for width in CONCURRENCY:
        mine = [next(numbers) for _ in range(each)]
        work = iter(mine)
        async with asyncio.TaskGroup() as group:
            for client in range(width):
                one = _mails if (client + width) % 2 else _posts
                group.create_task(one(rig, work))


async def _mails(rig: Rig, work: Iterator[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.smtp_port)
    await reader.readline()

    async def say(line: bytes, expected: bytes) -> bytes:
        writer.write(line)
        async with asyncio.timeout(60):
            while (answer := await reader.readline())[3:4] == b"-":
                continue
        if not answer.startswith(expected):
            raise BenchError(f"SMTP answered {answer!r} to {line[:40]!r}")
        return answer

    await say(b"EHLO client.example\r\n", b"250")
    for number in work:
        name = mark(number)
        await say(f"MAIL FROM:<{name}@trace.example>\r\n".encode(), b"250")
        await say(f"RCPT TO:<{SENDER}>\r\n".encode(), b"250")
        await say(b"DATA\r\n", b"354")
        mail = (
            f"From: <{name}@trace.example>\r\nTo: <{SENDER}>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0300\r\n"
            f"Message-ID: <{name}@trace.example>\r\nSubject: {name} printer\r\n\r\nThe printer is silent.\r\n.\r\n"
        )
        answer = await say(mail.encode(), b"250 2.0.0")
        if not _ACCEPTED.fullmatch(answer):
            raise BenchError(f"not accepted as a ticket: {answer!r}")
    writer.close()


async def _posts(rig: Rig, work: Iterator[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.http_port)
    for number in work:
        name = mark(number)
        contact = {"kind": "email", "value": f"{name}@trace.example"}
        body = json.dumps({"contact": contact, "subject": f"{name} access", "text": "No access."}).encode()
        head = (
            f"POST /api/v1/tickets HTTP/1.1\r\nHost: desk.example\r\nAuthorization: Bearer {rig.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        async with asyncio.timeout(60):
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", answer)
            await reader.readexactly(int(length[1]) if length else 0)
        if not answer.startswith(b"HTTP/1.1 201"):
            raise BenchError(f"HTTP answered {answer[:60]!r}")
    writer.close()


def trace(database: str, count: int) -> Proof:
    """Run one database and prove every acknowledgement."""
    folder = ROOT / "build" / f"trace-{database}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    output = folder / "strace.txt"
    with Children(folder) as children:
        rig = Rig(folder, database, children, only=("smtp", "http"))
        try:
            rig.prepare(relay=False)
            child = start_traced(rig, output)
            numbers = iter(range(1, count + 1))
            asyncio.run(drive(rig, numbers, count // len(CONCURRENCY)))
            stop_traced(child, output)
            proof = prove(output, database)
        finally:
            rig.close()
    if proof.acknowledged != count // len(CONCURRENCY) * len(CONCURRENCY):
        proof.missing.append(f"{count} inputs were accepted, the trace shows {proof.acknowledged} acknowledgements")
    if not proof.missing:
        shutil.rmtree(folder)
    return proof


def main() -> int:
    """Exit status: 0 every acknowledgement came after its sync, 1 some did not, or nothing could be traced."""
    parser = argparse.ArgumentParser(prog="python -m bench.trace", description="No acknowledgement before the sync.")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given = parser.parse_args()
    status = 0
    for database in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
        try:
            proof = trace(database, given.count)
        except BenchError as error:
            print(f"{database}: {error}", file=sys.stderr)
            return 1
        print(
            f"{database}: {proof.acknowledged} acknowledgements, {len(proof.missing)} before their sync "
            f"({proof.syncs} syncs of the log, largest group {proof.largest})",
            flush=True,
        )
        for missing in proof.missing[:20]:
            print(f"  ! {missing}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
