"""The page of the demonstration, played through."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from .conftest import Window
from .desk import Desk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_relay_breaks_and_nothing_is_lost(desk: Desk, window: Window, width: int) -> None:
    page = await window(width)
    await page.goto("/demo")
    await page.click("header button")
    mails = page.locator(".demo-mail")
    try:
        await page.click("#move-write")
        await expect(mails).to_have_count(1)
        await page.click("#move-relay")
        await expect(page.locator(".demo-stages .bad")).to_be_visible()
        await page.click("#move-answer")
        await expect(page.locator("#move-answer").locator("xpath=ancestor::li")).to_have_class("done")
        await expect(page.locator(".demo-waits")).to_be_visible()
        await expect(mails).to_have_count(1)
    finally:
        await page.click("#move-relay")
    await expect(page.locator(".demo-mail:has-text('Приняли, смотрим')")).to_be_visible()
    await page.click("#move-solve")
    await expect(page.locator(".demo-mail:has-text('Заменили узел')")).to_be_visible()
