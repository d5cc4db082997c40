"""The mails of the bench: the same every time, well formed, of the mix they claim."""

from __future__ import annotations

import email
import hashlib
from collections import Counter
from email.policy import default
from pathlib import Path

import pytest

from bench import corpus, mails
from bench.smtp_load import load, prepare, unique

COUNT = 400


@pytest.fixture(scope="module")
def made() -> list[bytes]:
    return mails.generate(COUNT)


def test_the_same_seed_gives_the_same_bytes(made: list[bytes]) -> None:
    assert hashlib.sha256(b"".join(mails.generate(60))).digest() == hashlib.sha256(b"".join(made[:60])).digest()
    assert mails.generate(3, seed=1) != made[:3]


def test_every_mail_is_well_formed(made: list[bytes]) -> None:
    for raw in made:
        parsed = email.message_from_bytes(raw, policy=default)
        assert [defect for part in parsed.walk() for defect in part.defects] == []
        assert all((parsed["from"].addresses, parsed["message-id"], parsed["subject"]))
        assert parsed.get_body(("plain",)).get_content().startswith(("Добрый день!", "Good morning,"))
        assert b"\n" not in raw.replace(b"\r\n", b"")
        assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_the_mix(made: list[bytes]) -> None:
    parsed = [email.message_from_bytes(raw, policy=default) for raw in made]
    kinds = Counter(mail.get_content_type() for mail in parsed)
    charsets = Counter(mail.get_body(("plain",)).get_content_charset() for mail in parsed)
    known = {mail["message-id"] for mail in parsed}
    replies = [mail["in-reply-to"] for mail in parsed if mail["in-reply-to"]]
    assert 0.2 < kinds["text/plain"] / COUNT < 0.45
    assert 0.4 < kinds["multipart/alternative"] / COUNT < 0.65
    assert 0.08 < kinds["multipart/mixed"] / COUNT < 0.22
    assert set(charsets) == {"utf-8", "koi8-r", "windows-1251", "us-ascii", "iso-8859-1"}
    assert 0.15 < len(replies) / COUNT < 0.35
    assert known.issuperset(replies)


def test_a_folder_is_described_by_what_is_in_it(tmp_path: Path, made: list[bytes]) -> None:
    folder = tmp_path
    mails.write(folder, 5)
    found = corpus.measure(folder, "bench.mails")
    assert (found.count, found.bytes) == (5, sum(map(len, made[:5])))
    assert found.sha256 == hashlib.sha256(b"".join(made[:5])).hexdigest()


def test_mails_sent_twice_differ_in_every_identifier_and_in_nothing_else(made: list[bytes]) -> None:
    for raw in made[:50]:
        first, second = (email.message_from_bytes(unique(raw, tag), policy=default) for tag in ("a", "b"))
        for name in ("message-id", "in-reply-to", "references"):
            plain = email.message_from_bytes(raw, policy=default)[name]
            assert first[name] == (plain.replace("<", "<a.") if plain else None)
            assert first[name] != second[name] or plain is None
        assert len(unique(raw, "a")) == len(unique(raw, "b"))


def test_dots_are_stuffed_and_the_mail_ends_once() -> None:
    prepared = prepare(b"From: A <a@b.example>\r\nMessage-ID: <x@y>\r\n\r\n.\r\n..two\r\nend", "t")
    assert prepared.mail == b"MAIL FROM:<a@b.example>\r\n"
    assert prepared.content.endswith(b"\r\n\r\n..\r\n...two\r\nend\r\n.\r\n")


def test_more_mails_than_there_are_files_are_sent_under_new_tags(tmp_path: Path) -> None:
    folder = tmp_path
    mails.write(folder, 3)
    assert len({mail.content for mail in load(folder, 10, "t")}) == 10
