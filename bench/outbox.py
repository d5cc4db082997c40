"""Notifications out: enqueue, send to a local sink, record each attempt; against procrastinate doing the same send."""

from __future__ import annotations

import json
import smtplib
import time
from urllib.request import urlopen

import psycopg

from bench import figures, product
from bench.processes import BenchError, Child, Children, run_json
from bench.rounds import Result, Sample, paired, single
from bench.workshop import Workshop

OURS = 10_000
"""Deliveries in one round of ours."""
PEERS = 1_500
"""Jobs in one round of procrastinate; it takes several seconds for them."""


def product_outbox(database_url: str, count: int, sink_url: str) -> Sample:
    """Enqueue `count` deliveries and send them all, in a process of its own (`bench.delivery`): deliveries a second.

    The time runs from the first enqueue to the last outcome on record. The schema must be there; `sink_url` is
    `http://127.0.0.1:PORT/notify` or `smtp://127.0.0.1:PORT`.
    """
    printed = run_json("bench.delivery", database_url, str(count), sink_url)
    detail = {"enqueue_per_s": count / printed["enqueue_s"], "cpu_us": printed["cpu_s"] / count * 1e6}
    return Sample(count / printed["seconds"], detail)


def against_procrastinate(shop: Workshop, base: str) -> Result:
    """`outbox_pg_vs_procrastinate` and `outbox_sqlite_vs_procrastinate`."""
    url = product.with_schema(shop, base)
    queue = shop.postgres.create_database()
    with shop.children.group() as children:
        sink = children.module("http-sink", "bench.peers.http_sink")
        peer = Procrastinate(children, queue, sink)
        ours(url, sink, OURS // 10)
        peer.send(PEERS // 5)
        result = paired(
            figures.outbox(base),
            lambda: ours(url, sink, OURS),
            lambda: peer.send(PEERS),
            shop.rounds,
            (f"{OURS} and {PEERS} notifications a round",),
        )
    shop.discard(url)
    shop.discard(queue)
    return result


def over_smtp(shop: Workshop) -> Result:
    """`outbox_smtp_per_s`."""
    url = product.with_schema(shop, "sqlite")
    with shop.children.group() as children:
        sink = children.module("smtp-sink", "bench.peers.smtp_sink")

        def once() -> Sample:
            before = mails(sink)
            sample = product_outbox(url, OURS, f"smtp://127.0.0.1:{sink.port}")
            if (came := mails(sink) - before) != OURS:
                raise BenchError(f"{OURS} mails were sent, {came} came")
            return sample

        result = single(figures.OUTBOX_SMTP, once, shop.rounds)
    shop.discard(url)
    return result


def ours(url: str, sink: Child, count: int) -> Sample:
    """One round of ours: every delivery reached the sink once."""
    before = requests(sink)[0]
    sample = product_outbox(url, count, sink_address(sink))
    if (came := requests(sink)[0] - before) != count:
        raise BenchError(f"{count} notifications were sent, {came} requests came")
    return sample


class Procrastinate:
    """procrastinate with its worker running; each round starts with empty tables, which favours it."""

    def __init__(self, children: Children, dsn: str, sink: Child) -> None:
        self._dsn = dsn
        self._sink = sink
        run_json("bench.peers.procrastinate_send", "schema", dsn)
        argv = ("worker", dsn, sink_address(sink))
        self._worker = children.module("procrastinate", "bench.peers.procrastinate_send", *argv)

    def send(self, count: int) -> Sample:
        """One round: from the first enqueue to the last request the sink saw, which favours it as well.

        Raises:
            BenchError: not every job succeeded with one request.
        """
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute("TRUNCATE procrastinate_jobs CASCADE")
        before = requests(self._sink)[0]
        cpu = self._worker.cpu_seconds()
        printed = run_json("bench.peers.procrastinate_send", "defer", self._dsn, str(count))
        came, last_at = self._wait(before + count)
        self._wait_recorded(count)
        if came - before != count:
            raise BenchError(f"{count} jobs were deferred, {came - before} requests came")
        worker_us = (self._worker.cpu_seconds() - cpu) / count * 1e6
        rate = count / (last_at - printed["started_at"])
        return Sample(rate, {"enqueue_per_s": count / printed["enqueue_s"], "worker_cpu_us": worker_us})

    def _wait(self, wanted: int, timeout: float = 60.0) -> tuple[int, float]:
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            self._worker.check()
            came, last_at = requests(self._sink)
            if came >= wanted:
                return came, last_at
            time.sleep(0.05)
        raise BenchError(f"procrastinate sent {came} of {wanted} within {timeout:.0f} s")

    def _wait_recorded(self, count: int, timeout: float = 10.0) -> None:
        until = time.monotonic() + timeout
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while time.monotonic() < until:
                row = connection.execute(
                    "SELECT count(*) FILTER (WHERE status = 'succeeded'), "
                    "(SELECT count(*) FROM procrastinate_events WHERE type = 'succeeded') FROM procrastinate_jobs"
                ).fetchone()
                if row == (count, count):
                    return
                time.sleep(0.05)
        raise BenchError(f"procrastinate recorded {row} of {count} jobs as succeeded")


def sink_address(sink: Child) -> str:
    """Where notifications are posted."""
    return f"http://127.0.0.1:{sink.port}/notify"


def requests(sink: Child) -> tuple[int, float]:
    """How many requests the HTTP sink has seen, and when the last one came (monotonic clock, seconds)."""
    with urlopen(f"http://127.0.0.1:{sink.port}/count", timeout=10) as answer:
        told = json.load(answer)
    return int(told["count"]), float(told["last_at"])


def mails(sink: Child) -> int:
    """How many mails the SMTP sink has seen."""
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        return int(client.docmd("XCOUNT")[1].split()[0])
