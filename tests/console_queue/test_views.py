"""Saved views: one's own, those leads give to everybody, and what came while somebody was away."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from storage import audit
from storage.audit import Filter
from storage.tables_accounts import sessions as session_rows


async def saved(browser: Any, name: str, query: str = "centre=nsk", **more: str) -> str:
    """Save a view; returns where it is shown."""
    page = await browser.post("/queue/views", query=query, name=name, **more)
    assert page.status == 303, page.words
    return str(page.leads_to)


async def test_a_view_is_saved_under_a_name_and_shown_with_its_count(desk: Any) -> None:
    await desk.mail("Касса")
    maria = await desk.staff("maria")
    changed = await maria.get("/queue?centre=nsk&priority=normal")
    assert 'href="/queue/views/new?centre=nsk&amp;priority=normal"' in changed.body
    form = await maria.get("/queue/views/new?centre=nsk&priority=normal")
    assert form.field("query") == "centre=nsk&priority=normal"
    where = await saved(maria, "  Моё   утро ", form.field("query"))
    page = await maria.get(where)
    assert "Вид «Моё утро» сохранён" in page.words
    assert page.views()["Моё утро"] == "1"
    assert '<h1 dir="auto">Моё утро</h1>' in page.body
    assert "Сохранить вид" not in page.words
    # a further filter makes it another list, which can be saved into the view
    assert "Сохранить вид" in (await maria.get(where + "&assignee=me")).words


async def test_a_view_is_its_owners_unless_a_lead_shares_it(desk: Any) -> None:
    maria, denis = await desk.staff("maria", "lead"), await desk.staff("denis")
    await saved(maria, "Моё")
    where = await saved(maria, "Общее", shared="1")
    assert "Моё" not in (await denis.get("/queue")).views()
    assert "Общее" in (await denis.get("/queue")).views()
    key = where.partition("view=")[2][:32]
    assert (await denis.get(f"/queue/views/{key}")).status == 404
    assert (await denis.post(f"/queue/views/{key}", query="", name="Чужое")).status == 404
    assert (await denis.post(f"/queue/views/{key}/drop")).status == 404
    answer = await denis.post("/queue/views", query="", name="Всем", shared="1")
    assert answer.status == 422
    assert "Давать виды всем могут руководители" in answer.words


async def test_a_view_is_changed_and_dropped(desk: Any) -> None:
    maria = await desk.staff("maria", "lead")
    key = (await saved(maria, "Старое")).partition("view=")[2][:32]
    page = await maria.post(f"/queue/views/{key}", query="centre=brd", name="Новое")
    assert page.leads_to == f"/queue?view={key}&centre=brd"
    assert "Новое" in (await maria.get("/queue")).views()
    assert (await maria.post(f"/queue/views/{key}/drop")).status == 303
    page = await maria.get("/queue")
    assert "Вид «Новое» удалён" in page.words
    assert "Новое" not in page.views()
    assert (await maria.get(f"/queue/views/{key}")).status == 404
    assert (await maria.get(f"/queue?view={key}&centre=brd")).status == 200


@pytest.mark.parametrize("name", ["", "   ", "ж" * 81])
async def test_a_name_that_will_not_do_is_told_and_nothing_is_lost(desk: Any, name: str) -> None:
    maria = await desk.staff("maria")
    page = await maria.post("/queue/views", query="centre=nsk&tag=срочно", name=name)
    assert page.status == 422
    assert page.field("query") == "centre=nsk&tag=%D1%81%D1%80%D0%BE%D1%87%D0%BD%D0%BE"
    assert 'aria-invalid="true"' in page.body


async def test_a_name_is_text_and_nothing_else(desk: Any) -> None:
    maria = await desk.staff("maria", "lead")
    evil = "<script>alert(1)</script>\"'"
    await saved(maria, evil, shared="1")
    page = await (await desk.staff("denis")).get("/queue")
    assert "<script>alert" not in page.body
    assert evil in page.views()


@pytest.mark.parametrize("key", ["x", "0" * 32, "../../x", "%00"])
async def test_a_view_that_never_was_is_not_found(desk: Any, key: str) -> None:
    maria = await desk.staff("maria")
    assert (await maria.get(f"/queue/views/{key}")).status in (400, 404)
    assert (await maria.get(f"/queue?view={key}")).status in (200, 400)


# ---- away ---------------------------------------------------------------------------------------------------------


async def test_what_came_while_one_was_away_is_told_after_the_login(desk: Any) -> None:
    maria = await desk.staff("maria")
    own = await desk.mail("Моя")
    await desk.program.change.assign(own, "denis", assignee="maria")
    await maria.get("/queue")
    desk.clock.move(hours=16)
    await desk.mail("Новая ночью")
    await desk.mail(f"Re: [{own}] Моя", "Есть новости?")
    again = await desk.session_of(maria.user_id)
    page = await again.get("/queue")
    assert "Пока вас не было" in page.words
    assert "1 новая заявка" in page.words
    assert "в 1 вашей ответил автор" in page.words
    # told once one is back, not for the rest of the day
    desk.clock.move(minutes=20)
    assert "Пока вас не было" not in (await again.get("/queue")).words


async def test_a_short_absence_is_not_told_of(desk: Any) -> None:
    maria = await desk.staff("maria")
    await maria.get("/queue")
    await desk.mail("Новая")
    now = desk.clock.now()
    await desk.program.opened.write(lambda c: c.execute(update(session_rows).values(seen_at=now)) and None)
    desk.clock.move(minutes=10)
    assert "Пока вас не было" not in (await (await desk.session_of(maria.user_id)).get("/queue")).words


async def test_who_saved_and_dropped_views_stands_in_the_audit_log(desk: Any) -> None:
    maria = await desk.staff("maria", "lead")
    key = (await saved(maria, "Утро")).partition("view=")[2][:32]
    await maria.post(f"/queue/views/{key}", query="centre=brd", name="Вечер", shared="1")
    await maria.post(f"/queue/views/{key}/drop")
    rows = await desk.program.opened.read(lambda c: audit.listing(c, Filter(object=key)))
    assert [(row["action"], row["detail"]) for row in reversed(rows)] == [
        ("view.saved", {"name": "Утро", "shared": False}),
        ("view.saved", {"name": "Вечер", "shared": True}),
        ("view.dropped", {"name": "Вечер", "shared": True}),
    ]
