"""The keyboard alone is enough."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from desk.accounts import NewUser
from desk.change import Actor
from tickets.role import Role

from .conftest import Window
from .desk import PASSWORD, Desk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]


async def tab_to(page: Page, selector: str, *, most: int = 40) -> None:
    """Press Tab until something is focused; everything on the way shows where the focus is."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        seen = await page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e); "
            "return e === document.body || s.outlineStyle !== 'none' || s.boxShadow !== 'none' "
            "|| e.matches('input[type=file]') || e.closest('label, iframe') !== null }"
        )
        assert seen, await page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if await page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"no way to {selector} by Tab")


async def test_a_form_is_sent_without_a_mouse(desk: Desk, window: Window) -> None:
    page = await window(1440)
    await page.goto("/form/support")
    await page.locator("[data-proof] .proof-mark:not([hidden])").wait_for(state="attached")
    await tab_to(page, "input[type=radio]")
    await page.keyboard.press("Space")
    for field, text in [
        ("#field-what", "Не включается касса"), ("#field-name", "Ирина"), ("#field-email", "keys@sibtrans.example"),
    ]:  # fmt: skip
        await tab_to(page, field)
        await page.keyboard.insert_text(text)
    await tab_to(page, "#field-consent")
    await page.keyboard.press("Space")
    await tab_to(page, "button.main")
    await page.keyboard.press("Enter")
    await expect(page.locator(".ticket-number")).to_be_visible()


async def test_one_logs_in_without_a_mouse(desk: Desk, window: Window) -> None:
    await desk.accounts.create(NewUser("keys", Role.AGENT, language="ru", password=PASSWORD), Actor("cli:root"))
    page = await window(1440)
    await page.goto("/login")
    await tab_to(page, "#login")
    await page.keyboard.insert_text("keys")
    await tab_to(page, "#password")
    await page.keyboard.insert_text(PASSWORD)
    await tab_to(page, "button.main")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/queue*")


async def test_a_ticket_is_found_opened_and_answered_by_keys(desk: Desk, window: Window) -> None:
    numbers = [(await desk.mail(f"Клавиши {n}", sender="keys2@sibtrans.example")).number for n in range(3)]
    page = await window(1440, Role.LEAD)
    await page.goto("/queue?order=updated")
    focused = "document.activeElement.closest('tr')?.dataset.number"
    order = await page.locator("tr[data-number]").evaluate_all("rows => rows.map(row => row.dataset.number)")
    await page.keyboard.press("j")
    assert await page.evaluate(focused) == order[0]
    await page.keyboard.press("j")
    assert await page.evaluate(focused) == order[1]
    await page.keyboard.press("k")
    assert await page.evaluate(focused) == order[0]
    assert set(numbers) & set(order)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/tickets/{order[0]}*")

    await page.keyboard.press("r")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.insert_text("Проверьте, пожалуйста, ещё раз.")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#conversation .message").last).to_contain_text("Проверьте, пожалуйста")
    await page.keyboard.press("u")
    await page.wait_for_url("**/queue*")


async def test_the_keys_are_told(window: Window) -> None:
    page = await window(1440, Role.AGENT)
    await page.goto("/queue")
    await page.keyboard.press("Shift+?")
    await expect(page.locator("#keys")).to_be_visible()
    await expect(page.locator("#keys h2")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#keys")).to_be_hidden()
