"""Merging, splitting and linking: one matter, one conversation, and nobody's mail goes astray."""

from __future__ import annotations

from typing import Any

PETR = "petr@sibtrans.example"
EVA = "eva@romashka.example"


async def two(console: Any, sender: str = "irina@sibtrans.example") -> tuple[Any, Any]:
    """A ticket of Irina's, and one of somebody's."""
    return await console.mail("Касса не работает", subject="Касса"), await console.mail(
        "Касса опять", subject="Касса, второе письмо", sender=sender
    )


async def test_a_merged_ticket_goes_on_as_the_other(console: Any) -> None:
    first, second = await two(console)
    browser = await console.browser()
    here = f"/tickets/{second.number}"
    merged = await browser.post(f"{here}/merge", at=f"{here}/together", other=first.number.lower(), follow="1")
    assert (merged.status, merged.leads_to) == (303, f"/tickets/{first.number}")
    page = await browser.get(f"/tickets/{first.number}")
    assert "Касса опять" in page.text, "its conversation is shown there"
    old = await browser.get(here)
    assert first.number in old.text
    assert 'id="composer"' not in old.html
    assert (await console.ticket(second.number))["status"] == "closed"
    assert [n for n in await console.told(second.number) if n[0] == "merged"] == [("merged", "author", "queued")]
    for to in (console.reply_address(second.ticket_id), console.reply_address(first.ticket_id)):
        assert (await console.mail("И ещё", rcpt_to=(to,))).number == first.number, "later mail finds the living one"
    by_number = await console.mail("Про номер", subject=f"Re: [{second.number}]")
    assert by_number.number == first.number
    assert await console.whole() == []


async def test_later_mail_of_another_author_is_kept_for_staff_and_its_author_hears_answers(console: Any) -> None:
    first, second = await two(console, PETR)
    browser = await console.browser()
    here = f"/tickets/{second.number}"
    await browser.post(f"{here}/merge", at=f"{here}/together", other=first.number, follow="1")
    answer = await console.mail("Это Пётр", sender=PETR, rcpt_to=(console.reply_address(second.ticket_id),))
    assert answer.number == first.number
    assert (await console.ticket(first.number))["messages"][-1]["public"] is False, "Irina is not shown Petr's mail"
    await browser.answer(first.number, "Едем", anyway="yes")
    view = await console.ticket(first.number)
    note = [n for n in view["notifications"] if n["event"] == "public_comment"]
    assert {n["deliveries"][0]["address"] for n in note} == {"irina@sibtrans.example", PETR}


async def test_a_merge_is_undone_without_a_trace_in_the_conversations(console: Any) -> None:
    first, second = await two(console, PETR)
    browser = await console.browser()
    await browser.post(f"/tickets/{second.number}/status", at=f"/tickets/{second.number}", status="in_progress")
    here = f"/tickets/{second.number}"
    await browser.post(f"{here}/merge", at=f"{here}/together", other=first.number, follow="1")
    assert (await browser.post(f"{here}/unmerge", at=here)).status == 303
    view = await console.ticket(second.number)
    assert (view["status"], len(view["messages"])) == ("in_progress", 1)
    assert view["resolve_by"] is not None
    assert "Касса опять" not in (await browser.get(f"/tickets/{first.number}")).text
    assert (await console.mail("Снова", sender=PETR, rcpt_to=(console.reply_address(second.ticket_id),))).number == (
        second.number
    )
    await browser.answer(first.number, "Едем")
    assert all(n[1] != "copy" for n in await console.told(first.number))


async def test_what_was_merged_before_comes_along_and_goes_back(console: Any) -> None:
    first, second = await two(console)
    third = await console.mail("Третье", subject="Третье", sender=EVA)
    browser = await console.browser()
    for one, into in ((third, second), (second, first)):
        await browser.post(
            f"/tickets/{one.number}/merge", at=f"/tickets/{one.number}/together", other=into.number, follow=""
        )
    assert "Третье" in (await browser.get(f"/tickets/{first.number}")).text
    await browser.post(f"/tickets/{second.number}/unmerge", at=f"/tickets/{second.number}")
    assert "Третье" not in (await browser.get(f"/tickets/{first.number}")).text
    assert "Третье" in (await browser.get(f"/tickets/{second.number}")).text


async def test_what_left_meanwhile_does_not_go_back(console: Any) -> None:
    first, second = await two(console)
    third = await console.mail("Третье", subject="Третье", sender=EVA)
    browser = await console.browser()
    for one, into in ((third, second), (second, first)):
        here = f"/tickets/{one.number}"
        await browser.post(f"{here}/merge", at=f"{here}/together", other=into.number, follow="")
    for one in (third, second):
        assert (await browser.post(f"/tickets/{one.number}/unmerge", at=f"/tickets/{one.number}")).status == 303
    assert "Третье" not in (await browser.get(f"/tickets/{second.number}")).text
    assert 'id="composer"' in (await browser.get(f"/tickets/{third.number}")).html, "it is a ticket of its own"


async def test_what_makes_no_sense_is_refused_in_words(console: Any) -> None:
    first, second = await two(console)
    browser = await console.browser()
    here = f"/tickets/{second.number}"
    for other, words in (
        (second.number, "та же заявка"),
        ("OTK-26-999999", "Такой заявки нет"),
        ("", "Такой заявки нет"),
    ):
        refused = await browser.post(f"{here}/merge", at=f"{here}/together", other=other)
        assert (refused.status, words in refused.text) == (422, True), other
    missing = await browser.post("/tickets/OTK-26-999999/merge", at=f"{here}/together", other=first.number)
    assert missing.status == 404
    await browser.post(f"{here}/merge", at=f"{here}/together", other=first.number)
    circle = await browser.post(
        f"/tickets/{first.number}/merge", at=f"/tickets/{first.number}/together", other=second.number
    )
    assert circle.status == 422
    assert await console.whole() == []


async def test_chosen_messages_become_a_linked_ticket(console: Any) -> None:
    first = await console.mail("Касса не работает", subject="Касса")
    to = (console.reply_address(first.ticket_id),)
    await console.mail("А ещё принтер", sender="irina@sibtrans.example", rcpt_to=to)
    browser = await console.browser()
    view = await console.ticket(first.number)
    here = f"/tickets/{first.number}/split"
    assert (await browser.post(here, at=here, subject="Принтер")).status == 422
    split = await browser.post(here, at=here, subject="Принтер", message=view["messages"][1]["id"], tell="1")
    assert split.status == 303
    number = split.leads_to.rpartition("/")[2]
    new, old = await console.ticket(number), await console.ticket(first.number)
    assert ([m["text"].strip() for m in new["messages"]], len(old["messages"])) == (["А ещё принтер"], 1)
    assert (new["subject"], new["status"], new["contact"]) == ("Принтер", "new", old["contact"])
    assert new["resolve_by"] is not None
    assert await console.told(number) == [("received", "author", "queued")]
    for page in (number, first.number):
        text = (await browser.get(f"/tickets/{page}")).text
        assert (number in text, first.number in text) == (True, True)
    last = await browser.post(here, at=here, subject="Всё", message=old["messages"][0]["id"])
    assert last.status == 422
    assert await console.whole() == []


async def test_tickets_are_linked_and_unlinked(console: Any) -> None:
    first, second = await two(console)
    browser = await console.browser()
    here = f"/tickets/{second.number}"
    linked = await browser.post(f"{here}/links", at=f"{here}/together", other=first.number, kind="duplicate")
    assert linked.status == 303
    assert "дубль" in (await browser.get(here)).text
    assert "есть дубль" in (await browser.get(f"/tickets/{first.number}")).text
    page = await browser.get(here)
    key = page.html.partition(f"{here}/links/")[2][:32]
    assert (await browser.post(f"{here}/links/{key}/drop", at=here)).status == 303
    assert "есть дубль" not in (await browser.get(f"/tickets/{first.number}")).text


async def test_a_ticket_is_made_for_a_caller(console: Any) -> None:
    browser = await console.browser()
    form = {
        "channel": "phone", "contact": "8 (913) 000-00-07", "name": "Пётр <b>", "subject": "Касса",
        "text": "Не включается", "impact": "high", "urgency": "high",
    }  # fmt: skip
    made = await browser.post("/tickets/new", at="/tickets/new", **form)
    assert made.status == 303
    view = await console.ticket(made.leads_to.rpartition("/")[2])
    assert (view["channel"], view["priority"], view["contact"]["addresses"][0]["value"]) == (
        "phone", "critical", "+79130000007",
    )  # fmt: skip
    known = await browser.get("/tickets/new/known?contact=%2B79130000007")
    assert (view["number"] in known.text, "Пётр <b>" in known.text, "<b>" in known.html.partition("Пётр")[2][:8]) == (
        True, True, False,
    )  # fmt: skip
    assert view["history"][0]["by"] == "staff:a.lebedeva"


async def test_the_form_of_a_call_sent_twice_is_one_ticket(console: Any) -> None:
    browser = await console.browser()
    page = await browser.get("/tickets/new")
    form = {
        "csrf": page.field("csrf"), "nonce": page.field("nonce"), "channel": "phone", "contact": "pavel@x.example",
        "subject": "Касса", "text": "Не включается",
    }  # fmt: skip
    first = await browser.ask("POST", "/tickets/new", data=form)
    second = await browser.ask("POST", "/tickets/new", data=form)
    assert first.leads_to == second.leads_to != ""
    assert await console.told(first.leads_to.rpartition("/")[2]) != []
    other = await browser.ask("POST", "/tickets/new", data=form | {"text": "Другое"})
    assert other.status == 422
    for missing in ("contact", "subject", "text"):
        refused = await browser.post("/tickets/new", at="/tickets/new", **{**_plain(form), missing: " "})
        assert refused.status == 422, missing


def _plain(form: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if name not in ("csrf", "nonce")}
