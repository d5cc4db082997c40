"""One id leads from the door to the delivery, and nothing in the log says who it was about."""

from __future__ import annotations

import email
import email.policy
from typing import Any
from uuid import UUID

import pytest

from tests.eventually import eventually
from tests.operations.conftest import IRINA, NAME, SUBJECT, Start, a_mail


async def delivered(running: Any, mails: int) -> None:
    async def all_told() -> bool:
        return len(running.told("delivery_tried")) >= mails

    await eventually(all_told)


async def test_from_a_mail_to_its_acknowledgement_one_id(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    await running.send()
    await delivered(running, 2)
    (taken,) = running.told("input_taken")
    assert taken["channel"] == "email"
    assert taken["outcome"] == "accepted"
    assert taken["ticket"].startswith("NSK-")
    assert {line["trace"] for line in running.told("delivery_tried")} == {taken["trace"]}
    assert UUID(taken["trace"]).version == 7


async def test_from_a_request_to_its_acknowledgement_one_id(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    ticket = await running.make()
    await delivered(running, 2)
    (request,) = running.told("http_request")
    (taken,) = running.told("input_taken")
    tried = running.told("delivery_tried")
    assert request["trace"] == ticket["trace"] == taken["trace"]
    assert {line["trace"] for line in tried} == {taken["trace"]}
    assert (request["route"], request["method"], request["status"]) == ("/api/v1/tickets", "POST", 201)


async def test_an_answer_has_an_id_of_its_own_and_so_has_what_is_told_about_it(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    await running.send()
    await delivered(running, 2)
    (taken,) = running.told("input_taken")
    sent = email.message_from_bytes(running.relay.to(IRINA)[0].raw, policy=email.policy.default)
    reply = a_mail("Всё ещё не печатает")
    reply.replace_header("To", str(sent["Reply-To"]))
    await running.send(reply)
    await delivered(running, 3)
    second = running.told("input_taken")[1]
    assert second["ticket"] == taken["ticket"]
    assert second["trace"] != taken["trace"]
    assert running.told("delivery_tried")[2]["trace"] == second["trace"]


async def test_a_try_that_is_made_again_keeps_the_id(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    running.relay.script(["451 4.7.1 Try again later"], to=IRINA)
    await running.send()
    await delivered(running, 3)
    (taken,) = running.told("input_taken")
    tried = running.told("delivery_tried")
    assert {line["trace"] for line in tried} == {taken["trace"]}
    assert sorted((line["number"], line["outcome"]) for line in tried)[1:] == [(1, "temporary"), (2, "accepted")]


async def test_two_messages_of_one_request_do_not_share_a_key(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    first, second = await running.make(), await running.make()
    assert first["trace"] != second["trace"]
    assert first["number"] != second["number"]


WHO = ("vlasova", "irina", "Власова", "Ирина", "Расчётный", "принтер", "Иванов", "ivanov")


async def a_whole_day(running: Any) -> None:
    """Everything that is logged of people: taken, refused, failed, tried, wrong."""
    running.relay.script(["550 5.1.1 <irina.vlasova@sibtrans.example> Ирина Власова unknown"], to=IRINA)
    await running.send()
    await running.make()
    await running.get(f"/api/v1/tickets?q={IRINA}", headers={"Authorization": f"Bearer {running.token}"})
    await running.get(f"/t/{IRINA}/{SUBJECT}")
    await running.get("/api/v1/tickets/Власова", headers={"Authorization": "Bearer Иванов".encode().decode("latin-1")})
    await delivered(running, 3)
    await running.program.stop()


async def test_the_log_of_a_whole_day_names_nobody(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    await a_whole_day(running)
    written = running.stream.getvalue()
    assert len(running.told("http_request")) >= 4
    for trace in (*WHO, IRINA, NAME, SUBJECT, running.token):
        assert trace not in written


async def test_who_asked_from_where_is_told_where_that_is_allowed(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file, "[log]\npersonal = true\n", personal=True)
    await running.get("/healthz")
    (request,) = running.told("http_request")
    assert request["remote"] == "127.0.0.1"


async def test_a_failure_is_found_by_the_id_its_answer_tells(
    laid_out_file: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start(laid_out_file)

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(running.program.operations.readiness, "database", broken)
    status, body = await running.get("/readyz")
    assert status == 500
    (failure,) = running.told("request_failed")
    assert failure["trace"] in body
    assert failure["route"] == "/readyz"
