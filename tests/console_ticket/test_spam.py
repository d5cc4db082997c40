"""The page of spam: why it is held, one press to let it go, one to block its sender."""

from __future__ import annotations

from typing import Any

import pytest

from tickets.address import Address, AddressKind
from tickets.message import InboundMessage, MessageKind

EVE = "eve@spam.example"
HOSTILE = "<script>alert(1)</script> {{7*7}}"


async def held(console: Any, *because: str) -> str:
    """A mail that a filter calls spam."""
    raw = f"From: Eve <{EVE}>\r\nTo: support@otklik.example\r\nSubject: {HOSTILE}\r\n\r\nПриз\r\n".encode()
    message = InboundMessage(
        channel="email",
        account="smtp",
        external_id="",
        sender=Address(AddressKind.EMAIL, EVE, "Eve"),
        recipients=(),
        subject=HOSTILE,
        text="Приз",
        received_at=console.clock.now(),
        kind=MessageKind.SPAM,
        kind_because=because or ("filter", "odd:<b>"),
        extra={"envelope": {"mail_from": EVE, "rcpt_to": ["support@otklik.example"]}},
        fresh=True,
    )
    return str((await console.program.intake.accept(message, raw)).quarantine_id)


async def test_the_page_shows_what_is_held_and_lets_it_go(console: Any) -> None:
    entry = await held(console)
    agent = await console.browser("g.titov", "agent")
    page = await agent.get("/spam")
    assert page.status == 200
    assert HOSTILE in page.text
    assert "<script>alert" not in page.html
    assert "так решил фильтр" in page.text
    assert "Заблокировать" not in page.text, "that is for leads"
    assert HOSTILE not in (await agent.get("/quarantine")).text
    done = await agent.post(f"/spam/{entry}/release", at="/spam")
    assert done.status == 303
    assert done.leads_to.startswith("/tickets/")
    assert (await agent.get(done.leads_to)).status == 200
    assert HOSTILE not in (await agent.get("/spam")).text
    assert {e["action"] for e in await console.logged(object=entry)} >= {"spam.released"}


@pytest.mark.parametrize(
    "code, words",
    [
        ("virus:Eicar-Test-Signature", "вирус: Eicar-Test-Signature"),
        (f"block_list:{EVE}", "отправитель в списке блокировки"),
        ("dnsbl:zen.spamhaus.org", "в списке спамеров: zen.spamhaus.org"),
        ("spam_header:x-spam-flag", "так пометил почтовый сервер: x-spam-flag"),
        ("spam_filter:reject 15.5", "так решил Rspamd: reject 15.5"),
    ],
)
async def test_why_a_mail_is_held_is_said_in_words(console: Any, code: str, words: str) -> None:
    await held(console, code)
    page = await (await console.browser("a.audit", "auditor")).get("/spam")
    assert words in page.words
    assert code not in page.text
    assert EVE not in page.html, "an auditor sees no addresses"


async def test_a_lead_blocks_a_sender_and_takes_it_back(console: Any) -> None:
    entry = await held(console)
    lead = await console.browser("m.sokolova", "lead")
    assert (await lead.post(f"/spam/{entry}/block", at="/spam", sender=EVE)).status == 303
    page = await lead.get("/spam")
    assert EVE in page.text
    assert HOSTILE not in page.text
    assert (await lead.post("/spam/rules", at="/spam", sender="not a sender", verdict="block")).status == 422
    assert (await lead.post("/spam/rules", at="/spam", sender="partner.example", verdict="allow")).status == 303
    assert "@partner.example" in (await lead.get("/spam")).text
    assert (await lead.post("/spam/rules/forget", at="/spam", key=f"email:{EVE}")).status == 303
    assert EVE not in (await lead.get("/spam")).text


async def test_others_only_look_or_do_not_even_that(console: Any) -> None:
    entry = await held(console)
    auditor = await console.browser("x.y", "auditor")
    page = await auditor.get("/spam")
    assert page.status == 200
    assert EVE not in page.text
    assert (await auditor.post(f"/spam/{entry}/release", at="/spam")).status == 403
    agent = await console.browser("g.titov", "agent")
    assert (await agent.post(f"/spam/{entry}/block", at="/spam", sender=EVE)).status == 403
