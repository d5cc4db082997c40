"""How fast mails are read: the record of a mail, and the whole of `otklik inspect`, beside the standard library.

Both sides work on the same mails, in memory or in the page cache, in this one process; what is measured is
processor time, so that other programs of the machine count little.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from bench import figures
from bench.rounds import Result, Sample, paired, single
from bench.workshop import Workshop
from channels.email.record import record
from desk.inspection import inspect_file

EVERY = 4
"""One mail in so many of the corpus is read, which is enough and keeps rounds short."""


def stdlib_record(raw: bytes) -> tuple[Any, ...]:
    """What `record` gives, by `email` with `policy.default`: fields, text, files with size and digest."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    people = [mail[name].addresses if mail[name] else () for name in ("from", "to", "cc", "reply-to")]
    named = [str(mail[name] or "") for name in ("subject", "message-id", "in-reply-to", "references")]
    sent = mail["date"].datetime if mail["date"] else None
    body = mail.get_body(("plain", "html"))
    text = body.get_content() if body is not None else ""
    files = []
    for part in mail.iter_attachments():
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        files.append((part.get_filename(), part.get_content_type(), len(content), hashlib.sha256(content).hexdigest()))
    return people, named, sent, text, files


def stdlib_parse(raw: bytes) -> object:
    """Parsing alone: no field is looked at, no part decoded."""
    return email.message_from_bytes(raw, policy=email.policy.default)


def parse_record(shop: Workshop) -> Result:
    """`parse_record_vs_stdlib`: mails a second of processor time."""
    raws = [path.read_bytes() for path in _mails(shop)]
    return paired(
        figures.PARSE_RECORD, _rate(record, raws), _rate(stdlib_record, raws), shop.rounds, _remarks(shop, len(raws))
    )


def inspect(shop: Workshop) -> Result:
    """`inspect_vs_stdlib`: a file to the whole document, of a file parsed."""
    paths = _mails(shop)

    def peer(path: Path) -> object:
        return stdlib_parse(path.read_bytes())

    return paired(
        figures.INSPECT, _rate(inspect_file, paths), _rate(peer, paths), shop.rounds, _remarks(shop, len(paths))
    )


def inspect_speed(shop: Workshop) -> Result:
    """`inspect_mb_per_s`: absolute, by the clock."""
    paths = _mails(shop)
    size = sum(path.stat().st_size for path in paths) / 1e6

    def once() -> Sample:
        begin = time.perf_counter()
        for path in paths:
            inspect_file(path)
        return Sample(size / (time.perf_counter() - begin))

    return single(figures.INSPECT_SPEED, once, shop.rounds, _remarks(shop, len(paths)))


def _mails(shop: Workshop) -> list[Path]:
    return sorted(shop.corpus.folder.glob("*.eml"))[::EVERY]


def _remarks(shop: Workshop, count: int) -> tuple[str, ...]:
    return (f"{count} of {shop.corpus}",)


def _rate(work: Callable[[Any], object], inputs: list[Any]) -> Callable[[], Sample]:
    def once() -> Sample:
        begin = time.process_time()
        for each in inputs:
            work(each)
        return Sample(len(inputs) / (time.process_time() - begin))

    return once
