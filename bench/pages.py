"""Pages of staff over a generated year: how long the slowest twentieth of requests takes at least (p95)."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import aiohttp

from bench import figures, product, year, year_words
from bench.processes import BenchError
from bench.rounds import Result, Sample, single
from bench.workshop import Workshop

TICKETS = 200_000
SEED = 1
REQUESTS = 200
"""Requests of one round, one after the other."""

_LOGIN, _PASSWORD = "msk1", "correct horse battery staple"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')

VIEWS = (
    "", "?assignee=me", "?centre=nsk", "?priority=critical", "?status=waiting", "?customer=c017", "?status=closed",
    "?channel=phone&centre=msk",
)  # fmt: skip


def addresses(kind: str, chance: random.Random, numbers: list[str]) -> Iterator[str]:
    """Endless addresses of one kind of page."""
    while True:
        match kind:
            case "list":
                yield f"/queue{chance.choice(VIEWS)}"
            case "ticket":
                yield f"/tickets/{chance.choice(numbers)}"
            case _:
                words = [chance.choice(year_words.THINGS), chance.choice(year_words.PLACES).rpartition(" ")[2]]
                yield f"/queue?q={' '.join(words[: chance.randint(1, 2)]).replace('{n}', '')}&status=any"


def pages(shop: Workshop, base: str, kind: str) -> Result:
    """`page_list_p95_ms_sqlite` and its siblings: the year is made once for all three."""
    figure = figures.page(base, kind)
    url = shop.kept(f"year-{base}", lambda: _year(shop, base))
    with shop.children.group() as children:
        gateway = product.start_on(children, shop.fresh_folder(figure.name), url, name=figure.name, duties=("http",))
        chance = random.Random(SEED)
        numbers = [row[0] for row in product.query(url, "SELECT number FROM tickets ORDER BY number")]
        supply = addresses(kind, chance, numbers)
        return single(
            figure,
            lambda: asyncio.run(_round(gateway.http_port, supply)),
            shop.rounds,
            (f"{TICKETS} tickets, seed {SEED}; {REQUESTS} requests a round, one after the other",),
        )


def _year(shop: Workshop, base: str) -> str:
    url = product.with_schema(shop, base)
    asyncio.run(year.fill(url, TICKETS, SEED, datetime.now(UTC)))
    folder = shop.fresh_folder(f"year-{base}")
    config = product.write_settings(folder, url, 1, 2, product.ALL)
    product.command("search", "reindex", config=config, timeout=1200)
    product.command("user", "create", _LOGIN, "--role", "agent", "--stdin", config=config, given=f"{_PASSWORD}\n")
    # as the server's own housekeeping does in the days a year takes
    product.query(url, "VACUUM ANALYZE" if base == "pg" else "ANALYZE")
    return url


async def _round(port: int, supply: Iterator[str]) -> Sample:
    times: list[float] = []
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await _log_in(session)
        for position in range(-10, REQUESTS):
            address = next(supply)
            started = time.perf_counter()
            async with session.get(address, allow_redirects=False) as answer:
                body = await answer.read()
            if answer.status != 200:
                raise BenchError(f"{address} was answered with {answer.status}: {body[:200]!r}")
            if position >= 0:
                times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    p50, p95, p99 = (times[int(len(times) * part)] for part in (0.5, 0.95, 0.99))
    return Sample(p95, {"p50_ms": p50, "p99_ms": p99})


async def _log_in(session: aiohttp.ClientSession) -> None:
    async with session.get("/login") as answer:
        found = _CSRF.search(await answer.text())
    form = {"login": _LOGIN, "password": _PASSWORD, "csrf": found[1] if found else "", "next": "/queue"}
    async with session.post("/login", data=form, allow_redirects=False) as answer:
        if answer.status != 303:
            raise BenchError(f"the login was answered with {answer.status}")
