"""A real Postfix carries our mail out and brings back what becomes of it: the reports of a relay, word for word."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.mail.conftest import Post, eventually
from tests.smtp.postfix import Postfix, needs_root

pytestmark = [
    pytest.mark.peers,
    needs_root,
]

IRINA = "irina@sibtrans.example"
GONE = "ivanov@local.example"
FORWARDED = "petrov@local.example"
TOKENS = 'return_path = "token"'


class Relayed:
    """The program behind a Postfix; the simulated relay is the mail server of `sibtrans.example`."""

    def __init__(self, post: Post, postfix: Postfix) -> None:
        self.post = post
        self.postfix = postfix

    async def open(self, mail: str = TOKENS, **main: str) -> None:
        """Start both."""
        # Irina has a mail server of her own, the mailboxes of local.example are Postfix's
        await self.post.open(mail=mail, relays=f"[relay.postfix]\nport = {self.postfix.port}")
        routes = {
            "otklik.example": f"smtp:[127.0.0.1]:{self.program_port}",
            "sibtrans.example": f"smtp:[127.0.0.1]:{self.post.relay.port}",
        }
        inline = ", ".join(f"{{{domain}={route}}}" for domain, route in routes.items())
        self.postfix.settings |= {
            "relay_domains": "",
            "mydestination": "local.example",
            "transport_maps": f"inline:{{{inline}}}",
            **main,
        }
        await asyncio.to_thread(self.postfix.start)

    @property
    def program_port(self) -> str:
        """Where the program takes mail in."""
        return str(self.post.program.addresses.smtp).rpartition(":")[2]

    async def reports(self, count: int) -> list[dict[str, Any]]:
        """What the program noted about its mail, once there is so much."""

        async def there() -> list[dict[str, Any]]:
            found = await self.post.rows("delivery_reports")
            return found if len(found) >= count else []

        try:
            found = await eventually(there, within=20)
        except TimeoutError:
            pytest.fail(self.postfix.log[-3000:])
        return list(found)

    async def raw(self, report: dict[str, Any]) -> email.message.EmailMessage:
        """The mail a report came in, byte for byte as Postfix handed it over."""
        [message] = [row for row in await self.post.rows("messages") if row["id"] == report["message_id"]]
        [receipt] = [row for row in await self.post.rows("receipts") if row["message_id"] == message["id"]]
        [blob] = [row for row in await self.post.rows("blobs") if row["sha256"] == receipt["raw_sha256"]]
        return email.message_from_bytes(bytes(blob["bytes"]), policy=email.policy.default)


@pytest.fixture
async def relayed(post: Post) -> AsyncIterator[Relayed]:
    postfix = Postfix("unused")
    try:
        yield Relayed(post, postfix)
    finally:
        await asyncio.to_thread(postfix.stop)


def ways_to(ticket: dict[str, Any], address: str) -> list[tuple[str, dict[str, Any]]]:
    """What one address was told: the event, and the delivery."""
    ways = [(note["event"], way) for note in ticket["notifications"] for way in note["deliveries"]]
    return [(event, way) for event, way in ways if way["address"] == address]


REFUSALS = {
    "an unknown local user": (GONE, [], "5.1.1", True),
    "a mail server that knows nobody of that name": (IRINA, ["550 5.1.1 <irina> User unknown"], "5.1.1", True),
    "a mail server that wants no such mail": (IRINA, ["550 5.7.1 Message refused by policy"], "5.7.1", False),
}


@pytest.mark.parametrize("recipient, answers, status, dead", REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_for_good_finds_the_very_try(
    relayed: Relayed, recipient: str, answers: list[str], status: str, dead: bool
) -> None:
    post = relayed.post
    await relayed.open()
    post.relay.script(answers, to=recipient, stage="rcpt")
    await post.send(post.mail(recipient))
    [report] = await relayed.reports(1)
    [ticket] = await post.settled()
    [acknowledgement] = [n for n in ticket["notifications"] if n["event"] == "received"]
    [way] = acknowledgement["deliveries"]
    [attempt] = way["attempts"]

    assert (way["address"], way["state"], way["reason"]) == (recipient, "failed", "bounced")
    assert (attempt["number"], attempt["outcome"]) == (1, "accepted"), (
        "Postfix took it, and said later what became of it"
    )
    assert report["delivery_id"].hex == way["id"]
    told = {name: report[name] for name in ("attempt", "kind", "recipient", "status", "permanent", "proof", "moved")}
    assert told == {
        "attempt": 1,
        "kind": "bounce",
        "recipient": recipient,
        "status": status,
        "permanent": True,
        "proof": "return_path",
        "moved": True,
    }
    [address] = [row for row in await post.rows("addresses") if row["value"] == recipient]
    assert (address["dead_at"] is not None) is dead
    assert status in next(h for h in ticket["history"] if h["what"] == "mail_bounced")["because"]

    real = await relayed.raw(report)
    assert real["From"].addresses[0].display_name == "Mail Delivery System"
    assert real["Return-Path"] is None
    assert real["To"].addresses[0].addr_spec.startswith("support+b.k1-")
    assert real.get_content_type() == "multipart/report"
    assert "Reporting-MTA: dns; mx.relay.example" in real.as_string()
    assert post.mails("MAILER-DAEMON@mx.relay.example") == []


async def test_without_a_return_path_the_returned_message_id_tells(relayed: Relayed) -> None:
    post = relayed.post
    await relayed.open(mail="")
    await post.send(post.mail(GONE))
    [ticket] = await post.settled()
    # the acknowledgement had no return path at all (RFC 3834), so nothing comes back of it
    await post.comment(ticket["number"], "Какая модель?")
    [report] = await relayed.reports(1)
    assert (report["proof"], report["attempt"], report["status"]) == ("our_message_id", None, "5.1.1")
    [ticket] = await post.settled()
    assert {event: way["state"] for event, way in ways_to(ticket, GONE)} == {
        "received": "sent",
        "public_comment": "failed",
    }


async def test_what_somebody_forwards_condemns_not_the_address_we_know(relayed: Relayed) -> None:
    """The report names the address that the mail was forwarded to, and ours as the original one."""
    post = relayed.post
    await relayed.open(virtual_alias_maps=f"inline:{{{{{FORWARDED}={GONE}}}}}")
    await post.send(post.mail(FORWARDED))
    [report] = await relayed.reports(1)
    assert f"Original-Recipient: rfc822;{FORWARDED}" in (await relayed.raw(report)).as_string()
    assert (report["attempt"], report["moved"], report["recipient"]) == (1, True, GONE)
    [address] = [row for row in await post.rows("addresses") if row["value"] == FORWARDED]
    assert address["dead_at"] is None


async def test_a_refusal_touches_no_other_delivery(relayed: Relayed) -> None:
    """Three mails to one person, of which the mail server refuses the second."""
    post = relayed.post
    await relayed.open()
    post.relay.script(["accept", "550 5.7.1 this one looks like spam", "accept"], to=IRINA)
    await post.send(post.mail(IRINA))
    [ticket] = await post.settled()
    await post.relay.wait(1, within=20)
    for count, words in enumerate(["Какая модель?", "Какой кабинет?"], 2):
        await post.comment(ticket["number"], words)
        await post.relay.wait(count, within=20)
    [report] = await relayed.reports(1)
    [ticket] = await post.settled()
    ways = [way for _, way in ways_to(ticket, IRINA)]
    assert sorted(way["state"] for way in ways) == ["failed", "sent", "sent"]
    [failed] = [way for way in ways if way["state"] == "failed"]
    assert report["delivery_id"].hex == failed["id"]
    assert "Какая модель?" in failed["text"]


@pytest.mark.slow
async def test_a_warning_of_delay_fails_nothing(relayed: Relayed) -> None:
    post = relayed.post
    await relayed.open(delay_warning_time="1s", maximal_backoff_time="2s")
    post.relay.refusal = "451 4.3.2 maintenance until noon"
    await post.send(post.mail(IRINA))
    [report] = await relayed.reports(1)
    assert (report["kind"], report["permanent"], report["moved"]) == ("delivery_delay", False, False)
    assert (report["attempt"], report["proof"], report["recipient"]) == (1, "return_path", IRINA)
    assert report["status"] == "4.3.2"
    assert "delayed" in str((await relayed.raw(report)).as_string())
    [ticket] = await post.settled()
    assert ticket["notifications"][0]["deliveries"][0]["state"] == "sent"
    # a mail of ours that comes back by itself may be filed before or after
    told = [h["what"] for h in ticket["history"] if h["by"] == "machine:delivery_delay"]
    assert told == ["machine_wrote", "mail_delayed"]
    assert all(row["dead_at"] is None for row in await post.rows("addresses"))

    post.relay.refusal = ""

    async def arrived() -> bool:
        return bool(post.relay.to(IRINA))

    await eventually(arrived, within=20)
    [ticket] = await post.tickets()
    assert ticket["notifications"][0]["deliveries"][0]["state"] == "sent"


@pytest.mark.slow
async def test_what_is_given_up_after_a_delay_fails_then(relayed: Relayed) -> None:
    """First the warning, then the end: Postfix gives up with the last temporary answer."""
    post = relayed.post
    await relayed.open(delay_warning_time="1s", maximal_backoff_time="2s", maximal_queue_lifetime="4s")
    post.relay.refusal = "451 4.7.1 greylisted for ever"
    await post.send(post.mail(IRINA))
    reports = await relayed.reports(2)
    assert [report["kind"] for report in reports] == ["delivery_delay", "bounce"]
    assert [report["moved"] for report in reports] == [False, True]
    assert [(report["status"], report["permanent"]) for report in reports] == [("4.7.1", False), ("4.7.1", False)]
    [ticket] = await post.settled()
    assert ticket["notifications"][0]["deliveries"][0]["state"] == "failed"
    assert all(row["dead_at"] is None for row in await post.rows("addresses")), "nobody said that it is not there"
