"""What mail brings to the pages of staff, at a desk and on a telephone: held spam, bounces, doubtful senders."""

from __future__ import annotations

import email
import email.policy
import sqlite3
from email.message import EmailMessage, Message
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.eventually import eventually
from tickets.role import Role

from .conftest import Window
from .desk import Desk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]


def bounce_of(original: bytes, address: str) -> bytes:
    """A delivery status notification (RFC 3464) about a mail of ours."""
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"] = "MAILER-DAEMON@sibtrans.example", "support@otklik.example"
    mail["Subject"], mail["Auto-Submitted"] = "Undelivered Mail Returned to Sender", "auto-replied"
    mail.set_content("The mailbox does not exist.")
    mail.make_mixed()
    status = Message()
    status["Content-Type"] = "message/delivery-status"
    first, second = Message(), Message()
    first["Reporting-MTA"] = "dns; mx.sibtrans.example"
    second["Final-Recipient"], second["Action"], second["Status"] = f"rfc822; {address}", "failed", "5.1.1"
    status.set_payload([first, second])
    mail.attach(status)
    mail.attach(email.message_from_bytes(b"Content-Type: message/rfc822\r\n\r\n" + original))
    mail.set_param("report-type", "delivery-status")
    return mail.as_bytes().replace(b"multipart/mixed", b"multipart/report", 1)


async def in_the_window(page: Page, selector: str) -> None:
    """Whether everything of this kind lies within the width of the window and of what holds it."""
    wrong = await page.evaluate(
        "s => [...document.querySelectorAll(s)].filter(e => { const b = e.getBoundingClientRect(), "
        "c = e.closest('.card').getBoundingClientRect(); "
        "return b.left < c.left || b.right > c.right || b.right > innerWidth }).map(e => e.textContent.trim())",
        selector,
    )
    assert wrong == []


async def test_held_spam_can_be_judged_at_every_width_without_a_mouse(desk: Desk, window: Window, width: int) -> None:
    subject = f"Выиграли приз {width}"
    await desk.spam(subject, f"eva{width}@lottery.example")
    page = await window(width, Role.LEAD)
    await page.goto("/spam")
    row = page.locator("tr", has_text=subject)
    await expect(row).to_contain_text("Лотерея")
    await in_the_window(page, "tr .actions button")
    assert await page.locator("main .button.main").count() == 0, "no row is louder than the others"
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await row.get_by_role("button", name="Не спам").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text(subject)


async def test_held_spam_is_counted_beside_its_own_section(desk: Desk, window: Window) -> None:
    await desk.spam("Ещё приз", "eva.counts@lottery.example")
    page = await window(1440, Role.LEAD)
    await page.goto("/spam")
    await expect(page.locator(".sections a[aria-current] .count")).not_to_be_empty()


async def test_a_bounce_is_told_in_words_that_read_on(desk: Desk, window: Window, width: int) -> None:
    address = f"gone{width}@sibtrans.example"
    number = (await desk.mail("Не включается касса", sender=address)).number
    await desk.program.change.comment(number, "Мастер выезжает", "d.volkov", public=True)
    await desk.letter(address, "Мастер выезжает")
    original = next(m.raw for m in reversed(desk.relay.to(address)))
    await desk.mail("", raw=bounce_of(original, address))

    async def failed() -> bool:
        return "failed" in await desk.delivery_states(number)

    await eventually(failed)
    page = await window(width, Role.LEAD)
    await page.goto(f"/tickets/{number}")
    history = page.locator("#history, .history").first
    told = (await history.inner_text()).replace("\u00a0", " ")
    assert f"письмо вернулось от «{address}»" in told
    await expect(page.locator("main")).to_contain_text("не доставлено")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_what_was_typed_outlives_a_database_that_takes_nothing(desk: Desk, window: Window) -> None:
    number = (await desk.mail("Не печатает касса", sender="typed@sibtrans.example")).number
    page = await window(1440, Role.AGENT)
    await page.goto(f"/tickets/{number}?mode=reply")
    other = sqlite3.connect(desk.folder / "otklik.sqlite", isolation_level=None)
    text = "Мастер приедет в среду утром.\nПозвоните, если неудобно."
    try:
        other.execute("BEGIN IMMEDIATE")
        await page.locator("#text").fill(text)
        async with page.expect_navigation(timeout=60_000):
            await page.locator("#composer button.main").click()
        await expect(page.locator(".error-page")).to_be_visible()
        assert "503" in await page.locator("main").inner_text()
    finally:
        other.execute("ROLLBACK")
        other.close()
    await page.goto(f"/tickets/{number}?mode=reply")
    await expect(page.locator("#text")).to_have_value(text)
    view: Any = await desk.ticket(number)
    assert [m["direction"] for m in view["messages"]] == ["in"], "nothing of it was sent"
    await page.locator("#composer button.main").click()
    await expect(page.locator(".message.out")).to_contain_text("Мастер приедет в среду утром.")
    await expect(page.locator("#text")).to_have_value("")
