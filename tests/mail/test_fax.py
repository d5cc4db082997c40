"""A fax that a gateway brings: a ticket of the caller's, with the pages, and nobody writes to the gateway."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from desk.change import Actor
from desk.organisation import import_bundle, parse
from desk.spam_desk import SpamDesk
from gateway import assemble
from storage.quarantine import HELD, SPAM, Filter
from tests.mail.conftest import Post
from tests.stage import SAMPLE
from tickets.message import Unreadable

GATEWAY = "asterisk@pbx.example.ru"
SETTINGS = f'[fax]\ngateways = ["{GATEWAY}"]'
NUMBER = "+73832223344"


def a_fax(post: Post, number: str = "83832223344", sender: str = GATEWAY, subject: str = "") -> EmailMessage:
    made = post.mail(f"FreePBX <{sender}>", subject or f'New fax from: "{number}" <{number}>', f"On line {number}\n")
    made.add_attachment(b"%PDF-1.4 the pages", maintype="application", subtype="pdf", filename="fax-1.pdf")
    return made


async def test_a_fax_is_a_ticket_of_the_caller(post: Any) -> None:
    await post.open(more=SETTINGS)
    known = SAMPLE.replace("+7 383 000-11-22", NUMBER)
    await post.program.opened.write(lambda c: import_bundle(c, parse(known, "o.toml"), site=post.program.site))
    await post.send(a_fax(post))
    [ticket] = await post.settled()
    assert ticket["contact"]["addresses"] == [{"kind": "phone", "value": NUMBER, "verified": False}]
    assert ticket["customer"], "the number is a customer's"
    [message] = ticket["messages"]
    assert (message["kind"], message["channel"], message["from"]["value"]) == ("human", "email", NUMBER)
    told = {"number": NUMBER, "name": "", "station": "", "pages": 0, "gateway": GATEWAY}
    assert message["fax"] == told
    assert [each["name"] for each in message["attachments"]] == ["fax-1.pdf"]
    [acknowledgement] = [n for n in ticket["notifications"] if n["event"] == "received"]
    assert acknowledgement["deliveries"][0]["reason"] == "no_address"
    assert post.mails(GATEWAY) == []
    assert all(row["value"] != GATEWAY for row in await post.rows("addresses"))


async def test_every_fax_is_a_ticket_of_its_own(post: Any) -> None:
    await post.open(more=SETTINGS)
    await post.send(a_fax(post))
    [first] = await post.settled()
    await post.send(a_fax(post, subject=f"New fax from: {first['number']} <83832223344>"))
    tickets = await post.settled()
    assert [len(ticket["messages"]) for ticket in tickets] == [1, 1]
    assert len({ticket["contact"]["id"] for ticket in tickets}) == 1, "one caller"
    assert all(ticket["links"] == [] for ticket in tickets)


async def test_faxes_without_a_number_are_answered_to_nobody(post: Any) -> None:
    await post.open(more=SETTINGS)
    await post.send(a_fax(post, number="101"))
    [ticket] = await post.settled()
    assert ticket["contact"]["addresses"] == [{"kind": "phone", "value": "", "verified": False}]
    assert not [mail for mail in post.relay.received if GATEWAY in mail.rcpt_to]


async def test_a_gateway_that_is_not_named_is_not_thanked(post: Any) -> None:
    await post.open()
    await post.send(a_fax(post))
    [ticket] = await post.settled()
    assert ticket["contact"]["addresses"][0]["value"] == GATEWAY
    assert ticket["messages"][0]["kind"] == "auto_reply"
    assert ticket["messages"][0]["fax"] is None
    assert post.mails(GATEWAY) == []


@pytest.mark.parametrize("subject", ["", "Re: [{number}] the printer"])
async def test_a_stranger_is_not_a_customer_by_naming_a_number(post: Any, subject: str) -> None:
    """Not from the gateway's address, whatever it looks like: nobody's number is taken from it."""
    await post.open(more=SETTINGS)
    await post.send(a_fax(post))
    [ticket] = await post.settled()
    await post.send(a_fax(post, sender="fax@stranger.example", subject=subject.format(number=ticket["number"])))
    tickets = await post.settled()
    assert len(tickets) == 2
    assert len(tickets[0]["messages"]) == 1
    assert tickets[1]["contact"]["addresses"][0]["value"] == "fax@stranger.example"
    assert tickets[1]["customer"] is None


async def test_a_fax_that_a_filter_held_is_a_fax_when_it_is_let_go(post: Any) -> None:
    await post.open(more=f'{SETTINGS}\n[spam]\nblock = ["{GATEWAY}"]')
    await post.send(a_fax(post))
    program = post.program
    desk = SpamDesk(program.opened, assemble.quarantine(program.settings, program.intake), program.clock)
    [[entry], _] = await desk.listing(Filter(state=HELD, reason=SPAM))
    assert entry["from"] == GATEWAY
    await desk.release(UUID(entry["id"]), program.read_mail, Actor("staff:a.sokolova"))
    [ticket] = await post.settled()
    assert ticket["contact"]["addresses"][0]["value"] == NUMBER
    assert ticket["messages"][0]["fax"]["gateway"] == GATEWAY
    assert post.mails(GATEWAY) == []


FOUND = {
    "nobody looked": ({}, NUMBER),
    "it passed": ({"authenticity": {"verdict": "pass", "by": "us"}}, NUMBER),
    "it could not be told": ({"authenticity": {"verdict": "temperror", "by": "us"}}, GATEWAY),
    "it was forged": ({"authenticity": {"verdict": "fail", "by": "us"}}, GATEWAY),
}


@pytest.mark.parametrize("found, contact", FOUND.values(), ids=FOUND)
async def test_a_replayed_fax_is_believed_by_what_was_found_out_when_it_came(
    post: Any, found: dict[str, Any], contact: str
) -> None:
    await post.open(more=SETTINGS)
    program, raw = post.program, a_fax(post).as_bytes()
    envelope = {"mail_from": GATEWAY, "rcpt_to": ["support@otklik.example"], **found}
    entry = Unreadable("email", "smtp", "parse_error", program.clock.now(), "boundary", envelope)
    held = await program.intake.accept(entry, raw)
    book = assemble.quarantine(program.settings, program.intake)
    await book.replay(UUID(held.quarantine_id), program.read_mail)
    [ticket] = await post.settled()
    assert ticket["contact"]["addresses"][0]["value"] == contact
    [message] = ticket["messages"]
    assert (message["kind"], message["fax"] is None) == (
        ("human", False) if contact == NUMBER else ("auto_reply", True)
    )  # fmt: skip
    assert post.mails(GATEWAY) == []
