"""Any bytes give a message or an `Unreadable`, in bounded time, and what comes out can be stored and sent as JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.garbage_mails import check_storable
from channels.email import headers
from channels.email.html import sanitise, to_text
from channels.email.parse import MAX_PARTS
from channels.email.read import attachment_bytes, html_of, read
from tickets.address import Address, AddressKind
from tickets.message import InboundMessage, Unreadable

NOW = datetime(2026, 11, 21, tzinfo=UTC)
HEAD = b"From: a@example.ru\r\nSubject: x\r\nDate: Mon, 3 Jun 2024 10:00:00 +0300\r\n"
MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def taken(raw: bytes, **given: Any) -> InboundMessage | Unreadable:
    found = read(raw, account="a", external_id="1", received_at=NOW, **given)
    check_storable(found)
    if isinstance(found, Unreadable):
        assert found.reason in ("empty", "not_mail"), found
    else:
        assert len(found.digest) == 32
        for attachment in found.attachments:
            assert attachment_bytes(raw, attachment.part)[1].sha256 == attachment.sha256
    return found


@pytest.mark.parametrize("sign, error", [("\x00", AssertionError), ("\ud800", UnicodeEncodeError)])
@pytest.mark.parametrize("field", ["subject", "sender", "cc"])
def test_what_no_database_stores_would_be_noticed_wherever_it_stands(
    sign: str, error: type[Exception], field: str
) -> None:
    bad = Address(AddressKind.EMAIL, "a@b.example", f"n{sign}")
    found = read(HEAD + b"\r\ntext", account="a", external_id="1", received_at=NOW)
    check_storable(found)
    setattr(found, field, {"subject": f"s{sign}", "sender": bad, "cc": (bad,)}[field])
    with pytest.raises(error):
        check_storable(found)


@given(st.binary(max_size=300), st.sampled_from([None, "", "<>", "a@b.ru", "\x00"]))
def test_any_bytes(raw: bytes, mail_from: str | None) -> None:
    taken(raw, mail_from=mail_from)


PIECES = st.sampled_from(
    [
        *(name + b": " for name in (b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"References", b"X")),
        b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: multipart/report; boundary=b\r\n",
        b"Content-Type: multipart/alternative; boundary=\"b\"\r\n", b"Content-Type: text/html; charset=utf-7\r\n",
        b"Content-Type: message/delivery-status\r\n", b"Content-Type: message/rfc822\r\n", b"MAILER-DAEMON@x\r\n",
        b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Transfer-Encoding: x-uuencode\r\n", b"Content-Disposition: attachment; filename*0*=utf-8''%FF;\r\n",
        b"Final-Recipient: rfc822; a@b\r\n", b"Status: 5.1.1\r\n", b"--b\r\n", b"--b--\r\n", b"\r\n", b"\n", b"\r",
        b"\x00",        b"=?utf-8?B?", b"=?koi8-r?Q?", b"?=", b"=D0", b"\xd0", b"\xff", b"<", b">", b"@",
        b"(", b"\"", b"\\", b",", b";", b":",
        b"<div>", b"<blockquote>", b"&#0;", b"&#xD800;", b"+2AA-", b"On 2024 12:30 <a@b> wrote:\r\n", b"> q\r\n",
        b"-- \r\n",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=4)), max_size=40).map(b"".join), st.booleans())
def test_any_mixture_of_what_mails_are_made_of(raw: bytes, null: bool) -> None:
    taken(raw, mail_from="" if null else "a@b.ru", want_html=True)
    html_of(raw)


@given(st.text(max_size=300))
def test_any_html(source: str) -> None:
    whole, fresh = to_text(source)
    assert len(fresh) <= len(whole) or not whole
    assert "<script" not in sanitise(source).lower()


WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x4FF, exclude_categories=["Cc", "Cs", "Zs"]), min_size=1)


@given(
    subject=WORDS.filter(lambda s: s.isprintable()),
    body=WORDS,
    files=st.lists(st.tuples(st.sampled_from(["a.bin", "акт.pdf"]), st.binary(max_size=6000)), max_size=3),
)
def test_mails_of_the_standard_library_are_read_as_they_were_written(
    subject: str, body: str, files: list[tuple[str, bytes]]
) -> None:
    mail = EmailMessage()
    mail["From"] = "Анна <anna@example.ru>"
    mail["Subject"] = subject
    mail.set_content(body)
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    found = taken(mail.as_bytes())
    assert isinstance(found, InboundMessage)
    assert found.subject.split() == subject.split()
    assert found.text.split() == body.split()
    assert found.sender.name == "Анна"
    assert [(a.name, a.size) for a in found.attachments] == [(name, len(data)) for name, data in files]


BOMBS = {
    "nesting": HEAD
    + b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (i, i) for i in range(3000)),
    "parts": HEAD + MIXED + b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n" * 20_000 + b"--b--",
    "one boundary nested": HEAD + MIXED + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 20_000,
    "boundaries that only begin alike": HEAD + MIXED + b"--bb\r\n" * 100_000,
    "a line of a megabyte": HEAD + b"\r\n" + b"x" * 10**6,
    "fields": b"X-A: b\r\n" * 200_000 + HEAD + b"\r\nx",
    "a field of a megabyte": b"X: " + b"a" * 10**6 + b"\r\n" + HEAD + b"\r\nx",
    "mailboxes": HEAD + b"To: " + b"a@b,\r\n " * 100_000 + b"\r\n\r\nx",
    "open quotes": HEAD + b"To: " + b'"\\' * 50_000 + b"\r\n\r\nx",
    "open words": b"Subject: " + b"=?utf-8?q?" * 50_000 + b"\r\n" + HEAD + b"\r\nx",
    "parameters": HEAD + b"Content-Type: text/plain" + b';a="\\' * 50_000 + b"\r\n\r\nx",
    "identifiers": HEAD + b"References: " + b"<a@b> " * 50_000 + b"\r\n\r\nx",
    "padding": HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=A" * 200_000,
    "open tags": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000,
    "attributes": HEAD + b"Content-Type: text/html\r\n\r\n<p" + b" a" * 50_000 + b">x",
    "introductions": HEAD + b"\r\nx\r\n" + b"On 2024-06-05 12:30 <a@b> wrote\r\n" * 20_000,
    "signatures": HEAD + b"\r\nx\r\n" + b"--\r\n" * 100_000,
    "8-bit": HEAD + b"\r\n" + (bytes(range(128, 256)) + b"\n") * 5000,
    "a bounce": b"From: MAILER-DAEMON@x\r\nSubject: failure notice\r\n\r\n"
    + b"not delivered a@b.ru 550 5.1.1 " * 10_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_read_like_other_mail(name: str) -> None:
    found = read(BOMBS[name], account="a", external_id="1", received_at=NOW, mail_from="a@b.ru", want_html=True)
    assert isinstance(found, InboundMessage)
    assert found.sender.value == ("MAILER-DAEMON@x" if name == "a bounce" else "a@example.ru")
    assert len(found.attachments) <= MAX_PARTS + 1


def cost(pattern: str, length: int) -> float:
    """Seconds of computing for an address field of that many characters, at its luckiest."""
    text = (pattern * length)[:length]
    spent = []
    for _ in range(3):
        begin = time.process_time()
        headers._listed(text, None)
        spent.append(time.process_time() - begin)
    return min(spent)


@pytest.mark.parametrize("pattern", ["=", "(=", '"\\', "@:", "x", "=@", '""', "<x>=", "a@b ="])
def test_address_fields_take_time_linear_in_their_length(pattern: str) -> None:
    assert cost(pattern, 65_536) < 24 * max(cost(pattern, 8_192), 0.0005)


@pytest.mark.parametrize("pattern", ["=", "(=", '"\\', "@:", "x", "=@", '""', "<x>="])
def test_no_character_of_an_address_field_costs_much_more_than_another(pattern: str) -> None:
    assert cost(pattern, 65_536) < 10 * cost(":", 65_536)


ORDINARY = HEAD + b"\r\n" + b"The printer on the second floor jams again and again.\r\n" * 3_900
BOUNCING = b"From: MAILER-DAEMON@x\r\nSubject: failure notice\r\n\r\n"
DELIVERY_STATUS = (
    BOUNCING.rstrip()
    + b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=r"
    b"\r\n\r\n--r\r\n\r\nSorry.\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\n"
)
MODERATE = {
    "a delivery status of blank lines": DELIVERY_STATUS + b"\n" * 80_000,
    "a delivery status of bare returns": DELIVERY_STATUS + b"\r" * 80_000,
    "a delivery status of short blocks": DELIVERY_STATUS + b"a: b\r\n\r\n" * 10_000,
    "an author of at signs": b"From: " + b"@" * 250_000 + b"\r\n\r\nx",
    "an author in many lines": b"From: a\r\n" + b" a@b\r\n" * 3_900 + b"\r\nx",
    "an author of brackets": b"From: " + b">" * 250_000 + b"\r\n\r\nx",
    "a bounce of dashes": BOUNCING + b"-" * 250_000,
    "a bounce of colons": BOUNCING + (b":" * 60 + b"\r\n") * 3_900,
    "a bounce of mailboxes": BOUNCING + (b"a@b.ru " * 8 + b"\r\n") * 3_900,
}


def reading(raw: bytes) -> float:
    """Seconds of computing for a mail with the null sender, at its luckiest."""
    spent = []
    for _ in range(3):
        begin = time.process_time()
        read(raw, account="a", external_id="1", received_at=NOW, mail_from="")
        spent.append(time.process_time() - begin)
    return min(spent)


@pytest.mark.parametrize("name", MODERATE)
def test_no_mail_of_moderate_size_costs_much_more_than_another(name: str) -> None:
    assert reading(MODERATE[name]) < 6 * reading(ORDINARY)


def test_an_address_field_is_cut_between_two_addresses() -> None:
    field = b", ".join(b"a%d@example.ru" % n for n in range(4000))
    defects: list[str] = []
    boxes = headers.mailboxes([field], defects)
    assert defects == ["recipients_cut"]
    assert boxes == [("", f"a{n}@example.ru") for n in range(len(boxes))]
    assert 900 < len(boxes) <= headers.MAX_MAILBOXES
    assert len(headers.mailboxes([b"=" * 65_536] * 3)[0][0]) == headers.MAX_ADDRESSES


def test_what_lies_beyond_the_limits_is_kept_as_one_file() -> None:
    found = taken(HEAD + MIXED + b"--b\r\nContent-Type: text/plain\r\n\r\nword\r\n" * 1500)
    assert isinstance(found, InboundMessage)
    assert found.text.count("word") == MAX_PARTS
    assert len(found.attachments) == 1
    assert "too_many_parts" in found.defects


@pytest.mark.parametrize(
    "source",
    [
        "<img src=http://x/a.png>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='//x/y'>x</a>",
        "<p style='background:url(http://x)' onclick=alert(1)>x</p>",
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        "<table background=http://x/y><tr><td>x</table>",
        "<meta http-equiv=refresh content='0;url=http://x'><link rel=stylesheet href=http://x><base href=http://x>",
        "<form action=http://x><input name=a></form><iframe src=http://x></iframe>",
        "<title>t</title><style>p{}</style>",
    ],
)
def test_html_runs_nothing_and_loads_nothing(source: str) -> None:
    out = sanitise(source)
    assert not any(mark in out for mark in ("http://", "javascript", "onclick", "alert", "<form", "style", "//x"))


def test_pictures_of_the_mail_itself_and_links_stay() -> None:
    assert sanitise('<img src="cid:logo@x">') == '<img src="cid:logo@x">'
    assert 'href="https://example.ru/"' in sanitise('<a href="https://example.ru/">x</a>')
