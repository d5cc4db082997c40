"""The sheets of parts in a real browser: accessible, never wider than the window, and usable by keys."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from jinja2 import FileSystemLoader, PrefixLoader
from playwright.async_api import Browser, Page, async_playwright

from desk.site import Site
from web.look.page import Look
from web.look.reader import VISITOR

from .conftest import StoppedClock, visitor
from .sheet import FACTS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
AXE = ROOT / "build/npm/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """Where the sheets are served, the staff's to somebody who is logged in."""
    look = Look(Site(name="Сервисный центр «Гарант-Сервис»", zone="Asia/Novosibirsk"), StoppedClock())
    loader = look._templates.loader
    assert isinstance(loader, PrefixLoader)
    look._templates.loader = PrefixLoader({**loader.mapping, "sheet": FileSystemLoader(Path(__file__).parent)})

    async def staff(request: web.Request) -> web.Response:
        request[VISITOR] = visitor(language=request.query.get("in", "ru"))
        return look.render(request, "sheet/sheet.html.j2", **FACTS)

    async def public(request: web.Request) -> web.Response:
        return look.render(request, "sheet/sheet_public.html.j2", **FACTS)

    application = web.Application()
    application.add_routes([web.get("/staff", staff), web.get("/public", public), *look.routes()])
    server = TestServer(application)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=SWITCHES
        )
        yield started
        await started.close()


async def opened(browser: Browser, address: str, width: int = 1440, scheme: str = "light") -> Page:
    """A page in a window of its own; what the policy forbids shows as an error of the console."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light", locale="ru-RU"
    )
    page = await context.new_page()
    page.set_default_timeout(20_000)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    await page.goto(address)
    await page.wait_for_selector("html.scripts")
    assert refused == []
    return page


LOOKED_AT = [
    *((path, width, "light") for path in ("/staff", "/public") for width in (1440, 1024, 768, 390, 320)),
    *((path, width, "dark") for path in ("/staff", "/public") for width in (1440, 390)),
    *((path, width, "light") for path in ("/staff?in=en", "/public?lang=en") for width in (1440, 320)),
]


@pytest.mark.parametrize("path, width, scheme", LOOKED_AT)
async def test_axe_finds_nothing_and_nothing_is_too_wide(
    browser: Browser, base: str, path: str, width: int, scheme: str
) -> None:
    assert AXE.is_file(), "run `make browser`"
    page = await opened(browser, base + path, width, scheme)
    session = await page.context.new_cdp_session(page)
    await session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    found = await page.evaluate("rules => axe.run({runOnly: rules})", RULES)
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


async def test_keys_work_in_the_russian_layout(browser: Browser, base: str) -> None:
    page = await opened(browser, base + "/staff")
    await page.evaluate("document.activeElement.blur()")

    async def press(code: str, key: str, **more: bool) -> None:
        await page.evaluate(
            "([code, key, more]) => document.activeElement.dispatchEvent("
            "new KeyboardEvent('keydown', {code, key, bubbles: true, cancelable: true, ...more}))",
            [code, key, more],
        )

    focused = "document.activeElement.className"
    await press("KeyJ", "о")
    assert await page.evaluate(focused) == "row-link"
    row = "document.activeElement.closest('tr').querySelector('[data-tick]').checked"
    await press("KeyX", "ч")
    assert await page.evaluate(row) is True
    assert await page.text_content("[data-bulk-words]") == "Выбрано 2"
    await press("KeyK", "л")
    await press("Slash", ".")
    assert await page.evaluate("document.activeElement.id") == "search"
    await press("KeyJ", "о")
    assert await page.evaluate("document.activeElement.id") == "search"
    await page.evaluate("document.activeElement.blur()")
    await press("Slash", ",", shiftKey=True)
    assert await page.evaluate("document.getElementById('keys').open") is True


async def test_a_theme_is_chosen_and_stays(browser: Browser, base: str) -> None:
    page = await opened(browser, base + "/staff")
    before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.click(".me > summary")
    async with page.expect_response("**/theme"):
        await page.click("button[value=dark]")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    await page.reload()
    assert await page.get_attribute("html", "data-theme") == "dark"


async def test_what_is_typed_is_there_again(browser: Browser, base: str) -> None:
    page = await opened(browser, base + "/staff")
    await page.fill("#reply", "")
    await page.type("#reply", "Выезжаем")
    await page.wait_for_selector("[data-draft-told]:not([hidden])")
    assert await page.evaluate("JSON.parse(localStorage.getItem('draft:sheet')).text") == "Выезжаем"


async def test_chosen_files_are_listed_and_can_be_left_out(browser: Browser, base: str) -> None:
    page = await opened(browser, base + "/public", 390)
    chosen = [{"name": name, "mimeType": "image/png", "buffer": b"x" * 1800} for name in ("one.png", "два.png")]
    await page.set_input_files("#files", files=chosen)
    rows = page.locator("[data-file-list] li")
    assert await rows.count() == 2
    assert "1,8" in str(await rows.nth(0).text_content())
    await rows.nth(0).locator("button").click()
    assert await rows.count() == 1
    assert "два.png" in str(await rows.nth(0).text_content())


async def test_everything_is_there_without_scripts(browser: Browser, base: str) -> None:
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 900})
    page = await context.new_page()
    await page.goto(base + "/public")
    assert await page.locator("input[type=file]").is_visible()
    await page.goto(base + "/staff")
    assert await page.locator(".bulk").is_visible()
    await page.click(".me > summary")
    await page.click("button[value=dark]")
    assert (await context.cookies())[0]["value"] == "dark"
