"""Quarantine: nothing taken is ever lost, and a person can always make a ticket of it."""

from __future__ import annotations

from typing import Any

import pytest

from tickets.message import Unreadable

HOSTILE = b"Subject: <script>alert(1)</script>\r\n\r\n\x00\xff<img src=x onerror=alert(2)> {{7*7}}"


async def held(console: Any, raw: bytes = HOSTILE, reason: str = "parse_error", channel: str = "email") -> str:
    """An entry."""
    entry = Unreadable(
        channel, "smtp", reason, console.clock.now(), "it broke <here>", {"mail_from": "zakaz@sibtrans.example"}
    )
    intake = console.program.intake
    return str((await intake.accept(entry, raw)).quarantine_id)


async def test_an_entry_shows_why_it_is_here_and_what_came(console: Any) -> None:
    entry = await held(console)
    lead = await console.browser("m.sokolova", "lead")
    assert "Не удалось разобрать" in (await lead.get("/quarantine")).text
    for view in ("text", "raw", "parts"):
        page = await lead.get(f"/quarantine/{entry}?view={view}")
        assert page.status == 200
        assert "it broke <here>" in page.text
        assert "<script>alert" not in page.html
        assert "onerror=alert(2)>" not in page.html
    raw = await lead.get(f"/quarantine/{entry}/raw")
    assert raw.body == HOSTILE
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert raw.headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in raw.headers["Content-Security-Policy"]
    assert {e["action"] for e in await console.logged(object=entry)} >= {
        "quarantine.raw_viewed",
        "quarantine.raw_taken",
    }


async def test_an_auditor_looks_and_changes_nothing(console: Any) -> None:
    entry = await held(console)
    auditor = await console.browser("x.y", "auditor")
    page = await auditor.get(f"/quarantine/{entry}")
    assert page.status == 200
    assert "zakaz@" not in page.text
    assert (await auditor.get(f"/quarantine/{entry}/raw")).status == 403
    for verb in ("replay", "accept", "discard", "hold"):
        assert (await auditor.post(f"/quarantine/{entry}/{verb}", at="/account", reason="x")).status == 403


@pytest.mark.parametrize("raw", [HOSTILE, b"", b"\x00" * 10, "привет".encode("cp1251"), b"--\r\n" * 100])
async def test_anything_can_be_taken_as_a_ticket_with_its_bytes(console: Any, raw: bytes) -> None:
    entry = await held(console, raw)
    lead = await console.browser("m.sokolova", "lead")
    taken = await lead.post(f"/quarantine/{entry}/accept", at=f"/quarantine/{entry}", subject="Из карантина")
    assert taken.status == 303
    number = taken.leads_to.rpartition("/")[2]
    view = await console.ticket(number)
    assert view["subject"] == "Из карантина"
    (file,) = view["messages"][0]["attachments"]
    got = await lead.get(f"/tickets/{number}/files/{file['id']}")
    assert got.body == raw
    assert [n for n in await console.told(number) if n[1] == "author" and n[2] != "suppressed"] == []
    again = await lead.post(f"/quarantine/{entry}/accept", at="/account", subject="Ещё раз")
    assert again.leads_to == f"/tickets/{number}"
    assert await console.whole() == []


async def test_what_can_be_read_today_is_taken_in_by_a_replay(console: Any) -> None:
    entry = await held(console, b"From: irina@sibtrans.example\r\nSubject: Kassa\r\n\r\nNe pechataet\r\n")
    lead = await console.browser("m.sokolova", "lead")
    replayed = await lead.post(f"/quarantine/{entry}/replay", at=f"/quarantine/{entry}")
    assert replayed.status == 303
    assert (await console.ticket(replayed.leads_to.rpartition("/")[2]))["subject"] == "Kassa"


async def test_what_still_cannot_be_read_stays_with_its_reason(console: Any) -> None:
    entry = await held(console, b"", "empty")
    lead = await console.browser("m.sokolova", "lead")
    replayed = await lead.post(f"/quarantine/{entry}/replay", at=f"/quarantine/{entry}")
    assert (replayed.status, "Письмо пустое" in replayed.text) == (409, True)


async def test_putting_aside_needs_a_reason_keeps_the_bytes_and_can_be_undone(console: Any) -> None:
    entry = await held(console)
    lead = await console.browser("m.sokolova", "lead")
    here = f"/quarantine/{entry}"
    assert (await lead.post(f"{here}/discard", at=here, reason="  ")).status == 422
    assert (await lead.post(f"{here}/discard", at=here, reason="реклама")).status == 303
    assert (await lead.get("/quarantine")).text.count("Не удалось разобрать") == 0
    page = await lead.get(f"{here}?state=discarded")
    assert "реклама" in page.text
    assert (await lead.get(f"{here}/raw")).body == HOSTILE
    assert (await lead.post(f"{here}/hold", at=here)).status == 303
    assert "Не удалось разобрать" in (await lead.get("/quarantine")).text
    assert await console.whole() == []


async def test_a_missing_entry_is_a_missing_page(console: Any) -> None:
    lead = await console.browser("m.sokolova", "lead")
    for path in ("/quarantine/x", f"/quarantine/{'0' * 32}", f"/quarantine/{'0' * 32}/raw"):
        assert (await lead.get(path)).status == 404
