"""Whom the author wrote to besides us: offered to staff for copies, and never put there by being named."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from gateway.settings import Settings
from gateway.settings_mailboxes import MailboxSection

OLEG, EVA = "oleg@sibtrans.example", "eva@elsewhere.example"
CC = f'Cc: "Олег <b>Иванов</b>" <{OLEG}>, {EVA}, support@otklik.example\r\n'.replace("\r\n", "")
READ_BY_IMAP = "old-desk@otklik.example"
"""A mailbox of ours that is no centre's."""

OFFER = "Автор писал и этим людям"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a mailbox that is read."""
    mailbox = MailboxSection(address="Old-Desk@otklik.example", password=SecretStr("x"))
    return settings.model_copy(update={"mailbox": {"old": mailbox}})


def offered(page: Any) -> list[str]:
    """Addresses with a button of their own."""
    return [each for each in (OLEG, EVA) if f'name="address" value="{each}"' in page.html]


async def test_they_are_offered_and_get_nothing_before(console: Any) -> None:
    accepted = await console.mail(fields=CC)
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}")
    assert OFFER in page.words
    assert offered(page) == [OLEG, EVA]
    assert 'value="support@otklik.example"' not in page.html
    assert "Олег <b>Иванов</b>" in page.text, "a name is text, and the address stands beside it"
    await browser.answer(accepted.number, "Едем")
    assert not [told for told in await console.told(accepted.number) if told[1] == "copy"]


async def test_one_click_lets_them_have_copies(console: Any) -> None:
    accepted = await console.mail(fields=CC)
    browser = await console.browser()
    here = f"/tickets/{accepted.number}"
    assert (await browser.post(f"{here}/copies", at=here, address=OLEG, name="Олег")).status == 303
    page = await browser.get(here)
    assert offered(page) == [EVA]
    assert OLEG in page.text.partition(OFFER)[0].rpartition("Копии ответов")[2]
    await browser.answer(accepted.number, "Едем")
    assert ("public_comment", "copy", "queued") in await console.told(accepted.number)
    assert (await browser.post(f"{here}/copies/drop", at=here, key=f"email:{OLEG}")).status == 303
    assert offered(await browser.get(here)) == [OLEG, EVA], "who was taken out can be put back"


async def test_a_mail_to_us_alone_offers_nobody(console: Any) -> None:
    accepted = await console.mail()
    assert OFFER not in (await (await console.browser()).get(f"/tickets/{accepted.number}")).words


@pytest.mark.parametrize("ours", [READ_BY_IMAP, READ_BY_IMAP.title(), "support@otklik.example"])
async def test_no_mailbox_of_ours_is_offered(console: Any, ours: str) -> None:
    accepted = await console.mail(fields=f"Cc: {ours}, {EVA}")
    page = await (await console.browser()).get(f"/tickets/{accepted.number}")
    assert offered(page) == [EVA]
    assert f'value="{ours}"' not in page.html


@pytest.mark.parametrize("role", ["auditor"])
async def test_who_may_not_write_is_offered_nothing(console: Any, role: str) -> None:
    accepted = await console.mail(fields=CC)
    page = await (await console.browser("x.y", role)).get(f"/tickets/{accepted.number}")
    assert OFFER not in page.words
    assert OLEG not in page.html


async def test_a_stranger_brings_nobody_to_a_ticket(console: Any) -> None:
    accepted = await console.mail()
    to = (console.reply_address(accepted.ticket_id),)
    other = await console.mail("Я тоже", sender="mallory@x.example", fields=CC, rcpt_to=to)
    assert other.number != accepted.number
    page = await (await console.browser()).get(f"/tickets/{accepted.number}")
    assert offered(page) == []


async def test_an_answer_of_the_author_offers_whom_it_names(console: Any) -> None:
    accepted = await console.mail()
    to = (console.reply_address(accepted.ticket_id),)
    answer = await console.mail("Добавляю коллегу", fields=f"Cc: {EVA}", rcpt_to=to)
    assert answer.number == accepted.number
    assert offered(await (await console.browser()).get(f"/tickets/{accepted.number}")) == [EVA]


async def test_in_english(console: Any) -> None:
    accepted = await console.mail(fields=CC)
    browser = await console.browser("j.carter", language="en")
    assert "The author wrote to these people too." in (await browser.get(f"/tickets/{accepted.number}")).words
