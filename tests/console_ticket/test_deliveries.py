"""The page of deliveries: what did not arrive and why, and what a person does about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from storage.tables_outbox import attempts, deliveries


async def told(console: Any, **mail: Any) -> tuple[str, dict[str, Any]]:
    """A new ticket, and the delivery of its acknowledgement."""
    accepted = await console.mail(**mail)
    view = await console.ticket(accepted.number)
    (way,) = next(n for n in view["notifications"] if n["event"] == "received")["deliveries"]
    return accepted.number, way


async def ended(
    console: Any, way: dict[str, Any], state: str, code: str = "", outcome: str = "", reason: str = ""
) -> None:
    """A delivery that came to this."""
    now = console.clock.now()

    def unit(connection: Any) -> None:
        key = UUID(way["id"])
        tries = 1 if outcome else 0
        connection.execute(
            update(deliveries).where(deliveries.c.id == key).values(state=state, reason=reason, tries=tries)
        )
        if outcome:
            connection.execute(
                insert(attempts).values(
                    delivery_id=key, number=1, provider="local", started_at=now, ended_at=now + timedelta(seconds=1),
                    outcome=outcome, code=code, detail="<b>no</b> such user", provider_id="", cost="",
                    exchange="RCPT: 550",
                )
            )  # fmt: skip

    await console.program.opened.write(unit)


@pytest.mark.parametrize(
    "state, code, outcome, reason, words, action",
    [
        ("failed", "421 4.3.2", "temporary", "out_of_tries", "сервер просит подождать", "Повторить"),
        ("failed", "550 5.1.1", "permanent", "refused", "такого ящика нет", "Исправить адрес"),
        ("unknown", "", "unknown", "lost_in_crash", "ответ потерян при сбое", "Решить"),
        ("expired", "", "", "horizon", "время вышло", "Повторить"),
    ],
)
async def test_what_is_offered_depends_on_the_reason(
    console: Any, state: str, code: str, outcome: str, reason: str, words: str, action: str
) -> None:
    number, way = await told(console)
    await ended(console, way, state, code, outcome, reason)
    browser = await console.browser()
    page = await browser.get("/deliveries")
    assert page.status == 200
    assert number in page.text
    assert words in page.text
    assert action in page.text
    opened = await browser.get(f"/deliveries?open={way['id']}")
    assert "<b>no</b> such user" in opened.text or not outcome, "the provider's words are text"
    assert "<b>no</b>" not in opened.html
    auditor = await console.browser("x.y", "auditor")
    seen = await auditor.get("/deliveries")
    assert "irina@sibtrans.example" not in (seen.text + (await auditor.get(f"/deliveries/{way['id']}")).text)
    assert action not in seen.text or action == "Решить"
    assert (await auditor.post(f"/deliveries/{way['id']}/retry", at="/account")).status == 403


async def test_a_retry_queues_it_again_and_only_once(console: Any) -> None:
    _, way = await told(console)
    await ended(console, way, "failed", "421 4.3.2", "temporary", "out_of_tries")
    browser = await console.browser()
    first = await browser.post(f"/deliveries/{way['id']}/retry", at="/deliveries")
    second = await browser.post(f"/deliveries/{way['id']}/retry", at="/account")
    assert first.status == 303
    assert second.status in (303, 409)
    assert (await browser.get(f"/deliveries/{way['id']}")).text.count("в очереди") >= 1
    assert [e["action"] for e in await console.logged(object=way["id"])].count("delivery.retried") == 1


async def test_a_corrected_address_gets_the_message_and_is_kept(console: Any) -> None:
    number, way = await told(console)
    await ended(console, way, "failed", "550 5.1.1", "permanent", "refused")
    browser = await console.browser()
    here = f"/deliveries/{way['id']}"
    for wrong in ("nobody", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example"):
        assert (await browser.post(f"{here}/address", at=here, address=wrong)).status == 409, wrong
    assert (await browser.post(f"{here}/address", at=here, address="irina.p@sibtrans.example")).status == 303
    view = await console.ticket(number)
    (way,) = next(n for n in view["notifications"] if n["event"] == "received")["deliveries"]
    assert (way["address"], way["state"]) == ("irina.p@sibtrans.example", "queued")
    assert "irina.p@sibtrans.example" in [a["value"] for a in view["contact"]["addresses"]]


@pytest.mark.parametrize("answer, state", [("sent", "sent"), ("failed", "failed"), ("queued", "queued")])
async def test_what_is_unknown_is_settled_by_a_person(console: Any, answer: str, state: str) -> None:
    number, way = await told(console)
    await ended(console, way, "unknown", "", "unknown", "lost_in_crash")
    browser = await console.browser()
    assert (await browser.post(f"/deliveries/{way['id']}/settle", at="/deliveries", state=answer)).status == 303
    view = await console.ticket(number)
    assert next(n for n in view["notifications"] if n["event"] == "received")["state"] == state


async def test_several_are_retried_after_saying_what_will_happen(console: Any) -> None:
    ways = [(await told(console, sender=f"p{n}@sibtrans.example"))[1] for n in range(3)]
    for way in ways[:2]:
        await ended(console, way, "failed", "421 4.3.2", "temporary", "out_of_tries")
    browser = await console.browser()
    page = await browser.get("/deliveries")
    form = [("csrf", page.field("csrf")), ("back", "/deliveries"), *(("delivery", way["id"]) for way in ways)]
    forecast = await browser.ask("POST", "/deliveries/bulk", data=form)
    assert forecast.status == 200
    assert "Повторить 3?" in forecast.words
    assert "1 уже в пути или дошла" in forecast.words
    assert (await console.told((await browser.get("/deliveries")).field("csrf") and "OTK-26-000001"))[0][2] == "failed"
    done = await browser.ask("POST", "/deliveries/bulk", data=[*form, ("do", "retry")])
    assert done.status == 303
    page = await browser.get("/deliveries")
    assert "Отправляем снова: 2, оставили как есть: 1" in page.words


@pytest.mark.parametrize(
    "query", ["tab=x", "before=x", "open=x", "ticket=%00", "channel='--", "person=%25", "tab=all&ticket=no"]
)
async def test_a_strange_address_is_still_a_page(console: Any, query: str) -> None:
    await told(console)
    browser = await console.browser()
    assert (await browser.get(f"/deliveries?{query}")).status in (200, 400)


async def test_the_providers_tell_how_they_fare(console: Any) -> None:
    browser = await console.browser()
    page = await browser.get("/deliveries")
    assert "local" in page.text
    assert "Ещё ничего не отправляли" in page.text
    _, way = await told(console)
    await ended(console, way, "sent", "250", "accepted")
    assert "Работает" in (await browser.get("/deliveries")).text
