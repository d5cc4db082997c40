"""The programs around the measurement, each started for real, on a handful of inputs."""

from __future__ import annotations

import os
import smtplib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import mails, outbox
from bench.processes import BenchError, Children, run_json
from bench.product import ORGANISATION


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    with Children(tmp_path / "logs") as running:
        yield running


@pytest.mark.parametrize("module", ["bench.peers.aiosmtpd_discard", "bench.peers.smtp_sink"])
def test_mails_of_a_load_are_all_answered(children: Children, tmp_path: Path, module: str) -> None:
    mails.write(tmp_path, 12)
    server = children.module("server", module)
    arguments = ("--port", str(server.port), "--folder", str(tmp_path), "--connections", "4", "--tag", "t")
    printed = run_json("bench.smtp_load", "--count", "30", *arguments)
    assert printed["sent"] == 30
    assert 0 < printed["p50_ms"] <= printed["p99_ms"]


def test_the_mail_sink_counts(children: Children) -> None:
    sink = children.module("sink", "bench.peers.smtp_sink")
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        client.sendmail("a@b.example", ["c@d.example"], "Subject: x\r\n\r\n.dot\r\n")
        client.sendmail("a@b.example", ["c@d.example"], "")
    assert outbox.mails(sink) == 2


def test_requests_of_a_load_are_all_answered(children: Children) -> None:
    server = children.module("server", "bench.peers.aiohttp_bare")
    printed = run_json("bench.http_load", "--port", str(server.port), "--count", "100", "--tag", "t")
    assert printed["sent"] == 100


def test_a_wrong_answer_fails_the_load(children: Children) -> None:
    server = children.module("server", "bench.peers.aiohttp_bare")
    with pytest.raises(BenchError, match=r"answered HTTP/1\.1 404"):
        run_json("bench.http_load", "--port", str(server.port), "--path", "/no", "--count", "5", "--tag", "t")


@pytest.mark.parametrize(
    "request_bytes, pieces",
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 1),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 7),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 5),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2),
    ],
)
def test_the_http_sink_counts_whole_requests(children: Children, request_bytes: bytes, pieces: int) -> None:
    sink = children.module("sink", "bench.peers.http_sink")
    step = len(request_bytes) // pieces + 1
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as client:
        for start in range(0, len(request_bytes), step):
            client.sendall(request_bytes[start : start + step])
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        client.sendall(request_bytes * 3)
        while outbox.requests(sink)[0] < 4:
            assert client.recv(1000)
    assert outbox.requests(sink)[0] == 4


def test_programs_end_with_their_block(tmp_path: Path) -> None:
    with Children(tmp_path) as running:
        child = running.module("sink", "bench.peers.http_sink")
        assert child.resident_mb() > 1
        assert child.cpu_seconds() >= 0
    assert child.process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(child.process.pid, 0)


def test_a_program_that_does_not_start_says_why(children: Children) -> None:
    with pytest.raises(BenchError, match="no such luck"):
        children.start("broken", [sys.executable, "-c", "raise SystemExit('no such luck')"])


def test_the_organisation_can_be_imported() -> None:
    from desk.organisation_file import parse

    bundle = parse(ORGANISATION.read_text(encoding="utf-8"), ORGANISATION.name)
    assert {"centre", "agreement", "group", "staff", "customer"} == set(bundle.entries)
