"""`otklik reconcile`: every mail is somewhere, or the command says which one is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from channels.testing_imap import NIL
from gateway import cli
from storage.tables import blobs, messages, quarantine, receipts
from tests.imap.conftest import Desk, a_mail, days_ago

Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def reconcile(desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """`await reconcile("help")`: exit status and output."""
    config = tmp_path / "otklik.toml"
    config.write_text(
        config.read_text()
        + f'[mailbox.help]\naddress = "help@desk.example"\nhost = "127.0.0.1"\nport = {desk.server.port}\n'
        + 'tls = "none"\npassword = "secret"\n[mailbox.away]\nhost = "127.0.0.1"\nport = 1\ntls = "none"\n'
        + 'password = "x"\n'
    )

    async def run(*words: str) -> tuple[int, str]:
        capfd.readouterr()
        status = await asyncio.to_thread(cli._status, ["--config", str(config), "reconcile", *words])
        told = capfd.readouterr()
        return status, told.out + told.err

    return run


def documents(out: str) -> dict[str, dict[str, Any]]:
    return {line["source"]: line for line in map(json.loads, out.splitlines())}


async def test_a_box_that_was_read_balances_to_zero(desk: Desk, reconcile: Run) -> None:
    box = desk.server.folders["INBOX"]
    for number in range(5):
        box.deliver(a_mail(number))
    box.deliver(a_mail(0))
    box.deliver(b"no mail\x00")
    box.deliver(a_mail(9, text="x" * 9000))
    await desk.looked(await desk.read(max_size=9000))
    await desk.stop()
    box.deliver(a_mail(10))
    status, out = await reconcile("help")
    assert out.splitlines()[-1] == "balanced"
    assert out.splitlines()[1].split() == ["mailbox", "help", "9", "5", "1", "2", "1", "0"]
    assert status == 0
    assert all("\\Seen" in each.flags for each in box.messages[:-1])
    assert box.messages[-1].flags == set()


async def test_what_is_nowhere_is_named(desk: Desk, reconcile: Run) -> None:
    box = desk.server.folders["INBOX"]
    bad = box.deliver(a_mail(1))
    desk.server.poison[bad] = NIL
    box.deliver(a_mail(2))
    await desk.looked(await desk.read())
    await desk.stop()
    desk.server.poison.clear()
    lost = box.deliver(a_mail(3), arrived=days_ago(1), flags=["\\Seen"])
    status, out = await reconcile("help", "--json")
    assert status == 1
    line = documents(out)["help"]
    assert (line["mails"], line["tickets"], line["astray"], line["balanced"]) == (3, 1, 2, False)
    told = {each["id"]: each["told"] for each in line["unaccounted"]}
    assert told[f"INBOX/1000/{bad}"].startswith("unfetchable: ")
    assert told[f"INBOX/1000/{lost}"].startswith("not taken in")
    assert "irina3@north.example, 'printer 3'" in told[f"INBOX/1000/{lost}"]


async def test_a_mailbox_that_cannot_be_entered_is_not_balanced(reconcile: Run) -> None:
    status, out = await reconcile()
    assert status == 1
    assert "away: cannot be entered: connect: Connection refused" in out
    assert out.splitlines()[-1] == "NOT balanced"


async def test_an_unknown_mailbox_is_bad_usage(reconcile: Run) -> None:
    status, out = await reconcile("helf")
    assert (status, out) == (2, "otklik: there is no [mailbox.helf]; known: help, away\n")


async def test_the_smtp_journal_leads_to_tickets_and_quarantine(desk: Desk, reconcile: Run) -> None:
    from channels.email.read import read
    from channels.email.receiving import receive
    from gateway.clock import SystemClock

    for raw in (a_mail(1), a_mail(2), a_mail(1), b"\x00no mail"):
        now = SystemClock().now()
        message = await receive(
            read, raw, door="smtp", account="smtp", received_at=now, envelope={}, mail_from="", rcpt_to=()
        )
        await desk.intake.accept(message, raw)
    line = documents((await reconcile("--json"))[1])["smtp"]
    wanted = {"kind": "journal", "mails": 4, "tickets": 2, "joined": 1, "quarantine": 1, "astray": 0, "balanced": True}
    assert {key: line[key] for key in wanted} == wanted

    def damage(connection: Any) -> str:
        first = connection.execute(select(receipts.c.external_id, receipts.c.message_id).limit(1)).one()
        gone = select(messages.c.id).where(messages.c.id == first.message_id)
        connection.execute(delete(messages).where(messages.c.id.in_(gone)))
        held = connection.execute(select(quarantine.c.raw_sha256)).scalar_one()
        connection.execute(delete(blobs).where(blobs.c.sha256 == held))
        return str(first.external_id)

    astray = await desk.database.write(damage)
    line = documents((await reconcile("--json"))[1])["smtp"]
    assert line["astray"] >= 2
    assert f"receipt {astray}" in {each["id"] for each in line["unaccounted"]}
    assert any(each["told"] == "no bytes" for each in line["unaccounted"])
