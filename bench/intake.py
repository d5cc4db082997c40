"""Tickets in: by SMTP against aiosmtpd that discards, by API and web form against aiohttp that keeps nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count as counter

from bench import figures, product
from bench.processes import BenchError, Child, run_json
from bench.product import Gateway
from bench.rounds import Result, Sample, paired
from bench.workshop import Workshop

ROUND_SECONDS = 1.2
"""Short, so that both sides of a round meet the same moment of the machine: its speed changes within seconds."""
_tags = counter(1)

Load = Callable[[Child, int, int, str], dict[str, float]]
"""Puts a number of inputs through a server: `(server, port, count, tag)` to what the load program printed."""


def smtp(shop: Workshop, base: str, connections: int) -> Result:
    """`smtp_sqlite_c10` and its siblings."""
    folder = str(shop.corpus.folder)

    def load(server: Child, port: int, count: int, tag: str) -> dict[str, float]:
        arguments = ("--folder", folder, "--count", str(count), "--connections", str(connections), "--tag", tag)
        return run_json("bench.smtp_load", "--port", str(port), *arguments)

    figure = figures.smtp(base, connections)
    url = shop.database(base)
    with shop.children.group() as children:
        peer = children.module("aiosmtpd-discard", "bench.peers.aiosmtpd_discard")
        gateway = product.start(children, shop.fresh_folder(figure.name), url, name=figure.name)
        ours_count = paced(load, gateway.child, gateway.smtp_port, first=400, most=6000)
        peer_count = paced(load, peer, peer.port, first=400, most=6000)
        result = paired(
            figure,
            lambda: counted(load, gateway, gateway.smtp_port, ours_count),
            lambda: timed(load, peer, peer.port, peer_count),
            shop.rounds,
            (str(shop.corpus), f"{ours_count} and {peer_count} mails a round"),
        )
    shop.discard(url)
    return result


def api(shop: Workshop, base: str) -> Result:
    """`api_sqlite_c32` and `api_pg_c32`."""
    figure = figures.api(base)
    url = shop.database(base)
    token = ""

    def load(server: Child, port: int, count: int, tag: str) -> dict[str, float]:
        return run_json("bench.http_load", "--port", str(port), "--count", str(count), "--tag", tag, "--token", token)

    with shop.children.group() as children:
        peer = children.module("aiohttp-bare", "bench.peers.aiohttp_bare")
        gateway = product.start(children, shop.fresh_folder(figure.name), url, name=figure.name, token=True)
        token = gateway.token
        ours_count = paced(load, gateway.child, gateway.http_port, first=400, most=60_000)
        peer_count = paced(load, peer, peer.port, first=4000, most=60_000)
        result = paired(
            figure,
            lambda: counted(load, gateway, gateway.http_port, ours_count),
            lambda: timed(load, peer, peer.port, peer_count),
            shop.rounds,
            (f"{ours_count} and {peer_count} requests a round",),
        )
    shop.discard(url)
    return result


def form(shop: Workshop, base: str) -> Result:
    """`form_sqlite_c32` and `form_pg_c32`."""
    figure = figures.form(base)
    url = shop.database(base)

    def load(server: Child, port: int, count: int, tag: str) -> dict[str, float]:
        bare = () if server is gateway.child else ("--bare",)
        return run_json("bench.form_load", "--port", str(port), "--count", str(count), "--tag", tag, *bare)

    with shop.children.group() as children:
        peer = children.module("aiohttp-bare", "bench.peers.aiohttp_bare")
        gateway = product.start(children, shop.fresh_folder(figure.name), url, name=figure.name)
        ours_count = paced(load, gateway.child, gateway.http_port, first=400, most=6000)
        peer_count = paced(load, peer, peer.port, first=2000, most=20_000)
        result = paired(
            figure,
            lambda: counted(load, gateway, gateway.http_port, ours_count),
            lambda: timed(load, peer, peer.port, peer_count),
            shop.rounds,
            (f"{ours_count} and {peer_count} forms a round",),
        )
    shop.discard(url)
    return result


def paced(load: Load, server: Child, port: int, *, first: int, most: int) -> int:
    """Warm a server up and find how many inputs keep it busy for about `ROUND_SECONDS`."""
    load(server, port, first, f"w{next(_tags)}")
    rate = load(server, port, first, f"w{next(_tags)}")["rate"]
    return max(first, min(most, round(rate * ROUND_SECONDS / 100) * 100))


def timed(load: Load, server: Child, port: int, count: int) -> Sample:
    """One round: rate, latencies, and the server's processor time for each input in microseconds."""
    server.check()
    before = server.cpu_seconds()
    printed = load(server, port, count, f"r{next(_tags)}")
    cpu = (server.cpu_seconds() - before) / count * 1e6
    if printed["sent"] != count:
        raise BenchError(f"{printed['sent']:.0f} of {count} inputs were answered")
    return Sample(printed["rate"], {"p50_ms": printed["p50_ms"], "p99_ms": printed["p99_ms"], "cpu_us": cpu})


def counted(load: Load, gateway: Gateway, port: int, count: int) -> Sample:
    """One round of ours; afterwards the rows are counted in plain SQL."""
    before = product.counts(gateway.database_url)
    sample = timed(load, gateway.child, port, count)
    product.check_intake(before, product.counts(gateway.database_url), count)
    return sample
