"""People are people, whatever words they use; programs are programs, whatever they call themselves.

Who is wrongly taken for a program gets no acknowledgement: one in a hundred at most. A program that is thanked may
answer, so that there must be none.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from channels.email.read import OwnMail, read
from tickets.message import InboundMessage

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
HELP = frozenset({"help@otklik.example"})
OWN = OwnMail(HELP, frozenset({"otklik.example"}), HELP)
STARTS = {"application/pdf": b"%PDF-1.4\n", "image/tiff": b"II*\0", "image/png": b"\x89PNG\r\n\x1a\n"}


def table(name: str) -> list[Any]:
    """Every mail of a table, named by its trait and subject."""
    groups = tomllib.loads((HERE / name).read_text(encoding="utf-8"))["why"]
    return [
        pytest.param(each, id=f"{group['trait']}: {each['s'] or 'no subject'}")
        for group in groups
        for each in group["mails"]
    ]


PEOPLE = table("people.toml")
PROGRAMS = table("programs.toml")


def judged(told: dict[str, Any]) -> InboundMessage:
    """The mail as it is written, read."""
    made = EmailMessage()
    made["From"] = told.get("f", "Ирина Петрова <irina@romashka.example>")
    made["To"] = "help@otklik.example"
    made["Subject"] = told["s"]
    made["Date"] = "Fri, 20 Nov 2026 10:15:00 +0700"
    made["Message-ID"] = "<20261120.1@romashka.example>"
    for name, value in told.get("h", {}).items():
        made[name] = value
    made.set_content(told["t"])
    for number, kind in enumerate(told.get("files", ()), 1):
        main, _, sub = kind.partition("/")
        made.add_attachment(STARTS.get(kind, b"") + b"file", maintype=main, subtype=sub, filename=f"{number}.{sub}")
    mail_from = told.get("envelope", made["From"].addresses[0].addr_spec)
    message = read(
        made.as_bytes(),
        account="smtp",
        external_id="1",
        received_at=NOW,
        mail_from=mail_from,
        rcpt_to=("help@otklik.example",),
        own=OWN,
    )
    assert isinstance(message, InboundMessage)
    return message


def test_the_tables_are_large_enough_to_say_so() -> None:
    assert len(PEOPLE) >= 150
    assert len(PROGRAMS) >= 60


@pytest.mark.parametrize("told", PROGRAMS)
def test_a_program_is_never_thanked(told: dict[str, Any]) -> None:
    message = judged(told)
    assert not message.acknowledge, message.kind_because


def test_one_person_in_a_hundred_at_most_is_taken_for_a_program() -> None:
    read_so = {str(each.id): judged(each.values[0]) for each in PEOPLE}
    wrong = {name: (m.kind.value, m.kind_because) for name, m in read_so.items() if not m.acknowledge}
    assert len(wrong) * 100 <= len(PEOPLE), wrong
