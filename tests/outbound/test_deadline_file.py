"""Deadlines as a calendar file: what RFC 5545 asks of any file, whatever is written in a ticket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from outbound.deadline_file import calendar, fold

DUE = datetime(2026, 11, 23, 12, 30, tzinfo=timezone(timedelta(hours=7)))
STAMP = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def unfolded(octets: bytes) -> list[str]:
    return octets.replace(b"\r\n ", b"").decode().split("\r\n")


def test_an_entry() -> None:
    made = calendar(
        [("a-resolve@x.ru", "NSK-26-000001: решить", DUE)], stamp=STAMP, description="Касса; чек", version=3
    )
    assert unfolded(made) == [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Otklik//Otklik//RU", "CALSCALE:GREGORIAN", "METHOD:PUBLISH",
        "BEGIN:VEVENT", "UID:a-resolve@x.ru", "DTSTAMP:20261122T090000Z", "SEQUENCE:3",
        "DTSTART:20261123T051500Z", "DTEND:20261123T053000Z", "SUMMARY:NSK-26-000001: решить",
        "DESCRIPTION:Касса\\; чек", "TRANSP:TRANSPARENT", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip


def test_without_entries_there_is_no_file() -> None:
    assert calendar([], stamp=STAMP) == b""


@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=60))
def test_no_words_become_structure(words: str, description: str, url: str) -> None:
    words, description = (w.encode("utf-8", "replace").decode() for w in (words, description))
    made = calendar([("u@x", words, DUE)], stamp=STAMP, description=description, url=url)
    lines = made.split(b"\r\n")
    assert all(len(line) <= 75 for line in lines)
    assert b"\n" not in made.replace(b"\r\n", b"")
    assert b"\r" not in made.replace(b"\r\n", b"")
    names = [line.partition(":")[0] for line in unfolded(made)]
    assert names.count("BEGIN") == names.count("END") == 2
    assert names.count("SUMMARY") == 1
    assert set(names) <= {
        "BEGIN", "END", "VERSION", "PRODID", "CALSCALE", "METHOD", "UID", "DTSTAMP", "SEQUENCE", "DTSTART", "DTEND",
        "SUMMARY", "DESCRIPTION", "URL", "TRANSP", "",
    }  # fmt: skip


@given(st.text(min_size=1, max_size=500))
def test_folding_splits_no_character(words: str) -> None:
    words = "".join(words.split()).encode("utf-8", "replace").decode()
    pieces = fold(words).split(b"\r\n")
    assert b"".join(piece[1:] if n else piece for n, piece in enumerate(pieces)).decode() == words
    for piece in pieces:
        piece.decode()
