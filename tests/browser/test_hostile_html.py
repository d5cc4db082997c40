"""A mail's HTML is shown to the staff and can do nothing: not run, not load, not lead away."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tickets.role import Role

from . import hostile
from .conftest import Window
from .desk import Desk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]


class Watch:
    """Everything a page does that it must not do."""

    def __init__(self, page: Page, base: str) -> None:
        self.seen: list[str] = []
        self._own = urlsplit(base).netloc
        page.on("dialog", lambda dialog: self.seen.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("popup", lambda popup: self.seen.append(f"popup {popup.url}"))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "data" and url not in ("about:blank", "about:srcdoc") and parts.netloc != self._own:
            self.seen.append(f"request {url}")


async def shown(page: Page, number: str) -> str:
    """The text inside the frame of a ticket's mail, opened as the staff do; empty where there is no HTML to show."""
    await page.goto(f"/tickets/{number}")
    frame = page.locator("details.as-mail")
    if not await frame.count():
        return ""
    await frame.locator("summary").click()
    inside = page.frame_locator("iframe.mail-frame").locator("body")
    await expect(inside).to_contain_text("до")
    return await inside.inner_text()


async def watched(page: Page, base: str) -> Watch:
    """A page that tells of every script that runs in it or in its frames."""
    watch = Watch(page, base)
    await page.expose_function("ran", lambda: watch.seen.append("script"))
    for name in ("alert", "confirm", "prompt"):
        await page.add_init_script(f"window.{name} = () => window.ran()")
    return watch


@pytest.mark.parametrize("html", hostile.HTML.values(), ids=hostile.HTML)
async def test_html_of_a_mail_runs_loads_and_leads_nowhere(desk: Desk, window: Window, html: str) -> None:
    number = (await desk.mail("Письмо с разметкой", html=f"<p>до</p>{html}<p>после</p>")).number
    page = await window(1440, Role.AGENT)
    watch = await watched(page, desk.base)
    await shown(page, number)
    assert watch.seen == []
    assert page.url == f"{desk.base}/tickets/{number}"


async def test_links_of_a_mail_cannot_be_followed(desk: Desk, window: Window) -> None:
    number = (await desk.mail("Письмо со ссылками", html=f"<p>до</p>{hostile.LINKS}")).number
    page = await window(1440, Role.AGENT)
    watch = await watched(page, desk.base)
    assert f"[{hostile.AWAY}/login]" in await shown(page, number)
    inside = page.frame_locator("iframe.mail-frame")
    for link in await inside.locator("a").all():
        await link.click()
    assert watch.seen == []
    assert page.url == f"{desk.base}/tickets/{number}"


async def test_a_mail_without_html_says_so_in_the_frame(desk: Desk, window: Window) -> None:
    number = (await desk.mail("Простое письмо")).number
    page = await window(1440, Role.AGENT)
    await page.goto(f"/tickets/{number}")
    await page.click("details.as-mail > summary")
    await expect(page.frame_locator("iframe.mail-frame").locator("body")).to_contain_text("нет оформления")


async def test_all_cases_beside_the_project_stay_inert(desk: Desk, window: Window) -> None:
    cases = hostile.foreign_html()
    if not cases:
        pytest.skip("no cases of HTML beside the project")
    page = await window(1440, Role.AGENT)
    watch = await watched(page, desk.base)
    failed = {}
    for name, html in cases.items():
        number = (await desk.mail("Чужая разметка", html=html)).number
        view = await desk.ticket(number)
        identifier = view["messages"][0]["id"]  # type: ignore[index]
        await page.goto(f"/tickets/{number}")
        if await page.locator("details.as-mail").count():
            async with page.expect_response(f"**/messages/{identifier}/frame"):
                await page.click("details.as-mail > summary")
            await page.frame_locator("iframe.mail-frame").locator("body").wait_for(state="attached")
        if watch.seen or page.url != f"{desk.base}/tickets/{number}":
            failed[name] = [*watch.seen, page.url]
            watch.seen.clear()
    assert failed == {}


async def test_texts_stand_there_as_they_were_written(desk: Desk, window: Window) -> None:
    """In the subject, the sender's name and the text; in the queue, on the ticket's page and on the author's."""
    page = await window(1440, Role.LEAD)
    watch = await watched(page, desk.base)
    public = await window(1440)
    watch_public = await watched(public, desk.base)
    for n, text in enumerate([*hostile.TEXTS, *hostile.foreign_texts()]):
        sender = f"text{n}@sibtrans.example"
        number = (await desk.mail(text, f"До. {text} После.", sender=sender, name=text)).number
        said = " ".join(text.split())
        await page.goto(f"/tickets/{number}")
        assert " ".join((await page.locator("h1").inner_text()).split()) == said
        assert said in " ".join((await page.locator("#conversation .message").first.inner_text()).split())
        # quotes around a name belong to the header, not to the name
        assert said.strip("'\"") in " ".join((await page.locator("#fact-contact").inner_text()).split())
        assert said.split(maxsplit=1)[0] in str(await page.locator("#preview").inner_text())
        link = (await desk.letter(sender, number)).get_body(("plain",))
        assert link is not None
        address = next(word for word in link.get_content().split() if "/t/" in word)
        await public.goto(address)
        assert " ".join((await public.locator("h1").inner_text()).split()) == said
    await page.goto("/queue")
    assert watch.seen == watch_public.seen == []


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>.pdf", "{{ 7*7 }}.pdf", "a' onclick='alert(1).pdf"])
async def test_names_of_files_are_names(desk: Desk, window: Window, name: str) -> None:
    number = (await desk.mail("Файл с именем", file=name)).number
    page = await window(1440, Role.AGENT)
    watch = await watched(page, desk.base)
    await page.goto(f"/tickets/{number}")
    files = page.locator("#conversation .attachments")
    await expect(files).to_contain_text(".pdf")
    assert await files.locator("img, [onclick], [onerror]").count() == 0
    assert "49" not in await files.inner_text()
    assert watch.seen == []
