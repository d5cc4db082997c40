"""What is in a folder becomes tickets, each once, whatever its flags and whoever else reads the box."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from channels.testing_folder import Folder
from tests.eventually import eventually
from tests.imap.conftest import ADDRESS, Desk, a_mail, an_alarm, days_ago


def inbox(desk: Desk) -> Folder:
    return desk.server.folders["INBOX"]


async def test_mail_that_is_there_and_mail_that_comes_become_tickets_and_are_marked_seen(desk: Desk) -> None:
    box = inbox(desk)
    first = box.deliver(a_mail(1))
    mailbox = await desk.read()
    await desk.looked(mailbox)
    second = box.deliver(a_mail(2))
    await desk.looked(mailbox)
    assert await desk.subjects() == ["printer 1", "printer 2"]
    assert box.flags(first) == box.flags(second) == {"\\Seen"}
    receipts = sorted((row["account"], row["external_id"]) for row in await desk.rows("receipts"))
    assert receipts == [("help", "INBOX/1000/1"), ("help", "INBOX/1000/2")]
    assert any(command.startswith("IDLE") for command in desk.server.commands)
    assert not any("BODY[" in command for command in desk.server.commands), "a fetch that sets \\Seen"


async def test_the_recipients_are_the_mailbox_and_what_the_servers_wrote_down(desk: Desk) -> None:
    head = "Delivered-To: alias@desk.example\r\nX-Original-To: <bcc@desk.example>\r\nDelivered-To: garbage\r\n"
    inbox(desk).deliver(a_mail(1, head=head).replace(b"To: help@desk.example\r\nDate", b"To: list@x.example\r\nDate"))
    await desk.looked(await desk.read())
    (message,) = [row for row in await desk.rows("messages") if row["direction"] == "in"]
    assert message["recipients"] == ["list@x.example", ADDRESS, "alias@desk.example", "bcc@desk.example"]


@pytest.mark.parametrize("after,move_to", [("leave", ""), ("move", "Done"), ("move", "Обработано")])
async def test_what_is_done_with_a_mail_afterwards(desk: Desk, after: str, move_to: str) -> None:
    box = inbox(desk)
    for number in range(3):
        box.deliver(a_mail(number))
    await desk.looked(await desk.read(after=after, move_to=move_to))
    assert len(await desk.subjects()) == 3
    if after == "leave":
        assert [each.flags for each in box.messages] == [set()] * 3
        assert any(command.startswith("EXAMINE") for command in desk.server.commands)
    else:
        wire = "Done" if move_to == "Done" else "&BB4EMQRABDAEMQQ+BEIEMAQ9BD4-"
        assert box.messages == []
        assert len(desk.server.folders[wire].messages) == 3


async def test_without_move_a_mail_is_copied_and_nothing_else_is_expunged(desk: Desk) -> None:
    desk.server.capabilities.remove("MOVE")
    box = inbox(desk)
    others = box.deliver(a_mail(1), flags=["\\Deleted"], arrived=days_ago(100))
    box.deliver(a_mail(2))
    mailbox = await desk.read(after="move", move_to="Done", since=days_ago(50).date())

    async def moved() -> bool:
        return "Done" in desk.server.folders and len(desk.server.folders["Done"].messages) == 1

    await eventually(moved)
    await desk.looked(mailbox)
    assert [each.uid for each in box.messages] == [others]


async def test_a_folder_with_a_cyrillic_name(desk: Desk) -> None:
    desk.server.folder("&BBcEMARPBDIEOgQ4-").deliver(a_mail(1))
    await desk.looked(await desk.read(folder="Заявки"), "&BBcEMARPBDIEOgQ4-")
    assert await desk.subjects() == ["printer 1"]
    assert [row["external_id"] for row in await desk.rows("receipts")] == ["Заявки/1001/1"]


async def test_without_idle_the_folder_is_polled(desk: Desk) -> None:
    desk.server.capabilities.remove("IDLE")
    mailbox = await desk.read()
    await desk.looked(mailbox)
    inbox(desk).deliver(a_mail(1))
    await desk.looked(mailbox)
    assert await desk.subjects() == ["printer 1"]


async def test_idle_is_renewed(desk: Desk) -> None:
    await desk.read(renew=0.02)

    async def renewed() -> bool:
        return sum(command == "IDLE" for command in desk.server.commands) > 3

    await eventually(renewed)
    assert desk.server.connections == 1


async def test_a_server_that_refuses_idle_is_polled(desk: Desk) -> None:
    desk.server.script("IDLE", ["no"])
    mailbox = await desk.read()
    await desk.looked(mailbox)
    inbox(desk).deliver(a_mail(1))
    await desk.looked(mailbox)
    assert await desk.subjects() == ["printer 1"]
    assert desk.server.connections == 1


async def test_what_a_person_read_in_webmail_is_taken_all_the_same(desk: Desk) -> None:
    box = inbox(desk)
    box.deliver(a_mail(1), flags=["\\Seen", "\\Answered"])
    await desk.looked(await desk.read())
    assert await desk.subjects() == ["printer 1"]


async def test_what_appears_below_the_cursor_is_found_by_the_re_scan(desk: Desk) -> None:
    box = inbox(desk)
    late = box.deliver(a_mail(1))
    box.hidden.add(late)
    old = box.deliver(a_mail(2), arrived=days_ago(30))
    box.hidden.add(old)
    box.deliver(a_mail(3))
    mailbox = await desk.read(rescan=0.05)
    await desk.looked(mailbox)
    assert await desk.subjects() == ["printer 3"]
    box.hidden.clear()
    box.flags(late).add("\\Seen")

    async def found() -> bool:
        return "printer 1" in await desk.subjects()

    await eventually(found)
    # the other is older than the days that are looked through again
    assert await desk.subjects() == ["printer 1", "printer 3"]


async def test_mail_from_before_the_day_that_is_set_is_left_alone(desk: Desk) -> None:
    box = inbox(desk)
    old = box.deliver(a_mail(1), arrived=days_ago(40))
    box.deliver(a_mail(2))
    await desk.looked(await desk.read(since=days_ago(7).date()))
    assert await desk.subjects() == ["printer 2"]
    assert box.flags(old) == set()


async def test_a_box_that_was_read_is_not_read_again(desk: Desk) -> None:
    box = inbox(desk)
    for number in range(20):
        box.deliver(a_mail(number))
    await desk.looked(await desk.read())
    await desk.stop()
    desk.server.commands.clear()
    mailbox = await desk.read()
    await desk.looked(mailbox)
    assert [c for c in desk.server.commands if c.startswith(("FETCH", "STORE"))] == []
    assert len(await desk.rows("receipts")) == 20


@pytest.mark.parametrize("alike", [False, True], ids=["mails", "alarms"])
async def test_after_other_uids_were_given_nothing_is_lost_and_nothing_is_double(desk: Desk, alike: bool) -> None:
    box = inbox(desk)
    for number in range(6):
        # an hour apart: identical alarms of different hours are different messages
        box.deliver(an_alarm() if alike else a_mail(number), arrived=days_ago(2 + number / 24))
    await desk.looked(await desk.read())
    before = len(await desk.rows("tickets"))
    assert before == 6
    await desk.stop()
    box.deliver(a_mail(100))
    box.messages.insert(0, box.messages.pop())
    box.renumber(77)
    mailbox = await desk.read()
    await desk.looked(mailbox)
    box.deliver(a_mail(101))
    await desk.looked(mailbox)
    assert len(await desk.rows("tickets")) == before + 2
    here = [row for row in await desk.rows("receipts") if row["external_id"].startswith("INBOX/77/")]
    assert len(here) == 8


async def test_identical_alarms_are_told_apart_by_when_they_came(desk: Desk) -> None:
    """The gateway was down for hours and meets all of them at once."""
    box = inbox(desk)
    for minutes in (300, 240, 239, 60):
        box.deliver(an_alarm(), arrived=days_ago(minutes / 1440))
    await desk.looked(await desk.read())
    assert len(await desk.rows("tickets")) == 3
    assert len(await desk.rows("receipts")) == 4


async def test_an_answer_in_the_same_batch_finds_the_ticket_of_what_it_answers(desk: Desk) -> None:
    box = inbox(desk)
    box.deliver(a_mail(1, sender="irina@north.example"))
    more = a_mail(2, sender="irina@north.example", head="In-Reply-To: <1@north.example>\r\n", subject="Re: printer 1")
    box.deliver(more)
    await desk.looked(await desk.read())
    assert await desk.subjects() == ["printer 1"]


async def test_when_a_mail_came_is_kept_and_the_future_is_not_believed(desk: Desk) -> None:
    box = inbox(desk)
    came = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    box.deliver(a_mail(1), arrived=came)
    box.deliver(a_mail(2), arrived=days_ago(-400))
    await desk.looked(await desk.read())
    rows: dict[str, Any] = {row["subject"]: row for row in await desk.rows("messages") if row["direction"] == "in"}
    assert rows["printer 1"]["at"] == came
    assert rows["printer 2"]["at"] <= datetime.now(UTC)
