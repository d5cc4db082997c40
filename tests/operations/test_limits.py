"""What a client may ask of the HTTP door: how much, how deep, how slowly, how many at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.eventually import eventually
from tests.operations.conftest import Start


async def raw(running: Any, head: bytes, body: bytes = b"", within: float = 10.0) -> bytes:
    """What is answered to octets, until the server closes; the body leaves when the request is being worked on."""
    host, _, port = running.base.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head)
        if body:
            await eventually(lambda: running.program.http.traffic.in_flight)
            writer.write(body)
        async with asyncio.timeout(within):
            return await reader.read()
    finally:
        writer.close()


def limit(running: Any, **limits: float) -> None:
    http = running.program.http
    http.limit(replace(http.traffic.limits, **limits))


async def test_a_body_that_does_not_end_is_given_up(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    limit(running, arrival=0.3)
    head = (
        f"POST /api/v1/tickets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.token}\r\n"
        "Content-Type: application/json\r\nConnection: close\r\nContent-Length: 100\r\n\r\n"
    )
    answer = await raw(running, head.encode(), b'{"contact"')
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_comes_in_time_is_taken(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    limit(running, arrival=5.0)
    body = b'{"contact": {"kind": "email", "value": "a@b.example"}, "text": "Help"}'
    head = (
        f"POST /api/v1/tickets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.token}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = await raw(running, head.encode(), body)
    assert answer.startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_header_that_does_not_end_is_given_up(laid_out_file: str, start: Start, begun: bytes) -> None:
    running = await start(laid_out_file, http='idle_timeout = "300 ms"')
    assert await raw(running, begun) == b""


async def test_a_field_longer_than_allowed_is_refused(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n"
    assert b" 400 " in (await raw(running, asked)).partition(b"\r\n")[0]


async def test_more_fields_than_allowed_are_refused(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    fields = b"".join(b"X-%d: 1\r\n" % number for number in range(200))
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + fields + b"\r\n"
    assert b" 400 " in (await raw(running, asked)).partition(b"\r\n")[0]


async def test_a_body_larger_than_allowed_is_refused(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    limit(running, body=1000)
    headers = {"Authorization": f"Bearer {running.token}", "Content-Type": "application/json"}
    async with running.session.post(f"{running.base}/api/v1/tickets", data=b"x" * 2000, headers=headers) as answer:
        assert answer.status == 413


@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [100, 100_000])
async def test_json_nested_without_end_is_refused(laid_out_file: str, start: Start, opened: bytes, depth: int) -> None:
    running = await start(laid_out_file)
    headers = {"Authorization": f"Bearer {running.token}", "Content-Type": "application/json"}
    body = b'{"contact": ' + opened * depth
    async with running.session.post(f"{running.base}/api/v1/tickets", data=body, headers=headers) as answer:
        assert answer.status in (400, 422)
    assert running.told("request_failed") == []
    assert (await running.get("/healthz"))[0] == 200


async def test_a_client_too_many_is_told_to_come_again(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    await running.session.close()
    limit(running, connections=2)
    host, _, port = running.base.removeprefix("http://").rpartition(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
    try:
        for reader, writer in held:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
        assert (await raw(running, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
        assert running.program.http.traffic.turned_away == 1
    finally:
        for _, writer in held:
            writer.close()


async def test_every_answer_bears_the_id_of_its_request(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    for path in ("/healthz", "/nowhere", "/api/v1/tickets", "/queue"):
        async with running.session.get(running.base + path, allow_redirects=False) as answer:
            assert len(answer.headers["X-Request-Id"]) == 32
            assert answer.headers["Server"] == "otklik"
