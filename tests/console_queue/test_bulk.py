"""Many tickets at once: a forecast, a transaction each, what was left alone and why, and the way back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from desk.triage import SPAM
from storage import audit
from storage.audit import Filter
from tickets.status import Status

SURE = ("sure", "1")


async def ticked(desk: Any, *numbers: str) -> list[tuple[str, str]]:
    return [("t", await desk.version(number)) for number in numbers]


async def test_first_it_is_told_what_would_happen_and_nothing_is_done(desk: Any) -> None:
    one, two, done = [await desk.mail(f"Касса {n}") for n in range(3)]
    await desk.program.change.status(done, Status.RESOLVED, "maria")
    maria = await desk.staff("maria", "lead")
    page = await maria.post("/queue/bulk", *await ticked(desk, one, two, done), action="status:resolved", back="/queue")
    assert page.status == 200
    assert "2 заявки переведём в «Решена»." in page.words
    assert "Авторам об этом напишем" in page.words
    assert "1 заявку не тронем:" in page.words
    assert f"{done} — уже так" in page.words
    assert (await desk.row(one))["status"] == "new"


async def test_then_each_is_done_in_a_transaction_of_its_own_and_the_page_tells(desk: Any) -> None:
    one, two = [await desk.mail(f"Касса {n}") for n in range(2)]
    maria = await desk.staff("maria", "lead")
    chosen = await ticked(desk, one, two)
    page = await maria.post("/queue/bulk", *chosen, SURE, action="assign", value="denis", back="/queue?centre=nsk")
    assert (page.status, page.leads_to) == (303, "/queue?centre=nsk")
    for number in (one, two):
        assert (await desk.row(number))["assignee_id"] == desk.members["denis"]
        assert [new for what, _, new in await desk.happened(number) if what == "assigned"][-1] == "denis"
    assert "Назначили 2 заявки" in (await maria.get("/queue")).words


async def test_a_ticket_that_changed_meanwhile_is_left_alone_and_named(desk: Any) -> None:
    one, two = [await desk.mail(f"Касса {n}") for n in range(2)]
    chosen = await ticked(desk, one, two)
    await desk.program.change.comment(two, "Уже еду", "denis", public=True)
    maria = await desk.staff("maria", "lead")
    chosen.append(("t", "NSK-26-999999:1"))
    page = await maria.post("/queue/bulk", *chosen, SURE, action="assign:denis", back="/queue")
    assert page.status == 303
    told = await maria.get(page.leads_to)
    assert "Назначили 1 заявку" in told.words
    assert "2 заявки не тронем:" in told.words
    assert f"{two} — изменилась, пока вы смотрели" in told.words
    assert "NSK-26-999999 — такой заявки нет" in told.words
    assert (await desk.row(one))["assignee_id"] == desk.members["denis"]
    assert (await desk.happened(two))[-1][0] == "public_comment"


ACTIONS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("assign:denis", "assign", {"team": "l2"}, {"team": "l1"}),
    ("assign:none", "assign", {"assignee_id": None}, {}),
    ("group:l2", "group", {"team": "l2"}, {"team": "l1"}),
    ("priority:critical", "priority", {"priority": "critical"}, {"priority": "normal"}),
    ("priority:low", "priority", {"priority": "low"}, {"priority": "normal"}),
    ("spam", "spam", {"status": "rejected"}, {"status": "in_progress"}),
]


@pytest.mark.parametrize("action, verb, after, back", ACTIONS, ids=[case[0] for case in ACTIONS])
async def test_what_nobody_outside_heard_of_can_be_undone(
    desk: Any, action: str, verb: str, after: dict[str, Any], back: dict[str, Any]
) -> None:
    number = await desk.mail("Касса")
    await desk.program.change.assign(number, "maria", assignee="maria")
    maria = await desk.staff("maria", "lead")
    before = await desk.row(number)
    await maria.post("/queue/bulk", *await ticked(desk, number), SURE, action=action, back="/queue")
    row = await desk.row(number)
    assert {name: row[name] for name in after} == after
    page = await maria.get("/queue?status=any")
    undo = page.body.split('action="/queue/bulk/')[1].split('"')[0]
    answer = await maria.post(f"/queue/bulk/{undo}")
    assert answer.status == 303
    row = await desk.row(number)
    assert {name: row[name] for name in back} == back
    if verb == "assign":
        assert row["assignee_id"] == before["assignee_id"]
    assert "Вернули как было: 1 заявка" in (await maria.get("/queue")).words
    assert (await maria.post(f"/queue/bulk/{undo}")).status == 409


async def test_a_ticket_that_changed_since_is_not_undone(desk: Any) -> None:
    one, two = [await desk.mail(f"Касса {n}") for n in range(2)]
    maria = await desk.staff("maria", "lead")
    await maria.post("/queue/bulk", *await ticked(desk, one, two), SURE, action="tag:срочно", back="/queue")
    page = await maria.get("/queue")
    undo = page.body.split('action="/queue/bulk/')[1].split('"')[0]
    await desk.program.change.comment(two, "Еду", "denis", public=False)
    await maria.post(f"/queue/bulk/{undo}")
    assert "Вернули как было 1 заявку, ещё 1 не вышло" in (await maria.get("/queue")).words
    assert (await maria.get("/queue?tag=срочно")).numbers == [two]


async def test_what_authors_were_told_cannot_be_undone(desk: Any) -> None:
    number = await desk.mail("Касса")
    maria = await desk.staff("maria", "lead")
    await maria.post("/queue/bulk", *await ticked(desk, number), SURE, action="status:resolved", back="/queue")
    page = await maria.get("/queue?status=any")
    assert "Состояние изменено у 1 заявки" in page.words
    assert "/undo" not in page.body


async def test_nobody_undoes_what_another_did(desk: Any) -> None:
    number = await desk.mail("Касса")
    maria, denis = await desk.staff("maria", "lead"), await desk.staff("denis", "lead")
    await maria.post("/queue/bulk", *await ticked(desk, number), SURE, action="tag:срочно", back="/queue")
    undo = (await maria.get("/queue")).body.split('action="/queue/bulk/')[1].split('"')[0]
    assert (await denis.post(f"/queue/bulk/{undo}")).status == 409
    assert (await denis.get("/queue?tag=срочно")).numbers == [number]


async def test_spam_is_closed_without_a_word_to_its_author(desk: Any) -> None:
    number = await desk.mail("Купите слона")
    maria = await desk.staff("maria", "lead")
    before = await desk.program.read.ticket(number, "ru")
    forecast = await maria.post("/queue/bulk", *await ticked(desk, number), action="spam", back="/queue")
    assert "Автору ничего не напишем" in forecast.words
    await maria.post("/queue/bulk", *await ticked(desk, number), SURE, action="spam", back="/queue")
    after = await desk.program.read.ticket(number, "ru")
    assert after["status"] == "rejected"
    assert len(after["notifications"]) == len(before["notifications"])
    assert [entry["new"] for entry in after["history"][-2:]] == ["rejected", SPAM]
    assert (await maria.get("/queue")).numbers == []


async def test_a_status_that_needs_words_asks_for_them_and_keeps_the_choice(desk: Any) -> None:
    number = await desk.mail("Касса")
    maria = await desk.staff("maria", "lead")
    chosen = await ticked(desk, number)
    page = await maria.post("/queue/bulk", *chosen, SURE, action="status", value="waiting", back="/queue")
    assert page.status == 422
    assert "Напишите авторам" in page.words
    assert f'value="{chosen[0][1]}"' in page.body
    assert (await desk.row(number))["status"] == "new"
    await maria.post(
        "/queue/bulk", *chosen, SURE, action="status", value="waiting", comment="Какая модель?", back="/queue"
    )
    assert (await desk.row(number))["status"] == "waiting"
    assert (await desk.program.read.ticket(number, "ru"))["messages"][-1]["text"] == "Какая модель?"


@pytest.mark.parametrize("verb", ["assign", "group", "status", "priority", "tag", "untag", "snooze"])
async def test_a_verb_without_its_value_asks_for_it(desk: Any, verb: str) -> None:
    number = await desk.mail("Касса")
    maria = await desk.staff("maria", "lead")
    page = await maria.post("/queue/bulk", *await ticked(desk, number), action=verb, back="/queue")
    assert page.status == 200
    assert 'name="value"' in page.body
    assert 'name="sure"' not in page.body


NONSENSE = [
    "", "x", "drop:tables", "status:nonsense", "assign:somebody", "group:nothing", "priority:huge", "snooze:yesterday",
    "snooze:0001-01-01T00:00", "tag:" + "x" * 100, "tag:###", "untag:нет", "wake",
]  # fmt: skip


@pytest.mark.parametrize("action", NONSENSE)
async def test_nonsense_changes_nothing_and_breaks_nothing(desk: Any, action: str) -> None:
    number = await desk.mail("Касса")
    before = await desk.row(number)
    maria = await desk.staff("maria", "lead")
    for sent in ((), (SURE,)):
        page = await maria.post("/queue/bulk", *await ticked(desk, number), *sent, action=action, back="//evil.example")
        assert page.status in (200, 303), page.words
        assert "evil" not in page.leads_to
    assert (await desk.row(number))["version"] == before["version"]


async def test_without_a_tick_it_says_so(desk: Any) -> None:
    maria = await desk.staff("maria", "lead")
    for form in ([], [("t", "x")], [("t", ":1")], [("t", "NSK-26-000001:x")]):
        page = await maria.post("/queue/bulk", *form, action="spam", back="/queue")
        assert (page.status, page.leads_to) == (303, "/queue")
    assert "Сначала отметьте заявки" in (await maria.get("/queue")).words


async def test_an_agent_acts_on_one_ticket_a_lead_on_many(desk: Any) -> None:
    one, two = [await desk.mail(f"Касса {n}") for n in range(2)]
    agent = await desk.staff("denis", "agent")
    answer = await agent.post("/queue/bulk", *await ticked(desk, one, two), SURE, action="assign:denis", back="/queue")
    assert answer.status == 403
    assert (await desk.row(one))["assignee_id"] != desk.members["denis"]
    answer = await agent.post("/queue/bulk", *await ticked(desk, one), SURE, action="assign:me", back="/queue")
    assert answer.status == 303
    assert (await desk.row(one))["assignee_id"] == desk.members["denis"]


async def test_a_form_of_another_session_is_refused(desk: Any) -> None:
    number = await desk.mail("Касса")
    maria = await desk.staff("maria", "lead")
    maria.csrf = (await desk.staff("denis", "lead")).csrf
    answer = await maria.post("/queue/bulk", *await ticked(desk, number), SURE, action="spam", back="/queue")
    assert answer.status == 403
    assert (await desk.row(number))["status"] == "new"


async def noted(desk: Any) -> list[tuple[str, str, str]]:
    """Who did what to which thing, the oldest first."""
    rows = await desk.program.opened.read(lambda c: audit.listing(c, Filter(who="staff:maria")))
    return [(row["who"], row["action"], row["object"]) for row in reversed(rows)]


@pytest.mark.parametrize("action, name", [
    ("assign:denis", "ticket.assigned"),
    ("group:l2", "ticket.assigned"),
    ("status:in_progress", "ticket.status_changed"),
    ("priority:high", "ticket.classified"),
    ("tag:касса", "ticket.tagged"),
    ("snooze:tomorrow", "ticket.snoozed"),
    ("spam:", "ticket.made_spam"),
])  # fmt: skip
async def test_each_ticket_has_its_entry_in_the_audit_log(desk: Any, action: str, name: str) -> None:
    one, two = [await desk.mail(f"Касса {n}") for n in range(2)]
    maria = await desk.staff("maria", "lead")
    chosen = [*await ticked(desk, one, two), ("t", "NSK-26-999999:1")]
    await maria.post("/queue/bulk", *chosen, SURE, action=action, back="/queue")
    assert await noted(desk) == [("staff:maria", name, one), ("staff:maria", name, two)], (
        "and none of what was not done"
    )
    rows = await desk.program.opened.read(lambda c: audit.listing(c, Filter(object=one)))
    assert set(rows[0]["detail"]) == ({"value", "bulk"} if action.partition(":")[2] else {"bulk"})


async def test_what_is_taken_back_stands_in_the_audit_log_too(desk: Any) -> None:
    number = await desk.mail("Касса")
    maria = await desk.staff("maria", "lead")
    await maria.post("/queue/bulk", *await ticked(desk, number), SURE, action="tag:касса", back="/queue")
    await maria.post("/queue/bulk", *await ticked(desk, number), SURE, action="untag:касса", back="/queue")
    page = await maria.get("/queue")
    undo = re.search(r'action="(/queue/bulk/[0-9a-f]+/undo)"', page.body)
    assert undo
    await maria.post(undo.group(1))
    assert [action for _, action, _ in await noted(desk)] == [
        "ticket.tagged", "ticket.untagged", "ticket.action_undone",
    ]  # fmt: skip
