"""What the staff do in a browser: log in, answer, put right what went wrong, work on many tickets at once."""

from __future__ import annotations

import asyncio
import time

import pyotp
import pytest
from playwright.async_api import Page, Route, expect

from desk.accounts import NewUser
from desk.change import Actor
from tests.eventually import eventually
from tickets.role import Role

from .conftest import Window
from .desk import PASSWORD, Desk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]


async def log_in(page: Page, login: str) -> None:
    """Name and password on the login page."""
    await page.goto("/login")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")


async def tick(page: Page, number: str) -> None:
    """Tick a ticket in the queue."""
    await page.check(f"#t-{number} input[data-tick]", force=True)


async def test_a_second_factor_is_set_up_and_asked_for(desk: Desk, window: Window, width: int) -> None:
    login = f"second{width}"
    await desk.accounts.create(NewUser(login, Role.AGENT, language="ru", password=PASSWORD), Actor("cli:root"))
    page = await window(width)
    await log_in(page, login)
    await page.wait_for_url("**/queue*")
    await page.goto("/account/second-factor")
    totp = pyotp.TOTP((await page.locator("main code").inner_text()).replace(" ", ""))
    # codes of the neighbouring steps hold too, and no code holds twice
    await page.fill("#code", totp.at(int(time.time()) - 30))
    await page.click("main button.main")
    await expect(page.locator(".recovery-codes code").first).to_be_visible()

    page = await window(width)
    await log_in(page, login)
    await page.fill("#code", totp.now())
    await page.click("main button.main")
    await page.wait_for_url("**/queue*")


async def test_a_ticket_is_answered_with_a_preview_commented_and_moved_on(
    desk: Desk, window: Window, width: int
) -> None:
    address = f"staff{width}@sibtrans.example"
    number = (await desk.mail(f"Терминал перезагружается {width}", sender=address)).number
    page = await window(width, Role.AGENT)
    await page.goto("/queue?order=updated")
    await page.click(f"#t-{number} a.row-link")
    await expect(page.locator("h1")).to_have_text(f"Терминал перезагружается {width}")

    await page.fill("#text", "Добрый день! Выезжаем к 15:00.")
    await expect(page.locator("#preview .preview-text")).to_contain_text("Выезжаем к 15:00")
    await page.click("#composer .main[data-key=send]")
    await expect(page.locator("#conversation .message").last).to_contain_text("Выезжаем к 15:00")
    await desk.letter(address, "Выезжаем к 15:00")

    await page.click("#composer [data-key=comment]")
    await expect(page.locator("#composer")).to_have_attribute("data-mode", "comment")
    await page.fill("#text", "Взять запасной терминал со склада.")
    await page.click("#composer [data-key=send]")
    await expect(page.locator("#conversation .message").last).to_contain_text("запасной терминал")

    await page.click("#fact-status summary >> nth=0")
    await page.click("#fact-status button[value=in_progress]")
    await expect(page.locator("#fact-status summary").first).to_contain_text("В работе")
    assert (await desk.ticket(number))["status"] == "in_progress"
    assert not [mail for mail in desk.relay.to(address) if "запасной" in mail.raw.decode("utf-8", "replace")]


async def test_what_was_not_understood_is_replayed(desk: Desk, window: Window, width: int) -> None:
    await desk.unreadable(f"Заявка на картридж {width}")
    page = await window(width, Role.LEAD)
    await page.goto("/quarantine")
    await page.locator("a.entry").first.click()
    await expect(page.locator("article h2")).to_have_text(f"Заявка на картридж {width}")
    await page.click("form[action$='/replay'] button")
    await page.wait_for_url("**/tickets/DEMO-*")
    await expect(page.locator("h1")).to_have_text(f"Заявка на картридж {width}")


async def test_a_refused_delivery_is_retried(desk: Desk, window: Window, width: int) -> None:
    address = f"refused{width}@sibtrans.example"
    desk.relay.script(["554 5.7.1 Message refused"], to=address)
    number = (await desk.mail(f"Весы врут {width}", sender=address)).number

    async def refused() -> bool:
        return "failed" in await desk.delivery_states(number)

    await eventually(refused)
    page = await window(width, Role.LEAD)
    await page.goto(f"/deliveries?ticket={number}")
    await page.click("form[action*='/retry'] button")
    await desk.letter(address, number)

    async def arrived() -> bool:
        return "sent" in await desk.delivery_states(number)

    await eventually(arrived)
    await page.goto(f"/tickets/{number}")
    await expect(page.locator("#notifications")).to_contain_text("отправлено")


async def test_a_ticket_is_opened_for_somebody_who_called(desk: Desk, window: Window, width: int) -> None:
    await desk.mail(f"Раньше {width}", sender="caller@sibtrans.example", name="Олег Громов")
    page = await window(width, Role.AGENT)
    await page.goto("/queue")
    await page.click("a.new-ticket")
    await page.fill("#contact", "caller@sibtrans.example")
    await expect(page.locator("#known")).to_contain_text("Олег Громов")
    await page.fill("#subject", f"Звонили: не открывается смена {width}")
    await page.fill("#new-ticket #text", "Касса № 2, смена не открывается с утра.")
    await page.click("#new-ticket button.main")
    await expect(page.locator("h1")).to_have_text(f"Звонили: не открывается смена {width}")
    await expect(page.locator("#fact-contact")).to_contain_text("Олег Громов")


async def test_several_tickets_are_moved_at_once_and_back(desk: Desk, window: Window, width: int) -> None:
    numbers = [(await desk.mail(f"Пачка {width}, {n}")).number for n in range(3)]

    async def assignees() -> list[object]:
        return [(await desk.ticket(number))["assignee"] for number in numbers]

    before = await assignees()
    page = await window(width, Role.LEAD)
    await page.goto("/queue?order=updated")
    for number in numbers[:2]:
        await tick(page, number)
    await expect(page.locator("[data-bulk-words]")).to_contain_text("2")
    await page.click("#bulk details[data-key=a] > summary")
    await page.click("#bulk button[value='assign:me']")
    await page.click(".q-plan button.main")
    await page.wait_for_url("**/queue*")
    await expect(page.locator(".toast")).to_be_visible()
    assert await assignees() == ["a.sokolova", "a.sokolova", before[2]]
    await page.click(".toast button")
    await page.wait_for_url("**/queue*")
    await expect(page.locator(".toast")).to_contain_text("Вернули")
    assert await assignees() == before


async def test_a_ticket_is_found_by_its_words(desk: Desk, window: Window, width: int) -> None:
    number = (await desk.mail(f"Табло {width}", "Погас эквайринговый пинпад у третьего окна.")).number
    page = await window(width, Role.AGENT)

    async def found() -> bool:
        await page.goto("/queue")
        if width == 390:
            await page.goto("/search")
        await page.fill(
            "#search" if await page.locator("#search").is_visible() else "main input[name=q]", "пинпады окна"
        )
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        return await page.locator(f"#t-{number}").count() > 0

    await eventually(found)
    await expect(page.locator(f"#t-{number} mark").first).to_be_visible()


async def test_the_queue_says_what_came_in_the_meantime(desk: Desk, window: Window, width: int) -> None:
    page = await window(width, Role.AGENT)
    await page.goto("/queue?order=updated")
    await expect(page.locator("[data-live]:not(.off)")).to_be_attached()
    number = (await desk.mail(f"Только что {width}")).number
    await expect(page.locator("#fresh")).to_contain_text("1 новая")
    await page.keyboard.press(".")
    await expect(page.locator(f"#t-{number}")).to_be_visible()


async def test_what_came_before_the_stream_began_is_told_too(desk: Desk, window: Window, width: int) -> None:
    other = await window(width, Role.AGENT)
    await other.goto("/queue?order=updated")
    await expect(other.locator("[data-live]:not(.off)")).to_be_attached()
    page = await window(width, Role.AGENT)
    told = asyncio.Event()

    async def hold(route: Route) -> None:
        await told.wait()
        await route.continue_()

    await page.route("**/live*", hold)
    await page.goto("/queue?order=updated")
    await desk.mail(f"Ещё до новостей {width}")
    await expect(other.locator("#fresh")).to_contain_text("1 новая")
    told.set()
    await expect(page.locator("#fresh")).to_contain_text("1 новая")
