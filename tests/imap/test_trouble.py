"""Servers that misbehave, mails that cannot be had, a database that is away, a process that dies: 0 lost, 0 double."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import structlog.testing

from channels import testing_imap
from channels.base import NotAcceptedNow
from channels.email.imap_reading import TRIES
from channels.testing_folder import Folder
from channels.testing_imap import BAD, BYE, DROP, GARBAGE, HUGE, NIL, NO, OMIT, WRONG
from desk import mailbox_books
from gateway.faults import Faults
from storage import mailboxes, sender_rules
from tests.eventually import eventually
from tests.imap.conftest import Desk, a_mail


def inbox(desk: Desk) -> Folder:
    return desk.server.folders["INBOX"]


@pytest.mark.parametrize("command", ["AUTHENTICATE", "SELECT", "SEARCH", "FETCH", "STORE", "NOOP", "IDLE"])
@pytest.mark.parametrize("behaviour", [DROP, BYE, GARBAGE])
async def test_a_connection_that_ends_anywhere_is_made_anew(desk: Desk, command: str, behaviour: str) -> None:
    for number in range(3):
        inbox(desk).deliver(a_mail(number))
    desk.server.script(command, [behaviour, "", behaviour])
    mailbox = await desk.read()
    await desk.looked(mailbox)
    inbox(desk).deliver(a_mail(3))
    await desk.looked(mailbox)
    assert len(await desk.rows("tickets")) == 4
    assert len(await desk.rows("receipts")) == 4

    async def seen() -> bool:
        return all("\\Seen" in each.flags for each in inbox(desk).messages)

    await eventually(seen)


@pytest.mark.parametrize("command", ["SELECT", "SEARCH", "FETCH", "STORE", "NOOP"])
@pytest.mark.parametrize("behaviour", [NO, BAD])
async def test_a_command_that_is_refused_once_is_no_end(desk: Desk, command: str, behaviour: str) -> None:
    for number in range(3):
        inbox(desk).deliver(a_mail(number))
    desk.server.script(command, [behaviour])
    mailbox = await desk.read()
    await desk.looked(mailbox)
    assert await desk.subjects() == ["printer 0", "printer 1", "printer 2"]
    assert await desk.rows("mailbox_problems") == []


@pytest.mark.parametrize("behaviour", [DROP, NO, BAD, GARBAGE, HUGE, NIL, OMIT, WRONG])
async def test_a_mail_that_cannot_be_fetched_is_noted_and_keeps_no_other_waiting(desk: Desk, behaviour: str) -> None:
    box = inbox(desk)
    uids = [box.deliver(a_mail(number)) for number in range(7)]
    desk.server.poison[uids[3]] = behaviour
    mailbox = await desk.read()
    await desk.looked(mailbox)
    assert len(await desk.subjects()) == 6
    (problem,) = await desk.rows("mailbox_problems")
    assert (problem["external_id"], problem["kind"]) == (f"INBOX/1000/{uids[3]}", "unfetchable")
    assert problem["detail"]
    assert box.flags(uids[3]) == set(), "it must look unread to whoever comes to look"
    assert mailbox.health.mails[("unfetchable",)] == 1
    assert await desk.database.read(mailboxes.unfetchable) == {"help": 1}
    box.deliver(a_mail(8))
    await desk.looked(mailbox)
    assert len(await desk.subjects()) == 7


async def test_a_mail_that_could_not_be_fetched_is_tried_again_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = inbox(desk).deliver(a_mail(1))
    desk.server.poison[uid] = NIL
    await desk.looked(await desk.read())
    await desk.stop()
    desk.server.poison.clear()
    await desk.looked(await desk.read())
    assert await desk.subjects() == []
    await desk.stop()
    monkeypatch.setattr(mailbox_books, "AGAIN_AFTER", timedelta())
    await desk.looked(await desk.read())
    assert await desk.subjects() == ["printer 1"]
    assert await desk.rows("mailbox_problems") == []
    assert inbox(desk).flags(uid) == {"\\Seen"}


async def test_a_server_that_falters_loses_no_mail_to_the_list_of_problems(desk: Desk) -> None:
    for number in range(5):
        inbox(desk).deliver(a_mail(number))
    desk.server.script("FETCH", ["", DROP, DROP, "", DROP])
    await desk.looked(await desk.read())
    assert len(await desk.subjects()) == 5
    assert await desk.rows("mailbox_problems") == []
    assert TRIES > 2


async def test_mail_that_is_gone_before_it_is_fetched_is_nobodys_loss(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = inbox(desk)
    gone = box.deliver(a_mail(1))
    box.deliver(a_mail(2))
    usual = testing_imap._Session.fetch

    async def fetch(self: Any, each: Any, number: int, items: str) -> str:
        if each.uid == gone and "BODY" in items:
            box.messages.remove(each)
            return ""
        return await usual(self, each, number, items)

    monkeypatch.setattr(testing_imap._Session, "fetch", fetch)
    await desk.looked(await desk.read())
    assert await desk.subjects() == ["printer 2"]
    assert await desk.rows("mailbox_problems") == []


async def test_a_mail_over_the_limit_is_held_with_its_header_alone(desk: Desk) -> None:
    box = inbox(desk)
    uid = box.deliver(a_mail(1, text="x" * 5000))
    box.deliver(a_mail(2))
    mailbox = await desk.read(max_size=4000)
    await desk.looked(mailbox)
    assert await desk.subjects() == ["printer 2"]
    (entry,) = await desk.rows("quarantine")
    (blob,) = [row for row in await desk.rows("blobs") if row["sha256"] == entry["raw_sha256"]]
    assert blob["bytes"] == a_mail(1, text="x" * 5000).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert (entry["reason"], entry["envelope"]["uid"]) == ("too_large", uid)
    (problem,) = await desk.rows("mailbox_problems")
    assert (problem["kind"], problem["quarantine_id"]) == ("too_large", entry["id"])
    await desk.stop()
    await desk.looked(await desk.read(max_size=4000))
    assert len(await desk.rows("quarantine")) == 1


async def test_a_size_the_server_lies_about_is_found_out(desk: Desk) -> None:
    box = inbox(desk)
    for number, said in enumerate((0, 7, 10**9)):
        found = box.find(box.deliver(a_mail(number)))
        assert found is not None
        found.size = said
    await desk.looked(await desk.read())
    assert await desk.subjects() == ["printer 0", "printer 1"]
    assert [row["reason"] for row in await desk.rows("quarantine")] == ["too_large"]


async def test_what_is_no_mail_is_held_with_its_bytes_once(desk: Desk) -> None:
    box = inbox(desk)
    box.deliver(b"\x00\xff nothing anybody can read")
    box.deliver(b"")
    box.deliver(a_mail(1))
    desk.faults = Faults.parse("imap.after_accept=raise@1")
    await desk.looked(await desk.read())
    assert await desk.subjects() == ["printer 1"]
    held = await desk.rows("quarantine")
    assert sorted(row["reason"] for row in held) == ["empty", "not_mail"]
    problems = await desk.rows("mailbox_problems")
    assert {row["quarantine_id"] for row in problems} == {row["id"] for row in held}


async def test_what_the_database_did_not_take_is_not_marked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    box = inbox(desk)
    for number in range(4):
        box.deliver(a_mail(number))
    away = True
    usual = desk.intake.accept

    async def accept(message: Any, raw: bytes) -> Any:
        if away and message.subject == "printer 2":
            raise NotAcceptedNow("simulated")
        return await usual(message, raw)

    monkeypatch.setattr(desk.intake, "accept", accept)
    mailbox = await desk.read()

    async def failing() -> bool:
        return mailbox.health.failures > 2

    await eventually(failing)
    assert box.messages[2].flags == set()
    assert "printer 2" not in await desk.subjects()
    away = False
    await desk.looked(mailbox)
    assert len(await desk.subjects()) == 4
    assert [each.flags for each in box.messages] == [{"\\Seen"}] * 4


@pytest.mark.parametrize(
    "point",
    [
        "imap.after_fetch",
        "imap.before_accept",
        "imap.after_accept",
        "imap.before_mark",
        "imap.after_mark",
    ],
)
@pytest.mark.parametrize("pass_", [1, 3])
async def test_a_failure_anywhere_on_the_way_loses_nothing_and_doubles_nothing(
    desk: Desk, point: str, pass_: int
) -> None:
    box = inbox(desk)
    for number in range(4):
        box.deliver(a_mail(number) if number else b"no mail\x00")
    desk.faults = Faults.parse(f"{point}=raise@{pass_}")
    mailbox = await desk.read(batch=400)
    await desk.looked(mailbox)
    assert await desk.subjects() == ["printer 1", "printer 2", "printer 3"]
    assert len(await desk.rows("receipts")) == 3
    assert len(await desk.rows("quarantine")) == 1
    assert [each.flags for each in box.messages] == [{"\\Seen"}] * 4


async def test_silence_is_told_once_and_so_is_its_end(desk: Desk) -> None:
    mailbox = await desk.read(silent=0.2, keep_every=0.05, renew=0.05)
    await desk.looked(mailbox)
    with structlog.testing.capture_logs() as told:
        await desk.server.stop()

        async def silent() -> bool:
            return any(line["event"] == "mailbox_silent" for line in told)

        await eventually(silent)
        assert mailbox.health.told().startswith("nothing fetched for")
        await desk.server.start()

        async def recovered() -> bool:
            return any(line["event"] == "mailbox_recovered" for line in told)

        await eventually(recovered)
    assert mailbox.health.told() == "ok"
    assert [line["event"] for line in told if line["log_level"] == "error"] == ["mailbox_silent"]


async def test_a_folder_that_may_not_be_written_to_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = testing_imap._Session.do_select

    async def readonly(self: Any, words: list[str], mode: str = "") -> str:
        return (await usual(self, words)).replace("READ-WRITE", "READ-ONLY")

    monkeypatch.setattr(testing_imap._Session, "do_select", readonly)
    inbox(desk).deliver(a_mail(1))
    await desk.looked(await desk.read())
    assert await desk.subjects() == ["printer 1"]


async def test_mail_of_a_blocked_sender_is_held_as_spam_and_called_no_mistake(desk: Desk) -> None:
    now = desk.intake.clock.now()
    await desk.database.write(
        lambda c: sender_rules.put(c, "domain:north.example", sender_rules.BLOCK, by="staff:a", note="", now=now)
    )
    inbox(desk).deliver(a_mail(1))
    with structlog.testing.capture_logs() as told:
        await desk.looked(await desk.read())
    (entry,) = await desk.rows("quarantine")
    assert entry["reason"] == "spam"
    (problem,) = await desk.rows("mailbox_problems")
    assert (problem["kind"], problem["detail"], problem["quarantine_id"]) == ("quarantined", "held", entry["id"])
    [line] = [each for each in told if each["event"] == "mailbox_mail_held"]
    assert (line["log_level"], line["why"]) == ("info", "held")
