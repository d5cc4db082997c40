"""How often we thank, and whom: a forged flood, a loop without headers, and people we know."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from desk.cap import Caps
from storage import mail_reports
from tickets.delivery import DeliveryState
from tickets.message import MessageKind

PASS = {"verdict": "pass", "by": "us"}
FAIL = {"verdict": "fail", "by": "us"}
STRANGER = "anna@romashka.example"


def with_caps(desk: Any, **caps: int) -> None:
    desk.site.become(dataclasses.replace(desk.site, caps=Caps(**caps)))


async def thanked(desk: Any, *messages: Any) -> list[str]:
    """What became of the acknowledgement of each: its state, or why there is none."""
    for message in messages:
        await desk.take(message)
    found = {row["id"]: row for row in await desk.rows("notifications") if row["event"] == "received"}
    ways = [row for row in await desk.rows("deliveries") if row["notification_id"] in found]
    return [row["reason"] or row["state"] for row in sorted(ways, key=lambda row: row["id"])]


async def leave(desk: Any) -> None:
    """The relay takes whatever is queued."""
    for row in await desk.rows("deliveries"):
        if row["state"] == "queued":
            for state in (DeliveryState.SENDING, DeliveryState.SENT):
                await desk.database.write(
                    lambda c, key=row["id"], new=state: mail_reports.move(c, key, new, "", desk.clock.now())
                )


async def test_a_stranger_is_thanked_once_an_hour(desk: Any) -> None:
    assert await thanked(desk, *(desk.mail(STRANGER, subject=f"Тема {n}") for n in range(4))) == [
        "queued", "cap_reached", "cap_reached", "cap_reached",
    ]  # fmt: skip
    desk.clock.move(minutes=59)
    assert (await thanked(desk, desk.mail(STRANGER)))[-1] == "cap_reached"
    desk.clock.move(minutes=1)
    assert (await thanked(desk, desk.mail(STRANGER)))[-1] == "queued"


@pytest.mark.parametrize("proof", ["authenticity", "an answer to our mail"])
async def test_who_is_known_is_thanked_up_to_twenty_times(desk: Any, proof: str) -> None:
    given: dict[str, Any] = {"authenticity": PASS}
    if proof == "an answer to our mail":
        first = await desk.take(desk.mail(STRANGER))
        await desk.take(desk.reply(first, "token", sender=STRANGER))
        desk.clock.move(hours=1)
        given = {}
    told = await thanked(desk, *(desk.mail(STRANGER, subject=f"Тема {n}", **given) for n in range(25)))
    assert Counter(told[-25:]) == {"queued": 20, "cap_reached": 5}


async def test_a_forged_mail_of_somebody_known_is_a_strangers(desk: Any) -> None:
    first = await desk.take(desk.mail(STRANGER))
    await desk.take(desk.reply(first, "token", sender=STRANGER))
    desk.clock.move(hours=1)
    told = await thanked(desk, *(desk.mail(STRANGER, authenticity=FAIL) for _ in range(3)))
    assert told[-3:] == ["queued", "cap_reached", "cap_reached"]


async def test_an_answer_that_fails_its_check_proves_nothing(desk: Any) -> None:
    first = await desk.take(desk.mail(STRANGER))
    await desk.take(desk.reply(first, "token", sender=STRANGER, authenticity=FAIL))
    assert [row["verified"] for row in await desk.rows("addresses") if row["value"] == STRANGER] == [False]


async def test_a_restart_begins_nothing_anew_and_nodes_count_together(desk: Any, make_desk: Callable[..., Any]) -> None:
    assert await thanked(desk, desk.mail(STRANGER)) == ["queued"]
    other = make_desk(clock=desk.clock)
    await other.take(other.mail(STRANGER))
    assert (await thanked(desk))[-1] == "cap_reached"


async def test_a_flood_of_many_names_meets_the_limit_of_the_domain(desk: Any, make_desk: Callable[..., Any]) -> None:
    with_caps(desk, domain=5)
    told = await thanked(desk, *(desk.mail(f"n{n}@flood.example") for n in range(8)))
    assert told == ["queued"] * 5 + ["domain_cap"] * 3
    await desk.intake.close()
    again = make_desk(site=desk.site, clock=desk.clock)
    await again.take(again.mail("n9@flood.example"))
    assert (await thanked(desk))[-1] == "domain_cap", "a restart does not begin anew"
    assert (await thanked(desk, desk.mail("n10@flood.example", authenticity=PASS)))[-1] == "queued", (
        "a flood silences nobody who is known"
    )
    assert (await thanked(desk, desk.mail("someone@else.example")))[-1] == "queued"
    desk.clock.move(hours=1)
    assert (await thanked(desk, desk.mail("n11@flood.example")))[-1] == "queued"


async def test_and_the_limit_of_all_together(desk: Any) -> None:
    with_caps(desk, total=3)
    told = await thanked(desk, *(desk.mail(f"a@d{n}.example") for n in range(5)))
    assert told == ["queued"] * 3 + ["total_cap"] * 2


async def test_a_flood_in_one_group_is_a_flood(desk: Any) -> None:
    await desk.take_together(*(desk.mail(STRANGER) for _ in range(50)))
    assert Counter(await thanked(desk)) == {"queued": 1, "cap_reached": 49}


async def test_machines_use_up_nobodys_allowance(desk: Any) -> None:
    told = await thanked(desk, desk.mail(STRANGER, kind=MessageKind.AUTO_REPLY), desk.mail(STRANGER))
    assert told == ["automatic_mail", "queued"]


async def test_two_desks_that_thank_each_other_stop_after_three(desk: Any) -> None:
    """The other desk sends no header that tells, opens a new subject each time, and passes every check."""
    for n in range(8):
        text = f"Здравствуйте! Ваше обращение зарегистрировано под номером {7000 + n}. Мы ответим вам."
        await desk.take(
            desk.mail("desk@partner.example", subject=f"Обращение {7000 + n} ({n * n})", text=text, authenticity=PASS)
        )
        await leave(desk)
        desk.clock.move(seconds=20)
    assert await thanked(desk) == ["sent"] * 3 + ["mail_loop"] * 5
    alerts = [n for n in await desk.rows("notifications") if n["event"] == "mail_loop"]
    assert len(alerts) == 1, "staff are told once"
    assert [e["new"] for e in await desk.rows("events") if e["what"] == "mail_loop"] == ["desk@partner.example"]
    assert desk.intake.counts.loops[()] == 1
    desk.clock.move(hours=25)
    assert (await thanked(desk, desk.mail("desk@partner.example", authenticity=PASS)))[-1] == "queued"


async def test_a_person_who_writes_often_is_no_loop(desk: Any) -> None:
    words = ["Не включается монитор", "Нужен доступ к папке", "Кончился тонер", "Не приходит почта", "Сломан стул"]
    for text in words * 2:
        await desk.take(desk.mail(STRANGER, text=text, authenticity=PASS))
        await leave(desk)
        desk.clock.move(minutes=2)
    assert set(await thanked(desk)) == {"sent"}


async def test_a_number_of_a_mail_joined_or_appended_uses_nothing_up(desk: Any) -> None:
    first = await desk.take(desk.mail(STRANGER))
    for _ in range(3):
        await desk.take(desk.reply(first, "token", sender=STRANGER))
    [row] = [row for row in await desk.rows("addresses") if row["value"] == STRANGER]
    assert row["standing"]["given"] == 1
