"""Outgoing mail, read back by the standard library."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import OutMessage, SendFailed
from channels.email.compose import body_text, compose, mailbox, one_line

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PLAIN = OutMessage(
    id="0193-1",
    channel="email",
    address="ivan@example.ru",
    subject="Заявка MSK-26-000123 принята",
    text="Здравствуйте!\nЗаявка принята.\n",
    html="<p>Здравствуйте!</p>\n",
    name="Иван Петров",
    message_id="d1@help.example.ru",
    sender="Служба поддержки <help@example.ru>",
    reply_to="help+abc@example.ru",
    in_reply_to="q1@example.ru",
    references=("q0@example.ru", "q1@example.ru"),
)
FIELDS = [
    "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "Content-Language", "MIME-Version", "Content-Type",
]  # fmt: skip


def parse(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def bodies(mail: EmailMessage) -> list[str]:
    leaves: list[Any] = [part for part in mail.walk() if not part.is_multipart()]
    assert [leaf.defects for leaf in leaves] == [[]] * len(leaves)
    return [leaf.get_payload(decode=True).decode().replace("\r\n", "\n") for leaf in leaves]


def test_a_whole_mail() -> None:
    mail = parse(compose(PLAIN, date=NOW))
    assert list(mail.keys()) == FIELDS
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert bodies(mail) == [PLAIN.text, PLAIN.html]
    assert mail["From"].addresses[0].display_name == "Служба поддержки"
    assert mail["To"].addresses[0].addr_spec == "ivan@example.ru"
    assert mail["Date"].datetime == NOW
    assert mail["References"] == "<q0@example.ru> <q1@example.ru>"
    assert mail["In-Reply-To"] == "<q1@example.ru>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "ru"


ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=120) | st.text(
    'ab\r\n\0 =?_"\\<>,;:@.я\ud800', max_size=200
)


@given(subject=ANY, name=ANY, sender=ANY, text=ANY, html=ANY)
def test_any_text_survives_and_none_becomes_structure(
    subject: str, name: str, sender: str, text: str, html: str
) -> None:
    clean_sender = sender.replace("<", "").replace(">", "").strip().strip('"').strip()
    message = replace(
        PLAIN, subject=subject, name=name, sender=f"{clean_sender} <help@example.ru>", text=text, html=html
    )
    raw = compose(message, date=NOW)
    assert not {*b"\r\n\0"} & {*raw.replace(b"\r\n", b"")}
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    head, _, _ = raw.partition(b"\r\n\r\n")
    assert all(len(line) <= 78 for line in head.split(b"\r\n") if b"=?" in line)
    mail = parse(raw)
    assert list(mail.keys()) == FIELDS + ([] if html else ["Content-Transfer-Encoding"])
    assert mail["Subject"] == one_line(subject)
    # The standard library puts spaces between the encoded words of a display name; RFC 2047, section 6.2, says not to.
    assert [("".join(to.display_name.split()), to.addr_spec) for to in mail["To"].addresses] == [
        ("".join(one_line(name).split()), "ivan@example.ru")
    ]
    assert [who.addr_spec for who in mail["From"].addresses] == ["help@example.ru"]
    assert bodies(mail) == ([body_text(text), body_text(html)] if html else [body_text(text)])


@given(noise=ANY)
def test_identifiers_and_languages_from_outside_are_taken_whole_or_not_at_all(noise: str) -> None:
    message = replace(PLAIN, message_id=noise, in_reply_to=noise, references=(noise, "q1@example.ru"), language=noise)
    mail = parse(compose(message, date=NOW))
    assert set(mail.keys()) <= set(FIELDS)
    assert len(mail.keys()) == len(set(mail.keys()))
    assert mail["Message-ID"].startswith("<")
    assert mail["References"].endswith("<q1@example.ru>")


@given(address=ANY)
def test_an_address_is_a_mailbox_or_refuses_the_mail(address: str) -> None:
    with suppress(SendFailed):
        assert len(parse(compose(replace(PLAIN, address=address, name=""), date=NOW))["To"].addresses) == 1


@pytest.mark.parametrize(
    "given_address, wire",
    [
        ("ivan@example.ru", "ivan@example.ru"),
        (" ivan@example.ru ", "ivan@example.ru"),
        ("ivan@Почта.рф", "ivan@xn--80a1acny.xn--p1ai"),
        ("ivan@[192.0.2.1]", "ivan@[192.0.2.1]"),
        ('"ivan petrov"@example.ru', '"ivan petrov"@example.ru'),
    ],
)
def test_mailboxes(given_address: str, wire: str) -> None:
    assert mailbox(given_address) == wire


@pytest.mark.parametrize(
    "address, code, dead",
    [
        ("иван@example.ru", "5.6.7", False),
        ("ivan", "5.1.3", True),
        ("", "5.1.3", True),
        ("ivan@", "5.1.3", True),
        ("a@b@c", "5.1.3", True),
        ("ivan@example.ru\r\nBcc: all@example.ru", "5.1.3", True),
        ("ivan@example.ru>, <all@example.ru", "5.1.3", True),
        ("ivan petrov@example.ru", "5.1.3", True),
        ("ivan@exa\0mple.ru", "5.1.3", True),
        ("ivan@-.ru", "5.1.3", True),
    ],
)
def test_what_is_no_mailbox(address: str, code: str, dead: bool) -> None:
    with pytest.raises(SendFailed) as caught:
        compose(replace(PLAIN, address=address), date=NOW)
    assert (caught.value.code, caught.value.retryable, caught.value.address_dead) == (code, False, dead)


def test_our_own_wrong_address_does_not_condemn_the_recipients() -> None:
    for wrong in (replace(PLAIN, sender=""), replace(PLAIN, reply_to="nobody")):
        with pytest.raises(SendFailed, match="our own address") as caught:
            compose(wrong, date=NOW)
        assert not caught.value.address_dead


def test_letters_outside_ascii_in_a_local_part_need_smtputf8() -> None:
    raw = compose(replace(PLAIN, address="иван@почта.рф", name=""), date=NOW, smtputf8=True)
    assert "To: иван@xn--80a1acny.xn--p1ai\r\n".encode() in raw


@pytest.mark.parametrize(
    "automatic, said, field",
    [
        (True, None, "auto-generated"),
        (True, "auto-replied", "auto-replied"),
        (True, "no\r\nX-Evil: 1", "auto-generated"),
        (False, "auto-replied", None),
    ],
)
def test_automatic_mail_says_so(automatic: bool, said: str | None, field: str | None) -> None:
    extra = {} if said is None else {"auto_submitted": said}
    mail = parse(compose(replace(PLAIN, automatic=automatic, extra=extra), date=NOW))
    assert mail["Auto-Submitted"] == field
    assert mail["X-Auto-Response-Suppress"] == ("DR, RN, NRN, OOF, AutoReply" if automatic else None)
    assert "Precedence" not in mail


def test_without_html_there_is_one_part() -> None:
    mail = parse(compose(replace(PLAIN, html="", text="Plain text.\n"), date=NOW))
    assert (mail.get_content_type(), mail["Content-Transfer-Encoding"]) == ("text/plain", "7bit")
    assert bodies(mail) == ["Plain text.\n"]


def test_a_thread_keeps_its_root_and_its_newest_references() -> None:
    message = replace(PLAIN, references=tuple(f"m{n}@example.ru" for n in range(50)))
    kept = parse(compose(message, date=NOW))["References"].split()
    assert kept == ["<m0@example.ru>", *(f"<m{n}@example.ru>" for n in range(31, 50))]


def test_every_try_sends_the_same_octets() -> None:
    assert compose(PLAIN, date=NOW) == compose(replace(PLAIN), date=NOW)
    unnamed = replace(PLAIN, message_id="")
    assert parse(compose(unnamed, date=NOW))["Message-ID"] == parse(compose(unnamed, date=NOW))["Message-ID"]


def test_a_text_that_contains_the_boundary() -> None:
    boundary = parse(compose(PLAIN, date=NOW)).get_boundary()
    mail = parse(compose(replace(PLAIN, text=f"--{boundary}--\n"), date=NOW))
    assert bodies(mail) == [f"--{boundary}--\n", PLAIN.html]


def test_a_date_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        compose(PLAIN, date=datetime(2026, 11, 21))
