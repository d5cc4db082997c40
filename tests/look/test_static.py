"""Files of the pages: kept for ever under the address of their content, and nothing else served."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from web.look.page import Look
from web.look.static import StaticFiles


@pytest.fixture
async def base(look: Look) -> AsyncIterator[str]:
    """Where the files of a look are served."""
    application = web.Application()
    application.add_routes(look.routes())
    server = TestServer(application)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.mark.parametrize("name", ["otklik.css", "otklik.js", "staff.js", "htmx.min.js", "icons.svg", "icon.svg"])
async def test_a_file_may_be_kept_for_ever_under_its_hash(look: Look, base: str, name: str) -> None:
    async with ClientSession() as session, session.get(base + look.files.address(name)) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert await answer.read() == (Path(__file__).parents[2] / "web/static" / name).read_bytes()


async def test_the_plain_name_must_be_asked_about_again(base: str) -> None:
    async with ClientSession() as session:
        async with session.get(base + "/static/otklik.css") as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=0, must-revalidate"
            tag = answer.headers["ETag"]
        async with session.get(base + "/static/otklik.css", headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
            assert await answer.read() == b""


async def test_it_is_packed_for_whoever_takes_that(base: str) -> None:
    async with ClientSession(auto_decompress=False) as session:
        async with session.get(base + "/static/otklik.css", headers={"Accept-Encoding": "gzip"}) as answer:
            packed = await answer.read()
            assert answer.headers["Content-Encoding"] == "gzip"
        async with session.get(base + "/static/otklik.css", headers={"Accept-Encoding": "identity"}) as answer:
            assert gzip.decompress(packed) == await answer.read()


@pytest.mark.parametrize(
    "name",
    [
        "otklik.000000000000.css",
        "no.css",
        "..%2fserver.py",
        "%2e%2e%2fserver.py",
        "words.toml",
        ".htaccess",
        "otklik.css.map",
    ],
)
async def test_nothing_else_is_there(base: str, name: str) -> None:
    async with ClientSession() as session, session.get(f"{base}/static/{name}") as answer:
        assert answer.status == 404


def test_another_content_has_another_address(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    first = StaticFiles(tmp_path).address("a.js")
    (tmp_path / "a.js").write_text("2")
    assert StaticFiles(tmp_path).address("a.js") != first


@pytest.mark.parametrize(
    "sent, status, cookie",
    [
        ({"theme": "dark", "next": "/queue?x=1"}, 303, "dark"),
        ({"theme": "purple"}, 400, None),
        ({"theme": "dark", "next": "//evil.example"}, 303, "dark"),
    ],
)
async def test_a_theme_is_chosen_without_scripts(
    base: str, sent: dict[str, str], status: int, cookie: str | None
) -> None:
    async with ClientSession() as session, session.post(f"{base}/theme", data=sent, allow_redirects=False) as answer:
        assert answer.status == status
        assert (answer.cookies["theme"].value if "theme" in answer.cookies else None) == cookie
        assert answer.headers.get("Location", "/").startswith("/")
        assert not answer.headers.get("Location", "/").startswith("//")


async def test_another_site_may_not_choose_the_theme(base: str) -> None:
    async with ClientSession() as session:
        foreign = {"Sec-Fetch-Site": "cross-site"}
        async with session.post(f"{base}/theme", data={"theme": "dark"}, headers=foreign) as answer:
            assert answer.status == 403
            assert not answer.cookies
