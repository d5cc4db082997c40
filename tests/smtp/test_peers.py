"""Programs that others wrote talk to the listener: swaks in every way it knows, Postfix as the relay in front."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from channels.base import NotAcceptedNow
from tests.eventually import eventually
from tests.smtp.conftest import Door
from tests.smtp.postfix import Postfix, needs_root
from tests.smtp.test_doors import ACCOUNTS, files

pytestmark = pytest.mark.peers


async def run(*command: str) -> tuple[int, str]:
    """Exit status and output of a program."""

    def wait() -> tuple[int, str]:
        done = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False)
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")

    return await asyncio.to_thread(wait)


SWAKS: list[tuple[str, list[str], str, dict[str, Any]]] = [
    ("plain", [], "smtp", {"protocol": "ESMTP"}),
    ("pipelined", ["--pipeline"], "smtp", {"protocol": "ESMTP"}),
    ("with a file", ["--attach", "@/etc/hostname", "--header", "Subject: Тест"], "smtp", {"protocol": "ESMTP"}),
    ("HELO", ["--protocol", "SMTP"], "smtp", {"protocol": "SMTP"}),
    ("STARTTLS", ["--tls"], "smtp", {"protocol": "ESMTPS"}),
    ("TLS from the start", ["--tls-on-connect"], "tls", {"protocol": "ESMTPS"}),
    ("login PLAIN", ["--tls", "--auth", "PLAIN", "--auth-user", "scanner", "--auth-password", "correct horse"], "smtp",
     {"protocol": "ESMTPSA", "login": "scanner"}),
    ("login LOGIN", ["--tls", "--auth", "LOGIN", "--auth-user", "scanner", "--auth-password", "correct horse"], "smtp",
     {"protocol": "ESMTPSA", "login": "scanner"}),
    ("LMTP", ["--protocol", "LMTP"], "lmtp", {"protocol": "LMTP"}),
]  # fmt: skip


@pytest.mark.parametrize("arguments, at, envelope", [each[1:] for each in SWAKS], ids=[each[0] for each in SWAKS])
async def test_swaks(
    opened: Any, certificate: tuple[Path, Path], arguments: list[str], at: str, envelope: dict[str, Any]
) -> None:
    async with opened(tls_port=0, lmtp="127.0.0.1:0", accounts=ACCOUNTS, **files(certificate)) as door:
        server = f"127.0.0.1:{door.listener.port_of(at)}"
        status, said = await run("swaks", "--server", server, "--to", "help@example.ru", *arguments)
        assert status == 0, said
        found = door.desk.taken[0][0].extra["envelope"]
        assert {name: found[name] for name in envelope} == envelope


@pytest.mark.parametrize("version", ["1", "2"])
async def test_swaks_as_a_proxy(opened: Any, version: str) -> None:
    async with opened(proxies=frozenset({"127.0.0.1/32"})) as door:
        proxy = ["--proxy-version", version, "--proxy-family", "TCP4" if version == "1" else "AF_INET"]
        proxy += ["--proxy-source", "203.0.113.7", "--proxy-source-port", "4711"]
        proxy += ["--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25"]
        proxy += ["--proxy-protocol", "STREAM"] if version == "2" else []
        server = f"127.0.0.1:{door.listener.port}"
        status, said = await run("swaks", "--server", server, "--to", "help@example.ru", *proxy)
        assert status == 0, said
        assert door.desk.taken[0][0].extra["envelope"]["peer"] == "203.0.113.7"


async def test_swaks_is_refused_an_unknown_recipient_and_a_wrong_password(
    opened: Any, certificate: tuple[Path, Path]
) -> None:
    async with opened(recipients=frozenset({"help@example.ru"}), accounts=ACCOUNTS, **files(certificate)) as door:
        server = f"127.0.0.1:{door.listener.port}"
        status, said = await run("swaks", "--server", server, "--to", "nobody@example.ru")
        assert (status, "550 5.1.1" in said) == (24, True)
        login = ["--tls", "--auth", "PLAIN", "--auth-user", "scanner", "--auth-password", "wrong"]
        status, said = await run("swaks", "--server", server, "--to", "help@example.ru", *login)
        assert (status, "535 5.7.8" in said) == (28, True)


# Postfix


@asynccontextmanager
async def relaying(transport: str, **more: str) -> AsyncIterator[Postfix]:
    postfix = Postfix(transport, **more)
    try:
        await asyncio.to_thread(postfix.start)
        yield postfix
    finally:
        await asyncio.to_thread(postfix.stop)


async def until(look: Callable[[], bool], postfix: Postfix) -> None:
    try:
        await eventually(look)
    except TimeoutError:
        pytest.fail(postfix.log[-3000:])


def source(postfix: Postfix, count: int, to: str = "help@example.ru") -> Awaitable[tuple[int, str]]:
    more = ["-s", "5", "-m", str(count), "-l", "20000", "-f", "ivan@client.example", "-t", to]
    return run("smtp-source", *more, f"127.0.0.1:{postfix.port}")


@needs_root
async def test_postfix_relays_over_tls(opened: Any, certificate: tuple[Path, Path]) -> None:
    async with (
        opened(require_tls=True, **files(certificate)) as door,
        relaying(f"smtp:[127.0.0.1]:{door.listener.port}", smtp_tls_security_level="encrypt") as postfix,
    ):
        assert (await source(postfix, 100))[0] == 0
        await until(lambda: len(door.desk.taken) == 100, postfix)
        assert {message.extra["envelope"]["protocol"] for message, _ in door.desk.taken} == {"ESMTPS"}


@needs_root
async def test_the_queue_of_postfix_is_our_spool(opened: Any) -> None:
    async with (
        opened() as door,
        relaying(f"smtp:[127.0.0.1]:{door.listener.port}") as postfix,
    ):
        door.desk.trouble = NotAcceptedNow("the database is away")
        assert (await source(postfix, 3))[0] == 0
        await until(lambda: postfix.log.count("451 4.3.0") >= 3, postfix)
        assert door.desk.taken == []
        door.desk.trouble = None
        await until(lambda: len(door.desk.taken) == 3, postfix)
        assert postfix.log.count("status=sent") == 3


@needs_root
async def test_postfix_delivers_by_lmtp_to_several(opened: Any) -> None:
    folder = Path(Postfix("unused").folder)
    path = str(folder / "lmtp")
    try:
        async with opened(lmtp=path, recipients=frozenset({"help@example.ru", "sales@example.ru"})) as door:
            # as where its user is in our group
            os.chmod(path, 0o666)
            async with relaying(f"lmtp:unix:{path}") as postfix:
                await deliver(door, postfix)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def deliver(door: Door, postfix: Postfix) -> None:
    to = "help@example.ru,nobody@example.ru,sales@example.ru"
    server = f"127.0.0.1:{postfix.port}"
    status, said = await run("swaks", "--server", server, "--from", "a@client.example", "--to", to)
    assert status == 0, said
    await until(lambda: postfix.log.count("relay=mx.relay.example") >= 3 or postfix.log.count("dsn=") >= 3, postfix)
    assert postfix.log.count("status=sent") == 2
    assert "550 5.1.1" in postfix.log
    assert len(door.desk.taken) == 1
    assert door.desk.taken[0][0].extra["envelope"]["rcpt_to"] == ["help@example.ru", "sales@example.ru"]
