"""What a trace of system calls proves about acknowledgements.

The place of a call in strace's file stands for its time: a call is written down when it ends, or, where calls of other
threads came between, in two lines, `<unfinished ...>` where it began and `<... resumed>` where it ended. What one
thread did because of what another had done stands behind it.

For each acknowledgement (`250 2.0.0 Accepted` or `HTTP/1.1 201` written to a socket) of an input, known by the mark in
it, whose last bytes were read from that socket at *r*:

- SQLite: after *r* a page with the mark was written to the write-ahead log; the first sync of that log that began
  after this write has ended before the acknowledgement began. SQLite syncs the log at the end of a transaction, never
  inside one, so this is the sync of the input's own commit.
- PostgreSQL: after *r* the mark was sent to the server; the COMMIT that followed on the same connection was answered
  before the acknowledgement began; and between that COMMIT and its answer the server wrote to its write-ahead log and
  a sync of the log, begun after that write, ended. The commit record is made after COMMIT is received, so only such a
  sync can cover it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(rb"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))", re.DOTALL)
_UNFINISHED = b"<unfinished ...>"
_FD = re.compile(rb"(\d+<[^>]*>(?:>)?)")
_MARK = re.compile(rb"tr\d{6}ce")
_IN = frozenset({b"read", b"readv", b"recvfrom", b"recvmsg"})
_OUT = frozenset({b"write", b"writev", b"sendto", b"sendmsg"})
_STORE = frozenset({b"pwrite64", b"pwritev", b"write", b"writev"})
_SYNC = frozenset({b"fsync", b"fdatasync"})
_ACKNOWLEDGED = (b'"250 2.0.0 Accepted', b'"HTTP/1.1 201')


@dataclass(frozen=True, slots=True)
class Call:
    """One system call; `began` and `ended` are places in the file."""

    pid: bytes
    name: bytes
    target: bytes
    text: bytes
    began: int
    ended: int
    failed: bool


@dataclass(slots=True)
class Proof:
    """How many acknowledgements there were, and which of them lack their proof. `largest` is the most one sync bore."""

    acknowledged: int = 0
    missing: list[str] = field(default_factory=list)
    syncs: int = 0
    largest: int = 0


@dataclass(slots=True)
class _Facts:
    """The calls that matter, in the order of the file."""

    heard: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    acknowledged: list[tuple[int, bytes]] = field(default_factory=list)
    logged: dict[bytes, list[int]] = field(default_factory=dict)
    log_writes: list[tuple[int, int]] = field(default_factory=list)
    syncs: list[tuple[int, int]] = field(default_factory=list)
    handed: dict[bytes, list[tuple[int, bytes]]] = field(default_factory=dict)
    commits: dict[bytes, list[int]] = field(default_factory=dict)
    committed: dict[bytes, list[int]] = field(default_factory=dict)


def calls(path: Path) -> Iterator[Call]:
    """The calls of a trace, in the order in which they ended."""
    open_calls: dict[bytes, tuple[bytes, bytes, int]] = {}
    with path.open("rb") as lines:
        for place, line in enumerate(lines):
            found = _LINE.match(line)
            if found is None:
                continue
            pid, name, rest, resumed, more = found.groups()
            if name is not None:
                if rest.rstrip().endswith(_UNFINISHED):
                    open_calls[pid] = (name, rest.rstrip()[: -len(_UNFINISHED)], place)
                    continue
                began, text = place, rest
            else:
                name, before, began = open_calls.pop(pid, (resumed, b"", place))
                text = before + more
            target = _FD.match(text)
            result = text.rstrip().rpartition(b"= ")[2]
            yield Call(pid, name, target[1] if target else b"", text, began, place, result.startswith((b"-", b"?")))


def prove(path: Path, database: str) -> Proof:
    """Prove every acknowledgement of a trace."""
    facts = _gather(path, database)
    proof = Proof(acknowledged=len(facts.acknowledged), syncs=len(facts.syncs))
    borne: Counter[int] = Counter()
    for sent, mark in facts.acknowledged:
        found = _on_sqlite(facts, mark, sent) if database == "sqlite" else _on_postgresql(facts, mark, sent)
        if isinstance(found, str):
            proof.missing.append(f"{mark.decode() or 'an acknowledgement'} (line {sent + 1}): {found}")
        else:
            borne[found] += 1
    proof.largest = max(borne.values(), default=0)
    doubled = [mark for mark, n in Counter(mark for _, mark in facts.acknowledged).items() if n > 1]
    proof.missing += [f"{mark.decode()} was acknowledged more than once" for mark in doubled]
    return proof


def _gather(path: Path, database: str) -> _Facts:
    facts = _Facts()
    last: dict[bytes, bytes] = {}
    log = b"-wal>" if database == "sqlite" else b"/pg_wal/"
    gateway = b""
    for call in calls(path):
        if call.failed:
            continue
        socket = b"<socket:" in call.target or b"<TCP" in call.target or b"<UNIX" in call.target
        marks = _MARK.findall(call.text) if b"ce" in call.text else []
        if call.name in _SYNC and log in call.target:
            facts.syncs.append((call.began, call.ended))
        elif call.name in _STORE and log in call.target:
            facts.log_writes.append((call.began, call.ended))
            for mark in marks:
                facts.logged.setdefault(mark, []).append(call.ended)
        elif not socket or (gateway and call.pid != gateway):
            continue
        elif call.name in _IN and marks and call.target not in facts.commits:
            # the first to read a mark from a socket is the gateway, whose one thread does all talking
            gateway = call.pid
            last[call.target] = marks[-1]
            facts.heard[marks[-1]] = (call.ended, call.target)
        elif call.name in _OUT and any(text in call.text for text in _ACKNOWLEDGED):
            facts.acknowledged.append((call.began, last.pop(call.target, b"")))
        elif call.name in _OUT:
            for mark in set(marks):
                facts.handed.setdefault(mark, []).append((call.began, call.target))
            if b"COMMIT" in call.text:
                facts.commits.setdefault(call.target, []).append(call.began)
        elif call.name in _IN and b"COMMIT" in call.text:
            facts.committed.setdefault(call.target, []).append(call.ended)
    facts.log_writes.sort()
    facts.syncs.sort()
    return facts


def _on_sqlite(facts: _Facts, mark: bytes, sent: int) -> int | str:
    if mark not in facts.heard:
        return "its input was not seen"
    received = facts.heard[mark][0]
    written = [place for place in facts.logged.get(mark, ()) if place > received]
    if not written:
        return "its bytes were not seen on their way into the log"
    return _first_sync(facts, written[0], sent)


def _on_postgresql(facts: _Facts, mark: bytes, sent: int) -> int | str:
    if mark not in facts.heard:
        return "its input was not seen"
    received, own = facts.heard[mark]
    handed = [(place, line) for place, line in facts.handed.get(mark, ()) if place > received and line != own]
    if not handed:
        return "it was not seen on its way to the server"
    place, line = handed[0]
    commit = _next(facts.commits.get(line, []), place)
    answered = _next(facts.committed.get(line, []), commit)
    if answered >= sent:
        return "its COMMIT was not answered before"
    index = bisect_right(facts.log_writes, (commit, 0))
    if index == len(facts.log_writes):
        return "nothing was written to the log after its COMMIT"
    found = _first_sync(facts, facts.log_writes[index][1], answered)
    return found if isinstance(found, str) else commit


def _first_sync(facts: _Facts, written: int, before: int) -> int | str:
    index = bisect_right(facts.syncs, (written, 0))
    if index == len(facts.syncs):
        return "no sync followed"
    ended = facts.syncs[index][1]
    return ended if ended < before else "its sync had not ended"


def _next(places: list[int], after: int) -> int:
    index = bisect_right(places, after)
    return places[index] if index < len(places) else 1 << 62
