"""A real Dovecot: IDLE, TLS, folders with Cyrillic names, thousands of mails, kills, other UIDs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.crash_verify import illegal_states
from gateway import cli
from tests.eventually import eventually
from tests.imap.conftest import Desk, a_mail
from tests.imap.dovecot import PASSWORD, USER, Dovecot
from tests.imap.reading_gateway import ReadingGateway

pytestmark = [pytest.mark.peers, pytest.mark.timeout(400)]


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    made = Dovecot()
    try:
        made.deliver([])
        made.start()
        yield made
    finally:
        made.close()


async def test_new_mail_is_noticed_in_idle_through_tls(desk: Desk, dovecot: Dovecot) -> None:
    mailbox = await desk.read(
        port=dovecot.secure_port, security="tls", ca=str(dovecot.ca), username=USER, password=PASSWORD, idle=True
    )

    async def ready() -> bool:
        return mailbox.health.state == "ok"

    await eventually(ready)
    begun = time.monotonic()
    dovecot.deliver([a_mail(1)])

    async def there() -> bool:
        return await desk.subjects() == ["printer 1"]

    await eventually(there)
    assert time.monotonic() - begun < 10, "the folder is looked at every nine minutes without being told"
    assert mailbox.health.connections == 1


async def test_starttls_a_cyrillic_folder_and_moving_to_another(desk: Desk, dovecot: Dovecot) -> None:
    dovecot.deliver([a_mail(1), a_mail(2)], folder="&BBcEMARPBDIEOgQ4-")
    await desk.read(
        port=dovecot.port, security="starttls", ca=str(dovecot.ca), username=USER, password=PASSWORD,
        folder="Заявки", after="move", move_to="Обработано",
    )  # fmt: skip
    moved = dovecot.folder / "mail" / ".&BB4EMQRABDAEMQQ+BEIEMAQ9BD4-"

    async def done() -> bool:
        return len([*moved.glob("cur/*"), *moved.glob("new/*")]) == 2

    await eventually(done)
    assert await desk.subjects() == ["printer 1", "printer 2"]


@pytest.fixture
async def gateway(laid_out_url: str, tmp_path: Path, dovecot: Dovecot) -> AsyncIterator[ReadingGateway]:
    mailbox = (
        f'port = {dovecot.secure_port}\nca = "{dovecot.ca}"\npassword = "{PASSWORD}"\nrescan = "5 s"\nbatch = "100 KB"'
    )
    # with a worker the node's name is this process's alone, so that on PostgreSQL too the next one need not wait for
    # the lease of one that was killed; it has nothing to send
    nobody = 'test_mode_only = ["nobody@desk.example"]'
    made = ReadingGateway(tmp_path, laid_out_url, mailbox, only=["imap", "worker"], outbox=nobody)
    yield made
    await made.kill()


@pytest.mark.slow
async def test_five_thousand_mails_kills_and_other_uids(gateway: ReadingGateway, dovecot: Dovecot) -> None:
    """0 lost, 0 double."""
    rng = random.Random(4)
    dovecot.stop()
    dovecot.deliver(a_mail(number) for number in range(5000))
    dovecot.start()
    gateway.begin()
    for taken in sorted(rng.sample(range(1, 5000), 8)):
        await gateway.until(taken)
        await gateway.kill()
        gateway.begin()
    await gateway.until(5000, within=120)

    async def all_seen() -> bool:
        return dovecot.seen() == 5000

    await eventually(all_seen)
    await gateway.kill()
    assert gateway.count("tickets") == gateway.count("receipts") == 5000
    dovecot.stop()
    dovecot.renumber()
    dovecot.deliver([a_mail(number) for number in range(5000, 5010)])
    dovecot.start()
    gateway.begin()
    for taken in sorted(rng.sample(range(5001, 10_010), 4)):
        await gateway.until(taken)
        await gateway.kill()
        gateway.begin()
    await gateway.until(10_010, within=150)
    await gateway.kill()
    assert gateway.count("tickets") == 5010
    subjects = gateway.rows("SELECT count(DISTINCT subject) AS n FROM tickets")
    assert subjects == [{"n": 5010}]
    assert await illegal_states(gateway.url) == []
    status = await asyncio.to_thread(cli._status, ["--config", str(gateway.config), "reconcile"])
    assert status == 0
