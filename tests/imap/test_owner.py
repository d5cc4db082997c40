"""Several nodes, several mailboxes: one owner each, and another one when the owner is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from desk.mailbox_books import MailboxOwnership
from storage import duties
from tests.eventually import eventually
from tests.imap.conftest import Desk, a_mail


async def test_one_node_reads_and_the_other_stands_by_until_it_stops(desk: Desk) -> None:
    first = await desk.read("one")
    await desk.looked(first)
    second = await desk.read("two", keep_every=0.02)

    async def waits() -> bool:
        return second.health.state == "standby"

    await eventually(waits)
    desk.server.folders["INBOX"].deliver(a_mail(1))
    await desk.looked(first)
    assert desk.server.connections == 1
    _, task = desk.running[0]
    first.stop()
    await task
    desk.server.folders["INBOX"].deliver(a_mail(2))
    await desk.looked(second)
    assert await desk.subjects() == ["printer 1", "printer 2"]
    assert not second.health.silent


async def test_who_loses_the_duty_lets_the_connection_go_at_once(desk: Desk) -> None:
    mailbox = await desk.read("one", keep_every=0.02)
    await desk.looked(mailbox)

    def take(connection: object) -> None:
        duties.let_go(connection, mailbox.duty, "one")  # type: ignore[arg-type]
        assert duties.hold(connection, mailbox.duty, "two", timedelta(hours=1))  # type: ignore[arg-type]

    await desk.database.write(take)

    async def gone() -> bool:
        return mailbox.health.state == "standby" and not mailbox.health.connected

    await eventually(gone)


async def test_mailboxes_do_not_wait_for_each_other(desk: Desk) -> None:
    desk.server.folder("Second").deliver(a_mail(2))
    broken = await desk.read(name="broken", port=1)
    good = await desk.read(name="good", folder="Second")
    await desk.looked(good, "Second")
    assert await desk.subjects() == ["printer 2"]
    assert broken.health.told().startswith("failing: connect: ")


async def test_the_same_mail_in_two_mailboxes_is_one_ticket(desk: Desk) -> None:
    desk.server.folders["INBOX"].deliver(a_mail(1))
    desk.server.folder("Second").deliver(a_mail(1))
    await desk.looked(await desk.read())
    await desk.looked(await desk.read(name="second", folder="Second"), "Second")
    assert await desk.subjects() == ["printer 1"]
    assert len(await desk.rows("receipts")) == 2


async def test_while_the_database_is_away_the_duty_is_ours_for_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.errors import StorageUnavailable

    ownership = MailboxOwnership(desk.database, "one", timedelta(seconds=60))

    async def away(*_: object, **__: object) -> bool:
        raise StorageUnavailable("simulated")

    monkeypatch.setattr(desk.database, "write", away)
    assert not await ownership.hold("imap help")
    monkeypatch.undo()
    assert await ownership.hold("imap help")
    monkeypatch.setattr(desk.database, "write", away)
    assert await ownership.hold("imap help")


async def test_a_stop_waits_for_no_server(desk: Desk) -> None:
    desk.server.script("SEARCH", ["hang"])
    desk.server.script("AUTHENTICATE", ["", "hang"])
    mailbox = await desk.read(timeout=0.3)

    async def tried_twice() -> bool:
        return desk.server.commands.count("AUTHENTICATE") == 2

    await eventually(tried_twice)
    await desk.stop()
    assert mailbox.health.state == "failing"
