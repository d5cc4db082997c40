"""Killed, failing or standing still at every commit and every send: one ticket, one acknowledgement, no half state."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.eventually import eventually

KINDS = ("kill", "raise", "hang")
ON_THE_WAY = (
    "smtp.before_accept",
    "intake.before_commit",
    "intake.after_commit",
    "smtp.after_accept",
    "outbox.claim.before_commit",
    "outbox.claim.after_commit",
    "outbox.attempt.before_commit",
    "outbox.attempt.after_commit",
    "outbox.before_send",
    "outbox.after_send",
)
AROUND = (
    "keys.before_commit",
    "keys.after_commit",
    "outbox.reap.before_commit",
    "outbox.reap.after_commit",
    "change.before_commit",
    "change.after_commit",
    "clock.hold.before_commit",
    "clock.hold.after_commit",
    "clock.alarm.before_commit",
    "clock.alarm.after_commit",
)

both = pytest.mark.parametrize("place", ["sqlite", "postgresql"], indirect=True)


def cases(points: tuple[str, ...]) -> list[Any]:
    """Every point and kind; a process that is shot is always tried, the rest in the long run."""
    return [
        pytest.param(point, kind, id=f"{point}-{kind}", marks=() if kind == "kill" else pytest.mark.slow)
        for point in points
        for kind in KINDS
    ]


@both
@pytest.mark.parametrize("point,kind", [case for case in cases(ON_THE_WAY) if case.id != "intake.before_commit-raise"])
async def test_a_mail_on_its_way(scene: Any, mail: bytes, point: str, kind: str) -> None:
    await scene.live(f"{point}={kind}")
    await scene.insist(mail)
    await scene.quiet()
    if kind == "kill":
        assert scene.lives > 1
    await scene.end()
    await scene.assert_whole()


@both
async def test_what_a_mistake_of_ours_keeps_from_becoming_a_ticket_is_held_with_its_bytes(
    scene: Any, mail: bytes
) -> None:
    await scene.live("intake.before_commit=raise")
    assert await scene.mail(mail)
    await scene.end()
    held = scene.rows("SELECT q.reason, q.state, b.bytes FROM quarantine q JOIN blobs b ON b.sha256 = q.raw_sha256")
    assert [(row["reason"], row["state"], bytes(row["bytes"])) for row in held] == [("intake_error", "held", mail)]
    assert scene.progress()["receipts"] == 0


@both
@pytest.mark.parametrize("point,kind", cases(AROUND[:2]))
async def test_the_making_of_the_reply_key(scene: Any, mail: bytes, point: str, kind: str) -> None:
    await scene.live(f"{point}={kind}")
    await scene.insist(mail)
    await scene.quiet()
    assert scene.lives > 1
    assert scene.rows("SELECT count(*) AS n FROM keys WHERE name = 'reply'") == [{"n": 1}]
    await scene.end()
    await scene.assert_whole()


@both
@pytest.mark.parametrize("point,kind", cases(AROUND[2:4]))
async def test_a_second_crash_while_the_first_is_settled(scene: Any, mail: bytes, point: str, kind: str) -> None:
    await scene.live("outbox.after_send=kill")
    await scene.insist(mail)
    await eventually(lambda: scene.dead)
    await scene.kill()
    await scene.live(f"{point}={kind}")
    await scene.quiet()
    await scene.end()
    await scene.assert_whole()
    assert scene.rows("SELECT count(*) AS n FROM attempts WHERE outcome = 'unknown'")[0]["n"] >= 1


@both
@pytest.mark.parametrize("point,kind", cases(AROUND[4:6]))
async def test_a_status_change(scene: Any, mail: bytes, point: str, kind: str) -> None:
    await scene.live(f"{point}={kind}")
    await scene.insist(mail)
    await scene.quiet()
    number = scene.rows("SELECT number FROM tickets")[0]["number"]
    await scene.move(number, "in_progress")
    await scene.quiet()
    await scene.end()
    await scene.assert_whole()
    assert scene.rows("SELECT status FROM tickets") == [{"status": "in_progress"}]
    assert scene.rows("SELECT old, new FROM events WHERE what = 'status'") == [{"old": "new", "new": "in_progress"}]


@both
@pytest.mark.parametrize("point,kind", cases(AROUND[6:]))
async def test_a_deadline(scene: Any, mail: bytes, point: str, kind: str) -> None:
    await scene.live()
    await scene.insist(mail)
    before = await scene.quiet()
    await scene.end()
    await scene.live(f"{point}={kind}", ahead=timedelta(hours=3), patience=3)
    await scene.quiet(lambda seen: seen["events"] > before["events"])
    await scene.end()
    await scene.assert_whole()
    told = [row["what"] + row["new"] for row in scene.rows("SELECT what, new FROM events WHERE what LIKE 'deadline%'")]
    assert told
    assert len(told) == len(set(told))


@both
async def test_a_client_that_times_out_while_its_mail_is_stored(scene: Any, mail: bytes) -> None:
    await scene.live("smtp.before_accept=hang")
    assert not await scene.mail(mail)
    assert await scene.mail(mail, patience=15)
    await scene.quiet()
    await scene.end()
    await scene.assert_whole()


@both
@pytest.mark.parametrize("leave", ["half close", "hang up"])
async def test_a_client_that_leaves_after_the_last_dot(scene: Any, mail: bytes, leave: str) -> None:
    await scene.live()
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.smtp_port)
    for line in (b"", b"HELO x.example\r\n", b"MAIL FROM:<irina@north.example>\r\n", b"RCPT TO:<s@desk.example>\r\n"):
        writer.write(line)
        assert (await reader.readline()).startswith(b"2")
    writer.write(b"DATA\r\n")
    assert (await reader.readline()).startswith(b"354")
    writer.write(mail + b".\r\n")
    if leave == "half close":
        writer.write_eof()
        assert (await reader.readline()).startswith(b"250 2.0.0 Accepted as FLT-")
    await writer.drain()
    writer.close()
    await scene.quiet()
    assert await scene.mail(mail)
    await scene.quiet(lambda seen: seen["receipts"] == 2)
    await scene.end()
    await scene.assert_whole()
