"""Authentication-Results of relays of ours: believed from them alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.authentication_results import read
from tickets.authenticity import Trust, trust

OURS = frozenset({"mx.desk.example"})
GOOD = (
    "Authentication-Results: mx.desk.example; spf=pass smtp.mailfrom=ivan@example.ru;\r\n"
    "\tdkim=pass header.d=example.ru header.s=s1; dmarc=pass (p=reject) header.from=example.ru\r\n"
)
BAD = "Authentication-Results: mx.desk.example; dmarc=fail (p=reject) header.from=example.ru policy.dmarc=reject\r\n"
RECEIVED = "Received: from a by b; Sun, 22 Nov 2026 12:00:00 +0300\r\n"
REST = "From: ivan@example.ru\r\nSubject: x\r\n\r\nx\r\n"

A = "Authentication-Results: mx.desk.example; "

CASES = [
    ("a relay's", GOOD, "pass", Trust.VERIFIED),
    ("a relay's below its own Received", RECEIVED + GOOD, "pass", Trust.VERIFIED),
    ("a relay's that says no", BAD, "fail", Trust.FAILED),
    ("of somebody else", GOOD.replace("mx.desk", "mx.elsewhere"), None, Trust.UNVERIFIED),
    ("a forged one below the relay's", BAD + RECEIVED + GOOD, "fail", Trust.FAILED),
    ("a forged one right below the relay's", BAD + GOOD, "fail", Trust.FAILED),
    ("none", RECEIVED, None, Trust.UNVERIFIED),
    ("an empty one", A + "none\r\n", None, Trust.UNVERIFIED),
    ("with a version and capitals", GOOD.replace("mx.desk.example;", "MX.Desk.Example 1;"), "pass", Trust.VERIFIED),
    ("hidden in a comment", A + "spf=none (; dmarc=pass)\r\n", "none", Trust.UNVERIFIED),
    (
        "about another author",
        GOOD.replace("header.from=example.ru", "header.from=other.example"),
        "none",
        Trust.UNVERIFIED,
    ),
    ("SPF alone, aligned", A + "spf=pass smtp.mailfrom=a@b.example.ru\r\n", "pass", Trust.VERIFIED),
    ("SPF alone, not aligned", A + "spf=pass smtp.mailfrom=a@b.example\r\n", "none", Trust.UNVERIFIED),
    ("SPF denies", A + "spf=fail smtp.mailfrom=a@example.ru\r\n", "fail", Trust.FAILED),
    ("DKIM alone", A + "dkim=pass header.i=@example.ru\r\n", "pass", Trust.VERIFIED),
    ("not known now", A + "dmarc=temperror header.from=example.ru\r\n", "temperror", Trust.UNVERIFIED),
    ("no words", A + ";; = ; spf ; dmarc=\r\n", "none", Trust.UNVERIFIED),
    ("two fields of one relay", A + "spf=none\r\n" + GOOD, "pass", Trust.VERIFIED),
]


@pytest.mark.parametrize("head, verdict, believed", [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_fields(head: str, verdict: str | None, believed: Trust) -> None:
    found = read((head + REST).encode(), OURS, "ivan@example.ru")
    assert (found.get("verdict"), trust(found)) == (verdict, believed)
    assert found.get("by") == (None if verdict is None else "relay")


def test_what_is_kept() -> None:
    assert read((GOOD + REST).encode(), OURS, "ivan@example.ru") == {
        "spf": {"result": "pass", "domain": "example.ru"},
        "dkim": [{"result": "pass", "domain": "example.ru", "selector": "s1"}],
        "dmarc": {"result": "pass", "domain": "example.ru"},
        "verdict": "pass",
        "by": "relay",
    }


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_field_is_read_and_can_be_stored(field: bytes, author: str) -> None:
    raw = b"Authentication-Results: mx.desk.example; " + field + b"\r\n\r\n"
    stored = json.dumps(read(raw, OURS, author), ensure_ascii=False)
    assert "\\u00" not in stored
    stored.encode()


def test_no_single_author_is_a_failure() -> None:
    found = read((GOOD + REST).encode(), OURS, "")
    assert trust(found) is Trust.FAILED
