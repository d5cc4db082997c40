"""Markup in every field, ways out of the site, and things of colleagues: nothing runs, leads away or is touched."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urljoin, urlsplit
from uuid import UUID

import pytest
from selectolax.lexbor import LexborHTMLParser

HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}{% raw %}"
PAGES = [
    "/queue", "/queue?status=any", "/tickets/{number}", "/tickets/{number}?mode=comment", "/tickets/{number}/together",
    "/tickets/{number}/split", "/tickets/{number}/customer", "/canned", "/spam", "/audit", "/account", "/users",
    "/deliveries", "/deliveries?tab=all", "/quarantine", "/tickets/new",
]  # fmt: skip


async def as_role(console: Any, staff_session: Any, role: str) -> Any:
    """The browser of somebody who is logged in, and `csrf` of the session."""
    from .conftest import Browser

    session = await staff_session(console.program, role)
    browser = Browser(console.base, console.session, dict(session.cookies))
    browser.csrf = session.csrf  # type: ignore[attr-defined]
    return browser


async def test_markup_in_every_field_of_staff_and_mail_stays_text(console: Any, staff_session: Any) -> None:
    lead = await as_role(console, staff_session, "lead")
    admin = await as_role(console, staff_session, "administrator")
    raw = (
        f'From: "{HOSTILE.replace(chr(34), "")}" <eva@x.example>\r\nTo: support@otklik.example\r\n'
        f"Subject: {HOSTILE}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{HOSTILE}\r\n--b\r\n"
        f'Content-Type: text/plain\r\nContent-Disposition: attachment; filename="<img src=x onerror=alert(1)>.txt"\r\n'
        "\r\nx\r\n--b--\r\n"
    ).encode()
    number = (await console.mail(raw=raw, sender="eva@x.example")).number
    forms: list[tuple[str, dict[str, str]]] = [
        ("/canned", {"title": HOSTILE, "text": HOSTILE, "language": "ru", "shared": "1"}),
        ("/queue/views", {"name": HOSTILE[:80], "query": f"q={quote(HOSTILE)}&tag={quote(HOSTILE)}", "shared": "1"}),
        ("/queue/bulk", {"action": "tag", "value": HOSTILE[:40], "sure": "1", "t": f"{number}:1"}),
        ("/tickets/{number}/classify", {"category": HOSTILE[:80]}),
        ("/tickets/{number}/classify", {"type": HOSTILE[:40]}),
        ("/tickets/{number}/copies", {"address": "kopia@x.example", "name": HOSTILE}),
        ("/tickets/{number}/messages", {"mode": "comment", "text": HOSTILE}),
        ("/tickets/{number}/messages", {"mode": "reply", "text": HOSTILE, "anyway": "yes"}),
        ("/spam/rules", {"sender": "spam@x.example", "verdict": "block", "note": HOSTILE}),
        ("/account", {"name": HOSTILE[:100], "language": "ru", "theme": "dark"}),
        ("/tickets/new", {
            "channel": "phone", "contact": "+7 913 000-00-07", "name": HOSTILE, "subject": HOSTILE, "text": HOSTILE,
            "type": HOSTILE, "impact": HOSTILE, "customer": HOSTILE, "nonce": "a1",
        }),
    ]  # fmt: skip
    for path, form in forms:
        answer = await lead.ask("POST", path.format(number=number), data={"csrf": lead.csrf, **form})
        assert answer.status in (200, 303, 422), (path, answer.status, answer.words[:300])
        assert "<img src=x" not in answer.html, path
    for path in [*PAGES, f"/queue?q={quote(HOSTILE)}", f"/queue?tag={quote(HOSTILE)}&centre={quote(HOSTILE)}"]:
        for browser in (lead, admin):
            page = await browser.get(path.format(number=number))
            assert page.status in (200, 403), path
            assert LexborHTMLParser(page.html).css("[onerror], img, script:not([src])") == [], path
            assert "49{% raw" not in page.html, "nobody's text is a template"


WAYS_OUT = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example",
    "https:evil.example", "/\t/evil.example", "\t//evil.example", " //evil.example", "/\n/evil.example",
    "/%09/evil.example", "/%5Cevil.example", "javascript:alert(1)", "data:text/html,x", "/.//evil.example",
    "/queue//evil.example", "/login/../..//evil.example", "/queue\r\nSet-Cookie: a=b", "/queue%0d%0aSet-Cookie:%20a=b",
    "@evil.example", "/@evil.example", "?next=//evil.example", "/\u2028/evil.example", "/\x00/evil.example",
    "/\uff0fevil.example", "\uff0e/evil.example",
]  # fmt: skip


@pytest.mark.parametrize("address", WAYS_OUT)
async def test_no_address_that_is_given_leads_away(console: Any, staff_session: Any, address: str) -> None:
    lead = await as_role(console, staff_session, "lead")
    number = (await console.mail()).number
    forms: list[tuple[str, dict[str, str], dict[str, str]]] = [
        ("/theme", {"theme": "dark", "next": address}, {}),
        ("/queue/bulk", {"action": "tag:x", "sure": "1", "t": f"{number}:1", "back": address}, {}),
    ]
    for path, form, headers in forms:
        answer = await lead.ask("POST", path, data={"csrf": lead.csrf, **form}, headers=headers)
        if answer.status == 303:
            assert urlsplit(urljoin("http://desk.example/x", answer.leads_to)).netloc == "desk.example", path
            assert "Set-Cookie: a" not in str(answer.headers)
    lead.cookies.clear()
    page = await lead.get(f"/login?next={quote(address)}")
    kept = re.search(r'name="next" value="([^"]*)"', page.html)
    if kept:
        assert urlsplit(urljoin("http://desk.example/x", kept[1])).netloc == "desk.example"
    back = re.findall(r'href="([^"]*)"', (await lead.get(f"/tickets/{number}?back={quote(address)}")).html)
    assert all(urlsplit(urljoin("http://desk.example/x", where)).netloc == "desk.example" for where in back)


async def test_what_belongs_to_a_colleague_is_not_there_for_others(console: Any, staff_session: Any) -> None:
    agent, lead = [await as_role(console, staff_session, role) for role in ("agent", "lead")]
    number = (await console.mail()).number
    for who, title in ((agent, "Моя"), (lead, "Её")):
        form = {"csrf": who.csrf, "title": title, "text": f"Текст: {title}", "language": "ru"}
        assert (await who.ask("POST", "/canned", data=form)).status == 303
    theirs = re.search(r'action="/canned/([0-9a-f]{32})', (await lead.get("/canned")).html)
    assert theirs
    assert "Её" not in (await agent.get("/canned")).words
    tries: list[tuple[str, dict[str, str]]] = [
        (f"/canned/{theirs[1]}", {"title": "x", "text": "x"}),
        (f"/canned/{theirs[1]}/drop", {}),
        (f"/tickets/{number}/draft", {"mode": "reply", "text": "x", "canned": theirs[1]}),
    ]
    for path, form in tries:
        assert (await agent.ask("POST", path, data={"csrf": agent.csrf, **form})).status == 404, path
    page = await lead.get(f"/tickets/{number}?mode=reply")
    file = [("тайна.txt", b"secret", "text/plain")]
    await lead.send(f"/tickets/{number}/draft", page, file, mode="reply", text="Тайный текст")
    drop = re.search(r"draft/files/([0-9a-f]{32})/drop", (await lead.get(f"/tickets/{number}?mode=reply")).html)
    assert drop
    assert "Тайный текст" not in (await agent.get(f"/tickets/{number}?mode=reply")).words
    where = f"/tickets/{number}/draft/files/{drop[1]}/drop"
    await agent.ask("POST", where, data={"csrf": agent.csrf})
    assert "тайна.txt" in (await lead.get(f"/tickets/{number}?mode=reply")).words, "it was not theirs to drop"
    assert (await agent.get(f"/tickets/{number}/files/{drop[1]}")).status == 404
    page = await lead.get(f"/tickets/{number}?mode=reply")
    sent = await lead.send(f"/tickets/{number}/messages", page, mode="reply", text="Ответ", nonce="aa11")
    assert sent.status == 303
    assert (await agent.ask("POST", f"/tickets/{number}/undo/aa11", data={"csrf": agent.csrf})).status == 409
    other = (await console.mail(subject="Другая")).number
    attached = (await console.ticket(number))["messages"][-1]["attachments"][0]["id"]
    assert (await agent.get(f"/tickets/{other}/files/{UUID(str(attached)).hex}")).status == 404, "of another ticket"
