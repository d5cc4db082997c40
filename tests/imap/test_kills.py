"""Killed by SIGKILL between fetch, commit, mark and cursor: every mail is one ticket, and marked in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.crash_verify import illegal_states
from channels.testing_imap import SimulatedImap
from tests.eventually import eventually
from tests.imap.conftest import a_mail
from tests.imap.reading_gateway import ReadingGateway

POINTS = (
    "imap.after_fetch",
    "imap.before_accept",
    "intake.before_commit",
    "intake.after_commit",
    "imap.after_accept",
    "mailbox.note.before_commit",
    "imap.before_mark",
    "imap.after_mark",
    "mailbox.cursor.before_commit",
    "mailbox.cursor.after_commit",
    "mailbox.hold.after_commit",
)


@pytest.fixture
async def gateway(laid_out_url: str, tmp_path: Path, server: SimulatedImap) -> AsyncIterator[ReadingGateway]:
    """Reads the simulated server a few mails at a time."""
    mailbox = f'port = {server.port}\ntls = "none"\npassword = "secret"\nbatch = "1 KB"'
    made = ReadingGateway(tmp_path, laid_out_url, mailbox)
    yield made
    await made.kill()


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_loses_nothing_and_doubles_nothing(
    gateway: ReadingGateway, server: SimulatedImap, point: str
) -> None:
    box = server.folders["INBOX"]
    for number in range(9):
        box.deliver(a_mail(number) if number != 4 else b"no mail\x00")
    gateway.begin(f"{point}=kill@2" if not point.startswith(("mailbox.note", "mailbox.hold")) else f"{point}=kill")
    await gateway.until(9)

    async def marked() -> bool:
        died = gateway.lives > 1 or gateway.dead
        if gateway.dead:
            await gateway.kill()
            gateway.begin()
        return died and all(each.flags == {"\\Seen"} for each in box.messages)

    await eventually(marked)
    await gateway.kill()
    gateway.begin()
    box.deliver(a_mail(10))
    await gateway.until(10)
    await gateway.kill()
    assert gateway.count("tickets") == gateway.count("receipts") == 9
    assert gateway.count("quarantine") == gateway.count("mailbox_problems") == 1
    assert await illegal_states(gateway.url) == []
