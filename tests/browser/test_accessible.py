"""Every page held to axe (WCAG 2.0 to 2.2, A and AA), light and dark; none is wider than a telephone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.eventually import eventually
from tickets.role import Role
from tickets.status import Status

from .conftest import Window
from .desk import Desk, link_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

AXE = Path(__file__).parents[2] / "build/npm/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]

PUBLIC = ["/form", "/form/support", "/form/support/consent", "/my", "/login", "{author}", "/t/none", "/api/v1/docs"]
STAFF = [
    "/queue", "/queue?q=DEMO", "/search?q=принтер", "/queue/views/new?status=new", "/tickets/new", "/tickets/{number}",
    "/tickets/{number}?mode=comment", "/tickets/{number}/customer", "/tickets/{number}/together",
    "/tickets/{number}/split", "/deliveries", "/deliveries?tab=all&open={delivery}", "/deliveries/{delivery}",
    "/quarantine", "/quarantine/{entry}", "/spam", "/canned", "/account", "/account/second-factor", "/users",
    "/users/new", "/users/d.volkov", "/audit", "/no-such-page",
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def places(desk: Desk) -> dict[str, str]:
    """Something to look at on every page."""
    address = "axe@sibtrans.example"
    number = (await desk.mail("Принтер печатает полосы", sender=address, html="<p>полосы</p>", file="акт.pdf")).number
    await desk.program.change.status(number, Status.IN_PROGRESS, "d.volkov")
    await desk.program.change.comment(number, "Выезжаем.", "d.volkov", public=True)
    desk.relay.script(["554 5.7.1 Message refused"], to="axe2@sibtrans.example")
    refused = (await desk.mail("Нет связи", sender="axe2@sibtrans.example")).number

    async def failed() -> bool:
        return "failed" in await desk.delivery_states(refused)

    await eventually(failed)
    await desk.unreadable("Непонятое письмо")
    await desk.spam("Выиграли приз")
    view: Any = await desk.ticket(refused)
    delivery = view["notifications"][0]["deliveries"][0]["id"]
    return {
        "number": number,
        "delivery": str(delivery).replace("-", ""),
        "author": link_in(await desk.letter(address, "Выезжаем."), "/t/"),
    }


@pytest.mark.parametrize("width, scheme", [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
@pytest.mark.parametrize("role", [None, Role.ADMINISTRATOR], ids=["public", "staff"])
async def test_axe_finds_nothing_and_nothing_is_too_wide(
    desk: Desk, window: Window, places: dict[str, str], role: Role | None, width: int, scheme: str
) -> None:
    assert AXE.is_file(), "run `make browser`"
    axe = AXE.read_text(encoding="utf-8")
    page = await window(width, role, scheme)
    session = await page.context.new_cdp_session(page)
    entry = ""
    if role is not None:
        await page.goto("/quarantine")
        entry = str(await page.locator("a.entry").first.get_attribute("href")).rpartition("/")[2]
    found: dict[str, Any] = {}
    for path in STAFF if role else PUBLIC:
        where = path.format(entry=entry, **places)
        await page.goto(where)
        # by the debugger: the pages' own policy lets no script in that is not theirs
        await session.send("Runtime.evaluate", {"expression": axe})
        told = await page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", RULES)
        bad = [(v["id"], v["impact"], v["nodes"][0]["html"][:160]) for v in told["violations"]]
        if bad:
            found[path] = bad
        if await page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
            found[f"{path} is too wide"] = await page.evaluate(
                "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
                ".slice(0, 3).map(e => e.outerHTML.slice(0, 120))"
            )
    assert found == {}
