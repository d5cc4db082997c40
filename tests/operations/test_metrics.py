"""Figures for Prometheus: there, well named, right, of low cardinality, and nobody else's business."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.eventually import eventually
from tests.operations.conftest import IRINA, Running, Start, a_mail

UNITS = ("_seconds", "_bytes", "_total", "_info", "_ratio")


async def families(running: Any) -> dict[str, Any]:
    running.program.operations.metrics._counted_at = None
    status, text = await running.get("/metrics")
    assert status == 200
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(figures: dict[Any, float], name: str, **labels: str) -> float:
    return figures[name, frozenset(labels.items())]


async def test_what_happened_is_counted(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    running.relay.script(["451 4.7.1 Later", "550 5.1.1 No such user"], to=IRINA)
    await running.send()
    await running.make()
    await running.get("/api/v1/tickets")

    async def settled() -> bool:
        figures = await running.figures()
        waiting = sum(
            v
            for (name, labels), v in figures.items()
            if name == "otklik_deliveries" and dict(labels)["state"] in ("queued", "sending")
        )
        return waiting == 0 and value(figures, "otklik_inputs_total", channel="api", outcome="accepted") == 1

    await eventually(settled)
    figures = await running.figures()
    assert value(figures, "otklik_inputs_total", channel="email", outcome="accepted") == 1
    assert value(figures, "otklik_intake_duration_seconds_count", channel="email") == 1
    assert value(figures, "otklik_tickets", status="new") == 2
    assert value(figures, "otklik_retries_total", provider="simulated") == 1
    assert value(figures, "otklik_attempts_total", provider="simulated", outcome="temporary") == 1
    assert value(figures, "otklik_attempts_total", provider="simulated", outcome="permanent") >= 1
    assert value(figures, "otklik_dead_letters_total", provider="simulated") >= 1
    assert value(figures, "otklik_deliveries", provider="simulated", state="failed") >= 1
    assert value(figures, "otklik_outbox_oldest_overdue_seconds", provider="simulated", state="queued") == 0
    assert value(figures, "otklik_smtp_sessions_total") == 1
    assert value(figures, "otklik_smtp_sessions_open") == 0
    assert value(figures, "otklik_http_requests_total", route="/api/v1/tickets", method="POST", status="201") == 1
    assert value(figures, "otklik_http_requests_total", route="/api/v1/tickets", method="GET", status="401") == 1
    assert value(figures, "otklik_database_up") == 1
    assert value(figures, "otklik_database_commit_duration_seconds_count", unit="intake") == 2
    assert value(figures, "otklik_database_group_units_sum", unit="intake") == 2
    for duty in ("http", "smtp", "imap", "worker", "clock"):
        assert value(figures, "otklik_duty_up", duty=duty) == 1


async def test_an_acknowledgement_that_is_not_sent_is_counted_with_its_reason(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    await running.make(contact={"kind": "phone", "value": "+7 913 000-00-07"})
    figures = await running.figures()
    assert value(figures, "otklik_acknowledgements_suppressed_total", reason="no_address") == 1


async def test_names_and_units_are_prometheus_own(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    await running.make()
    for name, family in (await families(running)).items():
        if name.startswith("process_"):
            continue
        assert re.fullmatch("otklik(_[a-z]+)+", name)
        assert family.documentation
        if family.type == "histogram" and name != "otklik_database_group_units":
            assert name.endswith("_seconds")
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        if family.type == "gauge":
            assert not name.endswith("_total")


OURS = {"unit", "duty", "provider"}
"""Labels whose values are parts of the program and of its settings; they come when that part first does something."""


async def labelled(running: Running) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Every series with labels that could hold what came from outside."""
    return {(name, labels) for name, labels in await running.figures() if labels and not OURS & dict(labels).keys()}


async def test_no_label_grows_with_those_who_write(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)

    async def visit(name: str) -> None:
        await running.make(contact={"kind": "email", "value": f"{name}@firm-{name}.example"})
        mail = a_mail()
        mail.replace_header("From", f"{name}@mail-{name}.example")
        await running.send(mail)
        await running.get(f"/nowhere/{name}")
        await running.get(f"/api/v1/tickets/NSK-26-{name}", headers={"Authorization": f"Bearer {running.token}"})
        async with running.session.request(f"VERB{name}", f"{running.base}/somewhere/{name}") as answer:
            assert answer.status >= 400

    await visit("visitor0")
    await running.figures()
    before = await labelled(running)
    for number in range(1, 11):
        await visit(f"visitor{number}")
    assert await labelled(running) == before
    assert "visitor" not in (await running.get("/metrics"))[1]


async def test_other_formats_are_given_where_they_are_asked_for(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with running.session.get(f"{running.base}/metrics", headers=accept) as answer:
        assert answer.content_type == "application/openmetrics-text"
        assert (await answer.text()).endswith("# EOF\n")


async def test_without_a_database_what_the_process_knows_is_told(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    await running.program.opened.close()
    found = await families(running)
    assert "otklik_tickets" not in found
    assert "otklik_build_info" in found


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_what_a_proxy_hands_on_is_not_from_this_machine(laid_out_file: str, start: Start, header: str) -> None:
    running = await start(laid_out_file)
    assert (await running.get("/metrics"))[0] == 200
    assert (await running.get("/metrics", headers={header: "127.0.0.1"}))[0] == 403


async def test_a_token_opens_them_to_whoever_has_it(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file, '[metrics]\ntoken = "for-the-monitor"\n')
    seen = {"X-Forwarded-For": "198.51.100.7"}
    assert (await running.get("/metrics"))[0] == 401
    assert (await running.get("/metrics", headers={"Authorization": "Bearer for-the-monitoR"}))[0] == 401
    assert (await running.get("/metrics", headers={"Authorization": "Bearer for-the-monitor"} | seen))[0] == 200


async def test_on_a_listener_of_their_own_they_are_nowhere_else(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file, '[metrics]\nlisten = "127.0.0.1:0"\n')
    own = running.program.operations.own
    assert own is not None
    assert (await running.get("/metrics"))[0] == 404
    async with aiohttp.ClientSession() as session:
        for path in ("/metrics", "/healthz", "/readyz"):
            async with session.get(f"http://127.0.0.1:{own.port}{path}") as answer:
                assert answer.status == 200
