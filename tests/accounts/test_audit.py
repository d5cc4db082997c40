"""The audit log: everything is in it, it is found by who, what and when, and only those who may read it do."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from desk import audit as desk_audit
from desk.audit import AuditLog
from desk.change import Actor
from web.console.audit_log import THINGS
from web.look import words


async def test_the_page_filters_and_pages(console: Any, staff_session: Any) -> None:
    log = AuditLog(console.program.opened, console.clock)
    for number in range(120):
        who = Actor(f"staff:{'petrova' if number % 2 else 'ivanov'}")
        await log.seen(who, "ticket.viewed", f"OTK-26-{number:06}", {"n": number})
        console.clock.move(minutes=30)
    session = await staff_session(console.program, "auditor")
    browser = console.browser()
    browser.cookies = dict(session.cookies)

    async def shown(query: str) -> list[str]:
        found: list[str] = []
        at = f"/audit?{query}"
        while at:
            page = await browser.get(at)
            assert page.status == 200
            found += re.findall(r">OTK-26-(\d{6})</a>", page.text)
            following = re.search(r'rel="next" href="([^"]+)"', page.text)
            at = following.group(1) if following else ""
        return found

    everything = [f"{n:06}" for n in range(119, -1, -1)]
    assert await shown("action=ticket") == everything
    assert await shown("who=petrova&action=ticket.viewed") == everything[::2]
    assert await shown("object=OTK-26-000007") == ["000007"]
    # 18 November 09:00 UTC is noon in Moscow; the day there ends twelve hours later
    assert await shown("until=2026-11-18") == [f"{n:06}" for n in range(23, -1, -1)]
    assert await shown("since=2026-11-20&action=ticket") == [f"{n:06}" for n in range(119, 71, -1)]
    assert await shown("who=nobody") == []
    page = await browser.get("/audit?since=yesterday")
    assert (page.status, "Такой даты нет" in page.text) == (422, True)
    for hostile in ("object=<script>", "before=x", "action=%25", "who=" + "ж" * 900):
        assert (await browser.get(f"/audit?{hostile}")).status == 200, hostile
    assert (await console.logged(action="audit.viewed"))[0]["who"] == "staff:auditor", "reading it is in it"


async def test_what_is_seen_is_on_disk_before_it_is_shown(console: Any) -> None:
    log = AuditLog(console.program.opened, console.clock)
    await log.seen(Actor("staff:petrova"), "quarantine.raw_viewed", "0123", {"subject": "Ёлка \x00"})
    entry = (await console.logged(action="quarantine"))[0]
    assert (entry["who"], entry["object"], entry["at"]) == ("staff:petrova", "0123", console.clock.now())
    assert await console.logged(since=console.clock.now() + timedelta(seconds=1)) == []


async def test_entries_hold_no_secret(console: Any) -> None:
    await console.user("petrova")
    browser = console.browser()
    await browser.log_in("petrova")
    await browser.send(
        "/account", "/account/password", old="корова под дождём", new="другая корова тут", again="другая корова тут"
    )
    written = repr(await console.logged(limit=200))
    for secret in ("корова", "$argon2", browser.cookies["otklik"]):
        assert secret not in written


def test_every_action_has_words() -> None:
    root = Path(desk_audit.__file__).parents[1]
    book = words.load(root / "web")
    noted = re.compile(rf'(?<!name=)"((?:{"|".join(THINGS)})\.[a-z_]+)"')
    found = {
        action
        for folder in ("desk", "web")
        for path in (root / folder).rglob("*.py")
        if re.search(r"audit\.note\(|\.saw\(", source := path.read_text(encoding="utf-8"))
        for action in noted.findall(source)
    }
    assert "ticket.viewed" in found
    assert {action for action in found if f"audit.{action}" not in book} == set()
    assert {thing for thing in THINGS if f"audit.thing.{thing}" not in book} == set()
