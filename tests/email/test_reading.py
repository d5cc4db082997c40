"""Raw bytes to a message: header fields, bodies, files, references."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from channels.email.authenticity import author_of
from channels.email.read import OwnMail, attachment_bytes, html_of, read
from tickets.message import InboundMessage, Unreadable

Reader = Callable[..., InboundMessage]
Writer = Callable[..., bytes]

TOKEN = "a-" + "b" * 52


def test_the_fields_of_a_plain_mail(message: Reader, mail: Writer) -> None:
    found = message(mail(b"The printer\r\nis on fire.\r\n", Cc=b'"Petrov, Ivan" <ivan@example.ru>, boss@example.ru'))
    assert found.sender.value == "anna@example.ru"
    assert found.sender.name == "Anna"
    assert [r.value for r in found.recipients] == ["support@desk.example"]
    assert [(c.name, c.value) for c in found.cc] == [("Petrov, Ivan", "ivan@example.ru"), ("", "boss@example.ru")]
    assert found.subject == "Printer"
    assert found.text == "The printer\nis on fire."
    assert found.message_id == "1@example.ru"
    assert found.sent_at == datetime(2024, 6, 3, 7, tzinfo=UTC)
    assert found.language == "en"
    assert found.acknowledge
    assert found.defects == ()


def test_line_feeds_alone_are_line_ends_too(message: Reader, mail: Writer) -> None:
    raw = mail(b"one\r\ntwo")
    assert message(raw.replace(b"\r\n", b"\n")).text == message(raw).text == "one\ntwo"


def test_carriage_returns_alone_are_line_ends_whatever_the_door_puts_behind_them(message: Reader, mail: Writer) -> None:
    raw = mail(b"one\r\ntwo").rstrip().replace(b"\r\n", b"\r")
    other = mail(b"one\r\nthree").rstrip().replace(b"\r\n", b"\r")
    for end in (b"", b"\r", b"\n", b"\r\n"):
        found = message(raw + end)
        assert (found.subject, found.text, found.defects) == ("Printer", "one\ntwo", ("bare_cr",))
        assert found.digest != message(other + end).digest
        assert author_of(raw + end, "anna@example.ru") == "anna@example.ru"


@pytest.mark.parametrize(
    "field, name, address",
    [
        (b"anna@example.ru", "", "anna@example.ru"),
        (b"<anna@example.ru>", "", "anna@example.ru"),
        (b"anna@example.ru (Anna)", "Anna", "anna@example.ru"),
        (b'"Anna \\"Ann\\" P." <anna@example.ru>', 'Anna "Ann" P.', "anna@example.ru"),
        (b"=?utf-8?B?0JDQvdC90LA=?= <anna@example.ru>", "Анна", "anna@example.ru"),
        (b'"=?koi8-r?B?4c7OwQ==?=" <anna@example.ru>', "Анна", "anna@example.ru"),
        (b"=?utf-8?Q?=D0=9F=2C_=D0=90?= <anna@example.ru>", "П, А", "anna@example.ru"),
        (b"\xc0\xed\xed\xe0 <anna@example.ru>", "Анна", "anna@example.ru"),
        (b'"boss@example.ru" <anna@example.ru>', "boss@example.ru", "anna@example.ru"),
        (b"=?utf-8?Q?boss=40example.ru?= <anna@example.ru>", "boss@example.ru", "anna@example.ru"),
        (b"Anna <@relay.example,@b.example:anna@example.ru>", "Anna", "anna@example.ru"),
        (b"Anna <anna@example.ru", "Anna", "anna@example.ru"),
        (b"Team: anna@example.ru, ivan@example.ru;", "", "anna@example.ru"),
        (b"=?utf-8?B?0JDQvdC90LAgPGFubmFAZXhhbXBsZS5ydT4=?=", "Анна", "anna@example.ru"),
    ],
)
def test_senders(message: Reader, mail: Writer, field: bytes, name: str, address: str) -> None:
    sender = message(mail(From=field)).sender
    assert (sender.name, sender.value) == (name, address)


def test_without_from_the_envelope_names_the_sender(message: Reader, mail: Writer) -> None:
    found = message(mail(From=None), mail_from="anna@example.ru")
    assert found.sender.value == "anna@example.ru"
    assert "from_missing" in found.defects


def test_a_sender_without_address_cannot_be_acknowledged(message: Reader, mail: Writer) -> None:
    found = message(mail(From=b"root"))
    assert found.sender.name == "root"
    assert not found.acknowledge


def test_two_froms_are_noted_and_the_first_counts(message: Reader, mail: Writer) -> None:
    found = message(b"From: first@example.ru\r\n" + mail())
    assert found.sender.value == "first@example.ru"
    assert "from_repeated" in found.defects


@pytest.mark.parametrize(
    "field, subject",
    [
        (b"=?utf-8?B?0J/RgNC40L3Rgg==?=\r\n =?utf-8?B?0LXRgA==?=", "Принтер"),
        (b"=?utf-8?B?0J/RgNC40L3RgtC=?= =?utf-8?B?tdGA?=", "Принтер"),
        (b"=?windows-1251?Q?=CF=F0=E8=ED=F2=E5=F0?= 5", "Принтер 5"),
        (b"=?utf-8?B?z/Do7fLl8CDt5SDv5ffg8uDl8g==?=", "Принтер не печатает"),
        ("=?utf-8?Q?Принтер?=".encode(), "Принтер"),
        ("Принтер".encode(), "Принтер"),
        ("Принтер не печатает".encode("koi8-r"), "Принтер не печатает"),
        (b"=?unknown-charset?Q?caf=C3=A9?=", "café"),
        (b"Re: =?utf-8?q?a_b?=_c", "Re: a b_c"),
        (b"=?utf-8?B?broken", "=?utf-8?B?broken"),
        (b"one\r\n\ttwo", "one two"),
        (b"bell\x07 and nul\x00", "bell and nul"),
    ],
)
def test_subjects(message: Reader, mail: Writer, field: bytes, subject: str) -> None:
    assert message(mail(Subject=field)).subject == subject


@pytest.mark.parametrize(
    "date, instant",
    [
        (b"Mon, 3 Jun 2024 10:00:00 +0300", datetime(2024, 6, 3, 7, tzinfo=UTC)),
        (b"3 Jun 2024 10:00 GMT", datetime(2024, 6, 3, 10, tzinfo=UTC)),
        (b"Mon, 03 Jun 2024 10:00:00 -0000 (UTC)", datetime(2024, 6, 3, 10, tzinfo=UTC)),
        (b"Mon, 3 Jun 24 10:00:00 EST", datetime(2024, 6, 3, 15, tzinfo=UTC)),
        (b"yesterday", None),
        (b"Mon, 99 Jun 2024 10:00:00 +0300", None),
        (b"Mon, 3 Jun 0001 00:00:00 +0300", None),
    ],
)
def test_dates(message: Reader, mail: Writer, date: bytes, instant: datetime | None) -> None:
    found = message(mail(Date=date))
    assert found.sent_at == instant
    assert ("date_unreadable" in found.defects) == (instant is None)


def multipart(kind: bytes) -> dict[str, bytes]:
    return {"Content_Type": b"multipart/" + kind + b"; boundary=edge"}


def joined(*parts: bytes) -> bytes:
    return b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"


PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\nplain words"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>rich <b>words</b><script>alert(1)</script></p>"


def test_of_alternatives_the_plain_one_is_read_and_the_html_shown_on_demand(message: Reader, mail: Writer) -> None:
    raw = mail(joined(PLAIN, HTML), **multipart(b"alternative"))
    found = message(raw)
    assert (found.text, found.html) == ("plain words", "")
    assert html_of(raw) == message(raw, want_html=True).html == "<p>rich <b>words</b></p>"


def test_html_is_read_where_the_plain_alternative_is_blank(message: Reader, mail: Writer) -> None:
    blank = b"Content-Type: text/plain\r\n\r\n \r\n"
    assert message(mail(joined(blank, HTML), **multipart(b"alternative"))).text == "rich words"


def test_html_keeps_lines_and_marks_history(message: Reader, mail: Writer) -> None:
    body = (
        "<style>p{color:red}</style><p>Не печатает</p><ul><li>раз<li>два</ul>"
        "<div class=gmail_quote><div class=gmail_attr>Вы писали:</div><blockquote>Добрый день</blockquote></div>"
    )
    found = message(mail(body.encode(), Content_Type=b"text/html; charset=utf-8"))
    assert found.reply_text == "Не печатает\n\nраз\nдва"
    assert "Добрый день" in found.text
    assert "color" not in found.text


FILE = bytes(range(256)) * 40


def attached(name: bytes) -> bytes:
    return (
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; " + name + b"\r\n\r\n" + b64encode(FILE)
    )


@pytest.mark.parametrize(
    "parameter, name",
    [
        (b"filename=act.pdf", "act.pdf"),
        (b'filename="my act.pdf"', "my act.pdf"),
        (b"filename*=utf-8''%D0%B0%D0%BA%D1%82.pdf", "акт.pdf"),
        (b"filename*0*=windows-1251''%E0%EA;\r\n filename*1*=%F2.pdf", "акт.pdf"),
        (b'filename*0="long-"; filename*1="name.pdf"', "long-name.pdf"),
        (b'filename="=?koi8-r?B?wcvULnBkZg==?="', "акт.pdf"),
        ('filename="акт осмотра.pdf"'.encode("cp1251"), "акт осмотра.pdf"),
        (b'filename="../../etc/passwd"', "passwd"),
        (b'filename="C:\\temp\\act.pdf"', "act.pdf"),
        (b'filename="a\x00b.pdf"', "a b.pdf"),
        ('filename="act\u202efdp.exe"'.encode(), "actfdp.exe"),
        (b'filename="..."', "part-2.pdf"),
        (b"", "part-2.pdf"),
    ],
)
def test_file_names(message: Reader, mail: Writer, parameter: bytes, name: str) -> None:
    found = message(mail(joined(PLAIN, attached(parameter)), **multipart(b"mixed")))
    assert [a.name for a in found.attachments] == [name]


def test_a_file_name_of_any_length_is_cut_and_keeps_its_extension(message: Reader, mail: Writer) -> None:
    found = message(mail(joined(PLAIN, attached(b"filename=" + b"x" * 4000 + b".pdf")), **multipart(b"mixed")))
    assert len(found.attachments[0].name) == 150
    assert found.attachments[0].name.endswith("x.pdf")


def test_a_file_is_measured_on_reading_and_decoded_on_demand(message: Reader, mail: Writer) -> None:
    raw = mail(joined(PLAIN, attached(b"filename=act.pdf")), **multipart(b"mixed"))
    described = message(raw).attachments[0]
    data, again = attachment_bytes(raw, described.part)
    assert data == FILE
    assert described == again
    assert (described.part, described.size) == ("2", len(FILE))
    assert described.sha256 == hashlib.sha256(FILE).hexdigest()
    with pytest.raises(LookupError):
        attachment_bytes(raw, "7.7")


def test_inline_pictures_are_files_with_their_identifier(message: Reader, mail: Writer) -> None:
    picture = b"Content-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA"
    found = message(mail(joined(HTML, picture), **multipart(b"related")))
    assert [(a.name, a.inline, a.content_id) for a in found.attachments] == [("part-2.png", True, "logo@x")]


def test_a_forwarded_mail_is_a_file(message: Reader, mail: Writer) -> None:
    forwarded = b"Content-Type: message/rfc822\r\n\r\nFrom: x@example.ru\r\nSubject: inner\r\n\r\ninner words"
    found = message(mail(joined(PLAIN, forwarded), **multipart(b"mixed")))
    assert found.text == "plain words"
    assert found.attachments[0].content_type == "message/rfc822"


@pytest.mark.parametrize(
    "body, defect",
    [
        (b"--edge\r\n" + PLAIN, "boundary_unclosed"),
        (b"plain words", "boundary_not_found"),
    ],
)
def test_broken_structure_is_still_read(message: Reader, mail: Writer, body: bytes, defect: str) -> None:
    found = message(mail(body, **multipart(b"mixed")))
    assert found.text == "plain words"
    assert defect in found.defects


def test_base64_is_decoded_as_far_as_it_goes(message: Reader, mail: Writer) -> None:
    for body in (b"aGVsbG8=", b"aGVs\r\nbG8", b"aGVsbG8=\r\n-- \r\nfooter!", b"aGVs!!bG8=", b"aGVs====bG8="):
        assert message(mail(body, Content_Transfer_Encoding=b"base64")).text.startswith("hello")


def test_a_header_that_runs_into_the_body(message: Reader) -> None:
    found = message(b"From: anna@example.ru\r\nSubject: x\r\nThe printer is on fire\r\nand so is the desk")
    assert found.subject == "x"
    assert found.text == "The printer is on fire\nand so is the desk"


def test_references_are_newest_first(message: Reader, mail: Writer) -> None:
    found = message(mail(In_Reply_To=b"<3@x>", References=b"<1@x> <2@x>\r\n <3@x>"))
    assert found.refs.message_ids == ("3@x", "2@x", "1@x")
    assert found.extra["references"] == ["1@x", "2@x", "3@x"]


def test_only_the_first_five_numbers_count(message: Reader, mail: Writer) -> None:
    subject = " ".join(f"MSK-26-{n:06d}" for n in range(140))
    assert message(mail(Subject=subject.encode())).refs.numbers == tuple(f"MSK-26-{n:06d}" for n in range(5))


def test_numbers_are_found_in_the_subject(message: Reader, mail: Writer) -> None:
    assert message(mail(Subject=b"Re: [MSK-26-000123] Printer")).refs.numbers == ("MSK-26-000123",)


@pytest.mark.parametrize(
    "lines, rcpt_to, body",
    [
        ({"To": f"reply+{TOKEN}@desk.example".encode()}, (), b""),
        ({"To": f"Reply+{TOKEN.upper()}@desk.example".encode()}, (), b""),
        ({"Cc": f"Desk <reply+{TOKEN}@desk.example>".encode()}, (), b""),
        ({"Delivered_To": f"reply+{TOKEN}@desk.example".encode()}, (), b""),
        ({}, (f"reply+{TOKEN}@desk.example",), b""),
        ({}, (), f"words\r\n> ref: {TOKEN}\r\n".encode()),
    ],
)
def test_tokens_are_collected(
    message: Reader, mail: Writer, lines: dict[str, bytes], rcpt_to: tuple[str, ...], body: bytes
) -> None:
    assert message(mail(body, **lines), rcpt_to=rcpt_to).refs.tokens == (TOKEN,)


def test_no_token_is_made_of_ordinary_words(message: Reader, mail: Writer) -> None:
    assert message(mail(b"a-b-c well-known e-mail +7-495-1234567", To=b"help+sales@x.ru")).refs.tokens == ()


def test_recipients_only_the_envelope_knows_come_last(message: Reader, mail: Writer) -> None:
    found = message(mail(), rcpt_to=("Support@desk.example", "msk@desk.example"))
    assert [r.value for r in found.recipients] == ["support@desk.example", "msk@desk.example"]


def test_the_digest_forgets_the_way_and_remembers_the_content(message: Reader, mail: Writer) -> None:
    one = message(mail(b"words\r\n", Received=b"from a by b; Mon, 3 Jun 2024 10:00:00 +0300"))
    other = message(mail(b"words\n", Received=b"from c by d", Content_Transfer_Encoding=b"8bit"))
    assert one.digest == other.digest
    assert message(mail(b"other words")).digest != one.digest
    assert message(mail(b"words", Subject=b"Other")).digest != one.digest


def test_mail_without_date_and_identifier_is_joined_for_minutes_only(message: Reader, mail: Writer) -> None:
    assert message(mail()).window == timedelta(hours=24)
    assert message(mail(Date=None)).window == timedelta(hours=24)
    assert message(mail(Date=None, Message_ID=None)).window == timedelta(minutes=10)


@pytest.mark.parametrize("raw, reason", [(b"", "empty"), (b"\r\n \r\n", "empty"), (b"just words", "not_mail")])
def test_what_is_no_mail(raw: bytes, reason: str) -> None:
    found = read(raw, account="support", external_id="1", received_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(found, Unreadable)
    assert found.reason == reason


def test_bare_words_with_an_envelope_are_mail(message: Reader) -> None:
    found = message(b"disk full on srv1\n", mail_from="monitor@example.ru")
    assert (found.text, found.sender.value) == ("disk full on srv1", "monitor@example.ru")


def test_our_own_mail_is_known_by_address_and_by_identifier(message: Reader, mail: Writer) -> None:
    own = OwnMail(frozenset({"desk@desk.example"}), frozenset({"desk.example"}))
    made = f"<{TOKEN}.{'c' * 26}@desk.example>".encode()
    assert message(mail(From=b"Desk <Desk@desk.example>"), own=own).kind == "own"
    assert message(mail(Message_ID=made), own=own).kind == "own"
    assert message(mail(Message_ID=b"<77@desk.example>"), own=own).kind == "human"
