"""One program and one Chromium for all stories; every story has windows of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tickets.role import Role

from .desk import PATIENCE, Desk

SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
HEIGHTS = {1440: 900, 390: 844}

Window = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """The running program; stories share it and keep to tickets of their own."""
    running = Desk(tmp_path_factory.mktemp("desk"))
    try:
        await running.open()
        yield running
    finally:
        await running.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "run `make browser`"
    expect.set_options(timeout=PATIENCE * 1000)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield started
        await started.close()


@pytest.fixture(params=[1440, 390])
def width(request: pytest.FixtureRequest) -> int:
    """Of the window: a desk and a telephone."""
    return int(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def window(browser: Browser, desk: Desk) -> AsyncIterator[Window]:
    """`await window(width, Role.LEAD)`: a page of somebody's own browser; without a role of somebody unknown.

    In the end nothing must have gone wrong in any of them: no error of a script, nothing the policy had to refuse.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    async def open_window(width: int = 1440, role: Role | None = None, scheme: str = "light") -> Page:
        context = await browser.new_context(
            base_url=desk.base,
            viewport={"width": width, "height": HEIGHTS[width]},
            color_scheme="dark" if scheme == "dark" else "light",
            locale="ru-RU",
        )
        contexts.append(context)
        if role is not None:
            await context.add_cookies([{"name": "otklik", "value": await desk.cookie(role), "url": desk.base}])
        page = await context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        return page

    yield open_window
    for context in contexts:
        await context.close()
    assert wrong == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture on somebody's disk."""
    path = tmp_path / "photo_E17.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    return path
