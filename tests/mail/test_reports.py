"""What comes back about our mail finds the very try it is about; what only pretends to changes nothing."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest

from desk.change import Actor
from storage import mail_reports
from tickets.status import Status

IRINA = "irina@sibtrans.example"
TOKENS = 'return_path = "token"'


def dsn(
    original: bytes,
    *,
    to: str,
    action: str = "failed",
    status: str = "5.1.1",
    recipient: str = IRINA,
    strip: bool = False,
    others: str = "",
) -> bytes:
    """A delivery status notification as Postfix writes it (RFC 3464).

    `strip` leaves out the returned header; `others` are blocks of recipients that stand before `recipient`.
    """
    head = original.partition(b"\r\n\r\n")[0].decode()
    returned = "" if strip else f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n\r\n"
    return (
        f"From: MAILER-DAEMON@mx.example (Mail Delivery System)\r\nTo: {to}\r\nSubject: Undelivered Mail\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nMessage-ID: <dsn.1@mx.example>\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered.\r\n\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"{others}{block(recipient, action, status)}{returned}--b--\r\n"
    ).encode()


def block(recipient: str, action: str, status: str) -> str:
    """What a report says of one recipient."""
    return (
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {status[0]}50 {status} so it was\r\n\r\n"
    )


def report(kind: str, fields: str, original: bytes, *, to: str, sender: str = "fbl@provider.example") -> bytes:
    """A complaint (RFC 5965) or a read receipt (RFC 8098)."""
    part = "feedback-report" if kind == "feedback-report" else "disposition-notification"
    head = original.partition(b"\r\n\r\n")[0].decode()
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: report\r\nMIME-Version: 1.0\r\nMessage-ID: <r.1@provider.example>\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is a report.\r\n\r\n"
        f"--b\r\nContent-Type: message/{part}\r\n\r\n{fields}\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n\r\n--b--\r\n"
    ).encode()


async def asked(post: Any) -> tuple[str, Any]:
    """A ticket of Irina's whose author was asked something; its number and the mail she got last."""
    await post.send(post.mail(IRINA))
    [ticket] = await post.settled()
    await post.comment(ticket["number"], "Какая модель?")
    await post.settled()
    return ticket["number"], post.relay.to(IRINA)[-1]


def way_of(ticket: dict[str, Any], event: str) -> dict[str, Any]:
    [note] = [n for n in ticket["notifications"] if n["event"] == event]
    return dict(note["deliveries"][0])


@pytest.mark.parametrize("tie", ["return path", "message-id"])
async def test_a_bounce_fails_the_delivery_it_is_about(post: Any, tie: str) -> None:
    await post.open(mail=TOKENS if tie == "return path" else "")
    _, sent = await asked(post)
    back = sent.envelope_from if tie == "return path" else "support@otklik.example"
    assert (back.startswith("support+b.k1-")) is (tie == "return path")
    await post.send(dsn(sent.raw, to=back, strip=tie == "return path"), mail_from="")
    ticket = (await post.settled())[0]
    assert way_of(ticket, "public_comment")["state"] == "failed"
    assert way_of(ticket, "public_comment")["reason"] == "bounced"
    assert way_of(ticket, "received")["state"] == "sent", "the other mail is not touched"
    [told] = [n for n in ticket["notifications"] if n["event"] == "undelivered"]
    assert told["to"]["role"] in ("assignee", "group")
    entry = next(h for h in ticket["history"] if h["what"] == "mail_bounced")
    assert (entry["by"], entry["new"]) == ("machine:bounce", IRINA)
    assert "5.1.1" in entry["because"]
    [kept] = await post.rows("delivery_reports")
    assert (kept["recipient"], kept["status"], kept["permanent"], kept["moved"]) == (IRINA, "5.1.1", True, True)
    assert kept["attempt"] == (1 if tie == "return path" else None)
    [address] = [row for row in await post.rows("addresses") if row["value"] == IRINA]
    assert address["dead_at"] is not None
    assert post.mails("MAILER-DAEMON@mx.example") == []
    assert len(await post.tickets()) == 1


async def test_a_bounce_that_comes_twice_is_told_once(post: Any) -> None:
    await post.open(mail=TOKENS)
    _, sent = await asked(post)
    for subject in (b"Undelivered Mail", b"Undelivered Mail again"):
        await post.send(dsn(sent.raw, to=sent.envelope_from).replace(b"Undelivered Mail", subject), mail_from="")
    [ticket] = await post.settled()
    assert len([n for n in ticket["notifications"] if n["event"] == "undelivered"]) == 1
    assert [row["moved"] for row in await post.rows("delivery_reports")] == [True, False]


async def test_a_retry_has_a_return_path_of_its_own(post: Any) -> None:
    await post.open(mail=TOKENS)
    post.relay.script(["451 4.7.1 later"], to=IRINA)
    await post.send(post.mail(IRINA))
    await post.settled()
    first, second = (mail for mail in post.relay.received if IRINA in mail.rcpt_to)
    assert first.envelope_from != second.envelope_from
    await post.send(dsn(second.raw, to=second.envelope_from, strip=True), mail_from="")
    [kept] = await post.rows("delivery_reports")
    assert kept["attempt"] == 2


async def test_a_delay_is_noted_and_moves_nothing(post: Any) -> None:
    await post.open()
    _, sent = await asked(post)
    await post.send(dsn(sent.raw, action="delayed", status="4.4.1", to="support@otklik.example"), mail_from="")
    [ticket] = await post.settled()
    assert way_of(ticket, "public_comment")["state"] == "sent"
    assert [h["what"] for h in ticket["history"]][-1] == "mail_delayed"
    [kept] = await post.rows("delivery_reports")
    assert (kept["kind"], kept["permanent"], kept["moved"]) == ("delivery_delay", False, False)


async def test_a_full_mailbox_is_no_dead_one(post: Any) -> None:
    await post.open()
    _, sent = await asked(post)
    await post.send(dsn(sent.raw, status="4.2.2", to="support@otklik.example"), mail_from="")
    [ticket] = await post.settled()
    assert way_of(ticket, "public_comment")["state"] == "failed", "the other side has given up"
    [kept] = await post.rows("delivery_reports")
    assert kept["permanent"] is False
    assert all(row["dead_at"] is None for row in await post.rows("addresses"))


async def test_a_bounce_of_an_address_it_is_forwarded_to_condemns_not_ours(post: Any) -> None:
    await post.open(mail=TOKENS)
    _, sent = await asked(post)
    await post.send(dsn(sent.raw, to=sent.envelope_from, recipient="old@elsewhere.example"), mail_from="")
    [ticket] = await post.settled()
    assert way_of(ticket, "public_comment")["state"] == "failed"
    assert all(row["dead_at"] is None for row in await post.rows("addresses"))


OTHER = "old@elsewhere.example"
SEVERAL = {
    "we wrote to the one that is gone": ("failed 4.2.2", "failed 5.1.1", "bounce", IRINA, "failed", True),
    "we wrote to the one that is full": ("failed 5.1.1", "failed 4.2.2", "bounce", IRINA, "failed", False),
    "we wrote to the one still tried": ("failed 5.1.1", "delayed 4.4.1", "delivery_delay", IRINA, "sent", False),
    "we wrote to the one that has it": ("failed 5.1.1", "delivered 2.1.5", "bounce", OTHER, "sent", False),
    "we wrote to the one that has a full neighbour": ("failed 4.2.2", "relayed 2.1.9", "bounce", OTHER, "sent", False),
}


@pytest.mark.parametrize("other, ours, kind, recipient, state, dead", SEVERAL.values(), ids=SEVERAL)
async def test_of_several_recipients_only_the_one_we_wrote_to_counts(
    post: Any, other: str, ours: str, kind: str, recipient: str, state: str, dead: bool
) -> None:
    """An alias was expanded, and the report tells what became of each mailbox behind it."""
    await post.open(mail=TOKENS)
    _, sent = await asked(post)
    action, status = ours.split()
    others = block(OTHER, *other.split())
    back = dsn(sent.raw, to=sent.envelope_from, action=action, status=status, strip=True, others=others)
    await post.send(back, mail_from="")
    [ticket] = await post.settled()
    [kept] = await post.rows("delivery_reports")
    told = status if recipient == IRINA else other.split()[1]
    assert (kept["kind"], kept["recipient"], kept["status"]) == (kind, recipient, told)
    assert kept["permanent"] is told.startswith("5")
    assert kept["moved"] is (state == "failed")
    assert way_of(ticket, "public_comment")["state"] == state
    [entry] = [each for each in ticket["history"] if each["what"] in ("mail_bounced", "mail_delayed")]
    assert (entry["by"], entry["new"]) == (f"machine:{kind}", recipient)
    assert recipient in entry["because"]
    assert told in entry["because"]
    [address] = [row for row in await post.rows("addresses") if row["value"] == IRINA]
    assert (address["dead_at"] is not None) is dead
    counted = await post.program.opened.read(lambda c: mail_reports.returned(c, [IRINA]))
    assert (IRINA in counted) is (kept["moved"] and told.startswith("4"))


async def test_the_code_of_a_text_that_names_several_condemns_none_of_them(post: Any) -> None:
    await post.open(mail=TOKENS)
    _, sent = await asked(post)
    text = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be "
        f"delivered to all of its recipients.\n\n  {OTHER}\n    550 5.1.1 no such user\n"
        f"  {IRINA}\n    552 5.2.2 mailbox is full\n"
    )
    daemon = {"To": sent.envelope_from, "X_Failed_Recipients": f"{OTHER}, {IRINA}"}
    await post.send(post.mail("mailer-daemon@mx.example", "Mail delivery failed", text, **daemon), mail_from="")
    [ticket] = await post.settled()
    [kept] = await post.rows("delivery_reports")
    assert (kept["kind"], kept["status"], kept["moved"]) == ("bounce", "5.1.1", True)
    assert way_of(ticket, "public_comment")["state"] == "failed"
    assert all(row["dead_at"] is None for row in await post.rows("addresses"))


@pytest.mark.parametrize("way", ["bounce", "complaint"])
@pytest.mark.parametrize("proof", ["return path", "message-id"])
async def test_a_message_id_seen_in_a_thread_condemns_nobody_we_know(post: Any, way: str, proof: str) -> None:
    """Irina answered and put somebody in copy, who forges a report about a mail that the References name."""
    await post.open(mail=TOKENS)
    _, sent = await asked(post)
    question = email.message_from_bytes(sent.raw, policy=email.policy.default)
    await post.send(post.mail(IRINA, "Re: Принтер", To=str(question["Reply-To"]), Cc="eve@elsewhere.example"))
    await post.settled()
    to = sent.envelope_from if proof == "return path" else "support@otklik.example"
    if way == "bounce":
        await post.send(dsn(sent.raw, to=to), mail_from="")
    else:
        fields = f"Feedback-Type: abuse\r\nUser-Agent: P/1\r\nVersion: 1\r\nOriginal-Rcpt-To: {IRINA}"
        await post.send(report("feedback-report", fields, sent.raw, to=to), mail_from="")
    [kept] = await post.rows("delivery_reports")
    assert kept["proof"] == proof.replace("message-id", "our_message_id").replace(" ", "_")
    [address] = [row for row in await post.rows("addresses") if row["value"] == IRINA]
    marked = address["dead_at"] is not None or address["opted_out_at"] is not None
    assert marked is (proof == "return path")


@pytest.mark.parametrize("forgery", ["number", "token", "message-id", "recipient"])
async def test_a_forged_bounce_changes_nothing(post: Any, forgery: str) -> None:
    await post.open(mail=TOKENS)
    number, sent = await asked(post)
    token = sent.envelope_from
    forged_token = token.replace("@", "a@")[:13] + ("b" if token[13] != "b" else "c") + token[14:]
    original = sent.raw
    if forgery == "message-id":
        original = sent.raw.replace(b"Message-ID: <k1-", b"Message-ID: <k1-aaaa")
    to = forged_token if forgery == "token" else "support@otklik.example"
    bounce = dsn(original, to=to, strip=forgery != "message-id")
    if forgery == "number":
        bounce = bounce.replace(b"Undelivered Mail", f"Undelivered Mail [{number}]".encode())
    await post.send(bounce, mail_from="")
    tickets = await post.settled()
    assert way_of(tickets[0], "public_comment")["state"] == "sent"
    assert await post.rows("delivery_reports") == []
    assert all(row["dead_at"] is None for row in await post.rows("addresses"))
    assert len(tickets[0]["messages"]) == 2
    kept = tickets[1]
    assert [(link["number"], link["kind"]) for link in kept["links"]] == [(number, "review")]
    assert way_of(kept, "received")["reason"] == "automatic_mail"


async def test_a_complaint_opts_the_address_out(post: Any) -> None:
    await post.open()
    number, sent = await asked(post)
    fields = f"Feedback-Type: abuse\r\nUser-Agent: P/1\r\nVersion: 1\r\nOriginal-Rcpt-To: {IRINA}"
    await post.send(report("feedback-report", fields, sent.raw, to="support@otklik.example"))
    await post.comment(number, "Ещё вопрос")
    [ticket] = await post.settled()
    last = [n for n in ticket["notifications"] if n["event"] == "public_comment"][-1]
    assert last["deliveries"][0]["reason"] == "opted_out"
    assert "mail_complained" in [h["what"] for h in ticket["history"]]
    assert len(await post.tickets()) == 1


async def test_a_forged_complaint_opts_nobody_out(post: Any) -> None:
    await post.open()
    await asked(post)
    original = b"From: support@otklik.example\r\nTo: irina@sibtrans.example\r\nMessage-ID: <made@up.example>\r\n\r\n"
    fields = f"Feedback-Type: abuse\r\nVersion: 1\r\nOriginal-Rcpt-To: {IRINA}"
    await post.send(report("feedback-report", fields, original, to="support@otklik.example"))
    assert all(row["opted_out_at"] is None for row in await post.rows("addresses"))


@pytest.mark.parametrize("disposition, state", [("displayed", "read"), ("deleted", "sent")])
async def test_a_read_receipt(post: Any, disposition: str, state: str) -> None:
    await post.open()
    _, sent = await asked(post)
    fields = (
        f"Final-Recipient: rfc822;{IRINA}\r\nOriginal-Message-ID: <{sent.message_id}>\r\n"
        f"Disposition: manual-action/MDN-sent-manually; {disposition}"
    )
    bare = b"Subject: nothing\r\n\r\n"
    receipt = report("disposition-notification", fields, bare, to="support@otklik.example", sender=IRINA)
    await post.send(receipt, mail_from="")
    [ticket] = await post.settled()
    assert way_of(ticket, "public_comment")["state"] == state
    assert ticket["status"] == "new"


@pytest.mark.parametrize("way", ["return path", "reply-to", "references"])
async def test_an_absence_note_is_linked_and_reopens_nothing(post: Any, way: str) -> None:
    await post.open(mail=TOKENS)
    number, sent = await asked(post)
    mail = email.message_from_bytes(sent.raw, policy=email.policy.default)
    to = {"return path": sent.envelope_from, "reply-to": str(mail["Reply-To"]), "references": "support@otklik.example"}
    await post.program.change.status(number, Status.RESOLVED, Actor("staff:a.sokolova"), "Готово")
    await post.settled()
    note = post.mail(IRINA, "Автоответ: нет на месте", "Меня нет до понедельника", To=to[way])
    if way == "references":
        note["In-Reply-To"] = mail["Message-ID"]
    note["Auto-Submitted"] = "auto-replied"
    await post.send(note, mail_from="")
    [ticket] = await post.settled()
    assert ticket["status"] == "resolved"
    assert ticket["messages"][-1]["public"] is False
    assert "author_replied" not in [h["what"] for h in ticket["history"]]


async def test_whatever_comes_to_a_return_path_is_no_person(post: Any) -> None:
    """An autoresponder without any header answers the envelope's sender."""
    await post.open(mail=TOKENS)
    _, sent = await asked(post)
    before = len(post.relay.received)
    await post.send(post.mail(IRINA, "Спасибо за письмо", "Мы ответим", To=sent.envelope_from))
    [ticket] = await post.settled()
    assert ticket["messages"][-1]["kind"] == "auto_reply"
    assert len(post.relay.received) == before


async def test_our_own_mail_that_comes_back_makes_no_ticket(post: Any) -> None:
    await post.open()
    _, sent = await asked(post)
    before = len(post.relay.received)
    traced = b"Received: from nowhere by mx.example; Mon, 1 Jan 2026 00:00:00 +0000\r\n" + sent.raw
    await post.send(traced, to="support@otklik.example")
    [ticket] = await post.settled()
    assert ticket["messages"][-1]["kind"] == "own"
    assert ticket["messages"][-1]["public"] is False
    assert len(post.relay.received) == before


async def test_the_ledger_shows_what_came_back(post: Any) -> None:
    from uuid import UUID

    from desk.ledger import Ledger

    await post.open(mail=TOKENS)
    _, sent = await asked(post)
    await post.send(dsn(sent.raw, to=sent.envelope_from), mail_from="")
    [ticket] = await post.settled()
    ledger = Ledger(post.program.opened, post.program.site, post.program.clock)
    shown = await ledger.show(UUID(way_of(ticket, "public_comment")["id"]), "en")
    [entry] = shown["reports"]
    assert (entry["kind"], entry["recipient"], entry["status"], entry["attempt"]) == ("bounce", IRINA, "5.1.1", 1)


def plain(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())
