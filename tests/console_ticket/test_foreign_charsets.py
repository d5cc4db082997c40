"""Forms whose parts name charsets of their own: what no page and no database can hold is replaced, never an error."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from desk import sessions
from gateway import assemble

from .conftest import Browser

HALF = [("utf-7", b"before +2AA- after"), ("unicode_escape", b"before \\ud800 after\\x00")]
"""Spellings of half a surrogate pair, as no browser writes them and anybody may."""


def form(fields: dict[str, str], name: str, octets: bytes, charset: str, *, filename: str = "") -> dict[str, Any]:
    """A multipart form (RFC 7578) whose last part is in another charset, or is a file of a foreign kind."""
    head = f'name="{name}"; filename="{filename}"' if filename else f'name="{name}"'
    pieces = [
        *(f'name="{field}"\r\n\r\n{value}'.encode() for field, value in fields.items()),
        f"{head}\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode() + octets,
    ]
    body = b"".join(b"--b\r\nContent-Disposition: form-data; " + piece + b"\r\n" for piece in pieces) + b"--b--\r\n"
    return {"data": body, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


FIELDS: list[tuple[str, str, dict[str, str], int]] = [
    ("/canned", "title", {"text": "x"}, 303),
    ("/canned", "text", {"title": "x"}, 303),
    ("/queue/views", "name", {}, 303),
    ("/spam/rules", "note", {"sender": "eva@x.example", "kind": "block"}, 303),
    ("/spam/rules", "sender", {"kind": "block"}, 422),
    ("/tickets/{number}/classify", "type", {}, 303),
    ("/tickets/{number}/links", "other", {"kind": "related"}, 422),
    ("/tickets/{number}/merge", "other", {}, 422),
    ("/tickets/{number}/preview", "text", {"mode": "reply"}, 200),
    ("/tickets/{number}/status", "comment", {"status": "waiting"}, 303),
    ("/account", "name", {"language": "ru", "theme": "dark"}, 303),
    ("/queue/bulk", "value", {"action": "tag", "sure": "1", "t": "{number}:1"}, 303),
]
"""Address, the field with half a character, the others, and the status of the answer."""


@pytest.fixture
async def lead(console: Any, staff_session: Any) -> Any:
    """The browser of a lead, logged in."""
    session = await staff_session(console.program, "lead")
    browser = Browser(console.base, console.session, dict(session.cookies))
    browser.csrf = session.csrf
    return browser


@pytest.mark.parametrize("charset, octets", HALF)
async def test_half_a_character_is_stored_as_a_question_mark_or_refused_in_words(
    console: Any, lead: Any, charset: str, octets: bytes
) -> None:
    for path, name, more, status in FIELDS:
        number = (await console.mail(subject=f"{path} {name}")).number
        fields = {"csrf": lead.csrf} | {field: value.format(number=number) for field, value in more.items()}
        answer = await lead.ask("POST", path.format(number=number), **form(fields, name, octets, charset))
        assert answer.status == status, (path, name, answer.words)
        assert (await lead.get(f"/tickets/{number}")).status == 200
        assert (await lead.get("/queue")).status == 200
    assert "before ? after" in (await lead.get("/canned")).words


@pytest.mark.parametrize("charset", ["nonsense", "hex", "idna"])
async def test_a_charset_nobody_knows_is_a_bad_request(lead: Any, charset: str) -> None:
    fields = {"csrf": lead.csrf, "title": "x"}
    assert (await lead.ask("POST", "/canned", **form(fields, "text", b"\xff", charset))).status == 400


async def test_the_charset_of_the_whole_form_is_believed_as_far_as_it_goes(lead: Any) -> None:
    """`_charset_` is the default of all its parts (RFC 7578, section 4.6)."""
    before = {"_charset_": "utf-7", "csrf": lead.csrf, "text": "x"}
    sent = form(before, "title", b"+BB8EQAQ4BDIENQRC-", "utf-7")
    assert (await lead.ask("POST", "/canned", **sent)).status in (303, 400)
    wrong = form({"_charset_": "nonsense", "csrf": lead.csrf, "text": "x"}, "title", b"x", "nonsense")
    assert (await lead.ask("POST", "/canned", **wrong)).status == 400


async def test_bytes_that_are_no_text_in_an_encoded_form_are_replaced(lead: Any) -> None:
    body = f"csrf={lead.csrf}&title=a%ED%A0%80b%FF%00&text=x".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await lead.ask("POST", "/canned", data=body, headers=kind)).status in (303, 400)
    assert (await lead.get("/canned")).status == 200


async def test_a_file_of_a_kind_that_is_no_text_is_a_file(console: Any, lead: Any) -> None:
    number = (await console.mail()).number
    page = await lead.get(f"/tickets/{number}?mode=reply")
    fields = {name: page.field(name) for name in ("csrf", "nonce", "seen")} | {"mode": "reply", "text": "Вот файл"}
    sent = form(fields, "files", b"octets", "utf-8", filename="a\udcff.txt".encode("utf-8", "replace").decode())
    sent["data"] = sent["data"].replace(b"Content-Type: text/plain; charset=utf-8", b"Content-Type: text/\xffplain")
    answer = await lead.ask("POST", f"/tickets/{number}/messages", **sent)
    assert answer.status == 303, answer.words
    (file,) = re.findall(r"/files/([0-9a-f]{32})", (await lead.get(f"/tickets/{number}")).html)
    assert (await lead.get(f"/tickets/{number}/files/{file}")).body == b"octets"


async def test_a_browser_may_call_itself_what_no_text_can_say(console: Any, lead: Any) -> None:
    """The library reads header fields so that every octet survives, as halves of surrogate pairs."""
    user = await console.accounts.find("lead")
    rules, now = assemble.staff_rules(console.program.settings), console.clock.now()
    agent = b"Mozilla \xed\xa0\x80 \xff".decode("utf-8", "surrogateescape")
    await console.program.opened.write(
        lambda c: sessions.begin(c, user["id"], sessions.FULL, now, rules, secret=uuid4().hex, agent=agent)
    )
    assert (await lead.get("/account")).words.count("Mozilla") == 1
