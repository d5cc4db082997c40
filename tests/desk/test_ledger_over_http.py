"""The ledger and quarantine over HTTP, by the very server that serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from channels.email.read import read
from desk.idempotency import KeyBook
from desk.tokens import TokenBook
from tickets.message import Unreadable
from web.api.access import SCOPES, Access
from web.api.deliveries import Deliveries
from web.api.idempotency import OnceOnly
from web.api.quarantine import QuarantineEntries
from web.server import HttpServer


class Api:
    """A client with a token."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str) -> None:
        self._session = session
        self._base = f"{base}/api/v1"
        self._token = token

    async def __call__(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._token if token is None else token}"}
        async with self._session.request(method, self._base + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def raw(self, path: str) -> tuple[Any, bytes]:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.get(self._base + path, headers=headers) as answer:
            return answer.headers, await answer.read()


@pytest.fixture
async def api(office: Any) -> AsyncIterator[Api]:
    """A server on that desk, and a token that may do everything."""
    book = TokenBook(office.database)
    token = await book.create("portal", list(SCOPES), office.clock.now(), None)
    access = Access(book, office.clock)
    once = OnceOnly(KeyBook(office.database, office.clock))
    routes = [
        *Deliveries(office.ledger, access, once).routes(),
        *QuarantineEntries(office.quarantine, read, access, once).routes(),
    ]
    server = HttpServer("127.0.0.1", 0, routes, max_body=1_000_000)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Api(session, f"http://127.0.0.1:{server.port}", token)
    finally:
        await server.stop()


async def test_deliveries_are_listed_shown_and_retried(office: Any, api: Api) -> None:
    number = await office.receive()
    await office.receive()
    status, page = await api("GET", f"/deliveries?ticket={number}&person=irina@romashka.example")
    assert status == 200
    assert page["next"] is None
    (entry,) = page["items"]
    assert (entry["ticket"], entry["state"]) == (number, "queued")
    path = f"/deliveries/{entry['id']}"
    assert (await api("GET", path))[1]["html"] is None

    status, problem = await api("POST", f"{path}/retry")
    assert (status, problem["detail"]) == (409, "it is in the queue already")
    await office.put(entry["id"], state="failed", reason="refused")
    assert [e["id"] for e in (await api("GET", "/deliveries?dead=true"))[1]["items"]] == [entry["id"]]
    status, again = await api("POST", f"{path}/retry")
    assert (status, again["state"]) == (200, "queued")
    assert (await office.ticket(number))["history"][-1]["by"] == "api:portal"

    await office.put(entry["id"], state="unknown")
    status, settled = await api("POST", f"{path}/settle", {"state": "sent"})
    assert (status, settled["state"]) == (200, "sent")
    assert (await api("POST", f"{path}/retry"))[0] == 409


async def test_pages_of_deliveries(office: Any, api: Api) -> None:
    for _ in range(3):
        await office.receive()
    first = (await api("GET", "/deliveries?limit=4"))[1]
    rest = (await api("GET", f"/deliveries?limit=4&cursor={first['next']}"))[1]
    assert len({e["id"] for e in first["items"] + rest["items"]}) == 6
    assert rest["next"] is None


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/deliveries?state=lost", 400),
        ("GET", "/deliveries?dead=maybe", 400),
        ("GET", "/deliveries?limit=0", 400),
        ("GET", "/deliveries?cursor=x", 400),
        ("GET", "/deliveries?ticket=OTK-26-999999", 404),
        ("GET", "/deliveries/x", 404),
        ("GET", f"/deliveries/{'0' * 32}", 404),
        ("POST", f"/deliveries/{'0' * 32}/retry", 404),
        ("GET", "/quarantine?state=lost", 400),
        ("GET", "/quarantine/x", 404),
        ("GET", f"/quarantine/{'0' * 32}", 404),
        ("GET", f"/quarantine/{'0' * 32}/raw", 404),
        ("POST", f"/quarantine/{'0' * 32}/replay", 404),
    ],
)
async def test_what_is_not_there_is_a_problem_document(api: Api, method: str, path: str, status: int) -> None:
    found, problem = await api(method, path)
    assert (found, problem["status"]) == (status, status)
    assert problem["detail"]


@pytest.mark.parametrize("path", ["/deliveries", "/quarantine", f"/quarantine/{'0' * 32}/raw"])
async def test_nobody_reads_without_a_token_or_its_scope(office: Any, api: Api, path: str) -> None:
    assert (await api("GET", path, token="otk_wrong"))[0] == 401
    narrow = await TokenBook(office.database).create("narrow", ["tickets:read"], office.clock.now(), None)
    assert (await api("GET", path, token=narrow))[0] == 403


async def test_quarantine_is_downloaded_and_replayed(office: Any, api: Api) -> None:
    raw = b"From: a@romashka.example\r\nSubject: <script>\r\n\r\n<script>alert(1)</script>\r\n"
    envelope = {"mail_from": "a@romashka.example", "rcpt_to": ["help@otklik.example"]}
    entry = Unreadable("email", "smtp", "reader_failed", office.clock.now(), "", envelope)
    key = (await office.intake.accept(entry, raw)).quarantine_id
    status, page = await api("GET", "/quarantine?state=held")
    assert (status, [e["id"] for e in page["items"]]) == (200, [key])
    headers, octets = await api.raw(f"/quarantine/{key}/raw")
    assert octets == raw
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    for _ in range(2):
        status, replayed = await api("POST", f"/quarantine/{key}/replay")
        assert (status, replayed["ticket"], replayed["state"]) == (200, "OTK-26-000001", "replayed")


async def test_a_replay_in_vain_is_a_conflict(office: Any, api: Api) -> None:
    entry = Unreadable("email", "smtp", "reader_failed", office.clock.now())
    key = (await office.intake.accept(entry, b"")).quarantine_id
    status, problem = await api("POST", f"/quarantine/{key}/replay")
    assert (status, problem["title"]) == (409, "Still no ticket")
