"""A fax on the page of its ticket: that it is one, from which number, and through whom."""

from __future__ import annotations

from typing import Any

import pytest

from channels.email.fax_gateways import FaxGateways

GATEWAY = "fax@pbx.example.ru"
RAW = (
    f"From: The HylaFAX Receive Agent <{GATEWAY}>\r\nTo: support@otklik.example\r\n"
    "Subject: Facsimile received from ROMASHKA\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    "--b\r\n\r\nSender: ROMASHKA <b>\r\nPages: 3\r\n{caller}\r\n"
    '--b\r\nContent-Type: application/pdf; name="fax1.pdf"\r\n\r\n%PDF-1.4 pages\r\n--b--\r\n'
)


async def a_fax(console: Any, caller: str) -> str:
    raw = RAW.replace("{caller}", caller).encode()
    message = console.program.read_mail(
        raw, account="smtp", external_id="1", received_at=console.clock.now(), mail_from=GATEWAY
    )
    accepted = await FaxGateways([GATEWAY], console.program.intake.accept).accept(message, raw)
    return str(accepted.number)


@pytest.mark.parametrize("role, number", [("agent", "+73832223344"), ("auditor", "+7 383 •••-••-44")])
async def test_the_page_says_that_it_is_a_fax(console: Any, role: str, number: str) -> None:
    ticket = await a_fax(console, "CallID1: 83832223344")
    page = await (await console.browser("x.y", role)).get(f"/tickets/{ticket}")
    assert f"Факс с номера {number}, 3 страницы, аппарат назвал себя «ROMASHKA <b>»" in page.words
    assert ("Принёс шлюз " + (GATEWAY if role == "agent" else "f•••@pbx.example.ru")) in page.words
    assert "fax1.pdf" in page.words


async def test_a_fax_without_a_number(console: Any) -> None:
    page = await (await console.browser()).get(f"/tickets/{await a_fax(console, '')}")
    assert "Факс, номер не определён, 3 страницы" in page.words
