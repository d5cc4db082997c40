"""What must hold after the crashes: the clients' ledger, the database and the relay's journal agree.

Everything is read by plain SQL, past all code of the gateway, except the illegal states, which `storage.integrity`
knows. Each check returns what it found wrong, in words.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench import crash_mailbox, crash_pages
from bench.crash_load import Ledger
from bench.crash_mailbox import Mailbox
from bench.crash_pages import Pages
from bench.crash_rig import CONCURRENCY, Rig
from storage import integrity
from storage.schema import postgres_engine
from storage.sqlite import sqlite_engine
from tickets.status import MOVES, Status

_ID = re.compile(r"crash (\S+) end")
_OVER = {"accepted", "temporary", "permanent"}
_SHOWN = 12

_MESSAGES = """
SELECT m.id, m.subject, t.number, r.raw_sha256 AS digest
FROM messages m LEFT JOIN tickets t ON t.id = m.ticket_id LEFT JOIN receipts r ON r.message_id = m.id
WHERE m.direction = 'in' AND m.account <> 'page'
"""
_DELIVERIES = """
SELECT d.id, d.state, d.address, d.envelope, n.event, n.role, t.number
FROM deliveries d JOIN notifications n ON n.id = d.notification_id JOIN tickets t ON t.id = d.ticket_id
"""
_ATTEMPTS = "SELECT delivery_id, number, outcome, ended_at FROM attempts ORDER BY delivery_id, number"


@dataclass(frozen=True, slots=True)
class Found:
    """The figures of a run and everything that was wrong."""

    figures: dict[str, int]
    violations: list[str]


def verify(
    rig: Rig,
    ledger: Ledger,
    crashes: int,
    pages: Pages | None = None,
    mailbox: Mailbox | None = None,
    sample: int = 400,
) -> Found:
    """Check everything; `crashes` is how often sends in flight may have been lost, `pages` what authors wrote there.

    The server of the `mailbox` has to be there.
    """
    figures: dict[str, int] = {}
    violations = list(ledger.unexpected)
    violations += _limited(_inputs(rig, ledger, figures), "inputs")
    violations += _limited(_changes(rig, ledger, figures), "changes")
    if pages is not None:
        violations += pages.unexpected
        violations += _limited(crash_pages.found(rig, pages, figures), "pages")
    if mailbox is not None:
        violations += _limited(crash_mailbox.found(rig, mailbox, ledger, figures), "mailbox")
    violations += _limited(_moves(rig), "history")
    violations += _limited(_deliveries(rig, crashes, figures), "deliveries")
    violations += _limited(_raw(rig, ledger, sample, figures), "raw bytes")
    violations += _limited(iter(asyncio.run(illegal_states(rig.url))), "illegal states")
    return Found(figures, violations)


def _limited(found: Iterator[str], kind: str) -> list[str]:
    every = list(found)
    more = [f"{kind}: {len(every) - _SHOWN} more like these"] if len(every) > _SHOWN else []
    return [f"{kind}: {text}" for text in every[:_SHOWN]] + more


async def illegal_states(url: str) -> list[str]:
    """What `storage.integrity` has to complain of."""
    if url.startswith("sqlite"):
        with sqlite_engine(url, busy_timeout=20, writer=False).connect() as connection:
            return integrity.problems(connection)
    engine = postgres_engine(url)
    try:
        async with engine.connect() as there:
            return await there.run_sync(integrity.problems)
    finally:
        await engine.dispose()


def _inputs(rig: Rig, ledger: Ledger, figures: dict[str, int]) -> Iterator[str]:
    stored: dict[str, set[tuple[bytes, str]]] = defaultdict(set)
    digests: dict[str, set[str]] = defaultdict(set)
    receipts = 0
    for row in rig.rows(_MESSAGES):
        found = _ID.search(row["subject"])
        if found is None or found[1] not in ledger.inputs:
            yield f"a message nobody sent: {row['subject']!r}"
            continue
        if row["number"] is None:
            yield f"{found[1]} is a message without a ticket"
        if row["digest"] is None:
            yield f"{found[1]} is a message without a receipt"
            continue
        receipts += 1
        stored[found[1]].add((_key(row["id"]), row["number"]))
        digests[found[1]].add(bytes(row["digest"]).hex())
    for name, one in ledger.inputs.items():
        kept = stored.get(name, set())
        if one.answers and not kept:
            yield f"LOST: {name} was acknowledged as {one.answers[0]} and is not there"
        if len(kept) > 1:
            yield f"DOUBLE: {name} became {sorted(number for _, number in kept)}"
        if one.answers and kept and {number for _, number in kept} != set(one.answers):
            yield f"{name} was acknowledged as {one.answers} and is stored as {kept}"
        if kept and digests[name] != {one.digest}:
            yield f"{name} was stored with other bytes than were sent"
    tickets = rig.rows("SELECT count(*) AS n, count(DISTINCT number) AS d FROM tickets")[0]
    if tickets["n"] != len(stored) or tickets["d"] != tickets["n"]:
        yield f"{tickets['n']} tickets ({tickets['d']} numbers) for {len(stored)} contents"
    quarantined = rig.rows("SELECT count(*) AS n FROM quarantine")[0]["n"]
    if quarantined:
        yield f"{quarantined} inputs went to quarantine"
    figures["inputs sent"] = len(ledger.inputs)
    figures["acknowledged"] = ledger.acknowledged
    figures["not acknowledged, stored"] = sum(
        one.door != "imap" and not one.answers and name in stored for name, one in ledger.inputs.items()
    )
    figures["tries beyond the first"] = sum(one.tries - 1 for one in ledger.inputs.values())
    figures["joined receipts"] = receipts - len(stored)
    figures["tickets"] = tickets["n"]


def _changes(rig: Rig, ledger: Ledger, figures: dict[str, int]) -> Iterator[str]:
    said: Counter[str] = Counter()
    for row in rig.rows("SELECT text FROM messages WHERE direction = 'out'"):
        said.update(re.findall(r"mark-\S+-end", row["text"]))
    moved: Counter[tuple[str, str]] = Counter()
    for row in rig.rows(
        "SELECT t.number, e.new FROM events e JOIN tickets t ON t.id = e.ticket_id "
        "WHERE e.what = 'status' AND e.\"by\" <> 'author'"
    ):
        moved[row["number"], row["new"]] += 1
    least: Counter[tuple[str, str]] = Counter()
    most: Counter[tuple[str, str]] = Counter()
    for change in ledger.changes:
        if change.mark:
            there = said[change.mark]
            if there > 1 or (change.answered and not there):
                yield f"comment {change.mark} (answered: {change.answered}) is there {there} times"
        else:
            most[change.number, change.status] += 1
            least[change.number, change.status] += change.answered
    for key in {*moved, *most}:
        if not least[key] <= moved[key] <= most[key]:
            yield f"{key[0]} became {key[1]} {moved[key]} times, {least[key]} to {most[key]} were asked"
    figures["changes"] = len(ledger.changes)
    figures["changes acknowledged"] = sum(change.answered for change in ledger.changes)


def _moves(rig: Rig) -> Iterator[str]:
    sql = (
        "SELECT t.number, t.status, e.old, e.new FROM tickets t LEFT JOIN events e ON e.ticket_id = t.id "
        "AND e.what = 'status' ORDER BY t.number, e.at, e.id"
    )
    at: dict[str, str] = {}
    final: dict[str, str] = {}
    for row in rig.rows(sql):
        number = row["number"]
        final[number] = row["status"]
        before = at.setdefault(number, "new")
        if row["new"] is None:
            continue
        if row["old"] != before or Status(row["new"]) not in MOVES[Status(before)]:
            yield f"{number} was {before} and moved from {row['old']} to {row['new']}"
        at[number] = row["new"]
    for number, status in final.items():
        if at[number] != status:
            yield f"{number} is {status}, its history ends with {at[number]}"


def _deliveries(rig: Rig, crashes: int, figures: dict[str, int]) -> Iterator[str]:
    seen: dict[str, list[str]] = defaultdict(list)
    for line in journal(rig.journal):
        seen[line["message_id"]].append(line["answer"])
    tries: dict[bytes, list[Any]] = defaultdict(list)
    for row in rig.rows(_ATTEMPTS):
        tries[_key(row["delivery_id"])].append(row["outcome"])
        if row["outcome"] is None or row["ended_at"] is None:
            yield f"an attempt of delivery {_key(row['delivery_id']).hex()} is still in flight"
    authors: Counter[str] = Counter()
    known: set[str] = set()
    totals: Counter[str] = Counter()
    for row in rig.rows(_DELIVERIES):
        outcomes = tries[_key(row["id"])]
        message_id = _envelope(row["envelope"]).get("message_id", "").strip("<>")
        lines = seen.get(message_id, []) if message_id else []
        known.add(message_id)
        over = sum(outcome in _OVER for outcome in outcomes)
        unknown = outcomes.count("unknown")
        totals.update(deliveries=1, attempts=len(outcomes), unknown=unknown, requests=len(lines), state=0)
        totals[row["state"]] += 1
        name = f"{row['event']} of {row['number']} to {row['address']} ({row['state']})"
        if row["state"] in ("queued", "sending", "unknown"):
            yield f"{name} is not over"
        if not over <= len(lines) <= over + unknown:
            yield f"{name}: attempts {outcomes}, the relay saw {lines}"
        taken = sum(answer.startswith("250") for answer in lines)
        accepted = outcomes.count("accepted")
        if not accepted <= taken <= accepted + unknown or (row["state"] == "sent") != (accepted == 1):
            yield f"{name}: attempts {outcomes}, the relay took it {taken} times"
        if row["event"] == "received" and row["role"] == "author":
            authors[row["number"]] += 1
    for number in (row["number"] for row in rig.rows("SELECT number FROM tickets")):
        if authors[number] != 1:
            yield f"the author of {number} has {authors[number]} acknowledgements planned"
    for message_id in seen.keys() - known:
        yield f"the relay saw {message_id}, which no delivery knows"
    if totals["unknown"] > crashes * CONCURRENCY:
        yield f"{totals['unknown']} attempts are unknown after {crashes} crashes with {CONCURRENCY} sends at once"
    for name in ("deliveries", "sent", "failed", "suppressed", "attempts"):
        figures[name] = totals[name]
    figures["attempts unknown"] = totals["unknown"]
    figures["requests the relay saw"] = totals["requests"]


def _raw(rig: Rig, ledger: Ledger, sample: int, figures: dict[str, int]) -> Iterator[str]:
    wanted = {one.digest for one in ledger.inputs.values() if one.answers}
    checked = 0
    for row in rig.rows(f"SELECT sha256, bytes FROM blobs ORDER BY sha256 LIMIT {sample:d}"):
        named = bytes(row["sha256"]).hex()
        checked += 1
        if sha256(bytes(row["bytes"])).hexdigest() != named:
            yield f"the bytes kept under {named} are others"
    stored = {bytes(row["sha256"]).hex() for row in rig.rows("SELECT sha256 FROM blobs")}
    for digest in sorted(wanted - stored):
        yield f"the bytes {digest} of an acknowledged input are gone"
    figures["raw inputs compared"] = checked


def journal(path: Path) -> Iterator[dict[str, Any]]:
    """What the relay wrote down."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _envelope(value: Any) -> dict[str, Any]:
    parsed = json.loads(value) if isinstance(value, str | bytes) else value
    return parsed or {}


def _key(value: Any) -> bytes:
    return value if isinstance(value, bytes) else bytes(value.bytes)
