"""How often we thank: a forged sender must not be flooded through us, nor two desks thank each other for ever.

RFC 3834, section 2, asks every automatic responder for such limits. There are four:

1. An address nobody has proved to be its writer's gets `unverified` acknowledgements within an hour.
2. One that was proved (`tickets.proven`) gets `verified` ones.
3. All unproved addresses of a domain, and all of them together, get no more than `domain` and `total`. Who is proved
   is not bound by these: a flood must not silence our customers.
4. Mails of the same making, each of which came after an acknowledgement of ours had left, are a loop: after
   `loop_after` of them in a row the address gets nothing for a day, and staff are told once.

What is known of an address stands in its row (`addresses.standing`), which intake reads and locks anyway, so that these
limits are exact on any number of nodes and survive a restart. Domains are counted by hour in rows of each node, written
now and then: those limits may be passed by a few.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from operator import attrgetter
from string import digits
from typing import Any

from storage import acknowledged
from storage.database import Connection
from tickets.delivery import DeliveryState
from tickets.message import InboundMessage
from tickets.reason import Suppression

HOUR = timedelta(hours=1)
LEFT = frozenset({DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ})
"""What is known of an acknowledgement that somebody may answer."""

QUIET = timedelta(days=1)
"""How long an address gets nothing after a loop."""

_HOUR = HOUR // timedelta(microseconds=1)
_QUIET = QUIET // timedelta(microseconds=1)

FLUSH = timedelta(seconds=5)
"""How old counts of domains may get before they are written."""

_SHAPED = 300
_MAIL = "email"


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits; acknowledgements within an hour, 0 for `domain` and `total` means any number."""

    verified: int = 20
    unverified: int = 1
    domain: int = 1000
    total: int = 20_000
    loop_after: int = 3


def shape(message: InboundMessage) -> str:
    """What stays the same in mails a program makes of one pattern: the words without numbers and the subject.

    Two mails without words have no shape, and nor has anything else: only mail answers an acknowledgement by itself.
    """
    if message.channel != _MAIL:
        return ""
    text = (message.reply_text or message.text)[:_SHAPED]
    if subject := message.subject.strip():
        text = text.replace(subject, "")
    for digit in digits:
        text = text.replace(digit, "")
    said = " ".join(text.lower().split())
    return blake2b(said.encode("utf-8", "replace"), digest_size=8).hexdigest() if said else ""


@dataclass(slots=True)
class Standing:
    """How an address was acknowledged of late. Instants in microseconds, as they are stored.

    `given` counts acknowledgements within the hour that begins `at`, `unproved` those without a proof within that
    which begins `since`; `last` is the last one. `shape` is the making of the last mail that was
    acknowledged, `row` how many of it came in a row since `since_row`. `quiet` is until when nothing is given.
    """

    at: int = 0
    given: int = 0
    since: int = 0
    unproved: int = 0
    last: int = 0
    shape: str = ""
    row: int = 0
    since_row: int = 0
    quiet: int = 0

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Standing:
        """As it is stored; anything else is as good as nothing."""
        if not stored:
            return cls()
        return cls(**{name: value for name, value in stored.items() if name in _KEPT})

    def stored(self) -> dict[str, Any]:
        """What is kept, without what is empty."""
        return {name: value for name, value in zip(_KEPT, _values(self), strict=True) if value}


_KEPT = tuple(Standing.__dataclass_fields__)
_values = attrgetter(*_KEPT)


def micros(at: datetime) -> int:
    """An instant as it is stored in a standing."""
    return int(at.timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an acknowledgement is given: `why` not, and whether a `loop` was found just now."""

    why: Suppression | None = None
    loop: bool = False


class Domains:
    """Counts of acknowledgements to unproved addresses by domain and in all, of this node and of all others.

    `known` is what the database says of the hour; what this node has not written yet comes on top.
    """

    def __init__(self) -> None:
        self._node = f"{socket.gethostname()}:{os.getpid()}"[:80]
        self._unwritten: Counter[str] = Counter()
        self._hour: datetime | None = None
        self._written: datetime | None = None

    def count(self, scope: str, known: Mapping[str, int]) -> int:
        """How many a scope has had within the hour."""
        return known.get(scope, 0) + self._unwritten[scope]

    def add(self, domain: str, now: datetime) -> None:
        """Count one."""
        hour = hour_of(now)
        if hour != self._hour:
            self._hour, self._unwritten = hour, Counter()
        self._unwritten[domain] += 1
        self._unwritten[""] += 1

    def due(self, now: datetime, caps: Caps) -> bool:
        """Whether what is counted has to be written."""
        if not self._unwritten:
            return False
        late = self._written is None or now - self._written >= FLUSH
        most = max((count for scope, count in self._unwritten.items() if scope), default=0)
        return late or (caps.domain > 0 and most * 4 >= caps.domain)

    def write(self, connection: Connection, now: datetime) -> None:
        """Write what was counted."""
        hour, counted = self._hour, self._unwritten
        if hour is None or not counted:
            return
        self._unwritten, self._written = Counter(), now
        acknowledged.add(connection, hour, self._node, counted)
        acknowledged.forget(connection, now - QUIET)


def hour_of(at: datetime) -> datetime:
    """The hour of the clock an instant is in."""
    return at.replace(minute=0, second=0, microsecond=0)


def scopes(messages: Iterable[InboundMessage]) -> list[str]:
    """What is counted beside the addresses themselves: the domains of senders, and all of them together."""
    found = {domain_of(message) for message in messages}
    return ["", *sorted(found - {""})] if found else []


def domain_of(message: InboundMessage) -> str:
    """The sender's mail domain, empty where there is none."""
    kind, value = message.sender.key
    return value.rpartition("@")[2][:255] if kind == "email" else ""


class Cap:
    """Decides on acknowledgements within one group of inputs."""

    def __init__(self, caps: Caps, domains: Domains, known: Mapping[str, int]) -> None:
        self._caps = caps
        self._domains = domains
        self._known = known

    def ask(
        self, message: InboundMessage, standing: Standing, now: datetime, *, proved: bool, left: bool = False
    ) -> Answer:
        """Whether one more may be given to an address; its standing is changed, and is to be stored.

        `left` says whether the last one that was given has left.
        """
        caps, at = self._caps, micros(now)
        if at - standing.at >= _HOUR:
            standing.at, standing.given = at, 0
        if at - standing.since >= _HOUR:
            standing.since, standing.unproved = at, 0
        if standing.quiet > at:
            return Answer(Suppression.MAIL_LOOP)
        made = shape(message)
        if self._looped(made, standing, at, left):
            standing.quiet = at + _QUIET
            return Answer(Suppression.MAIL_LOOP, loop=True)
        if standing.given >= caps.verified or (not proved and standing.unproved >= caps.unverified):
            return Answer(Suppression.CAP_REACHED)
        domain = domain_of(message)
        if not proved and domain:
            if caps.domain and self._domains.count(domain, self._known) >= caps.domain:
                return Answer(Suppression.DOMAIN_CAP)
            if caps.total and self._domains.count("", self._known) >= caps.total:
                return Answer(Suppression.TOTAL_CAP)
            self._domains.add(domain, now)
        if not standing.given:
            standing.at = at
        standing.given += 1
        if not proved:
            standing.since = standing.since if standing.unproved else at
            standing.unproved += 1
        standing.last = at
        if standing.shape != made or at - standing.since_row >= _QUIET:
            standing.shape, standing.row, standing.since_row = made, 1, at
        return Answer()

    def _looped(self, made: str, standing: Standing, at: int, left: bool) -> bool:
        """Count a mail of the same making as the last one acknowledged; whether it is one too many."""
        if not made or made != standing.shape or at - standing.last >= _QUIET:
            return False
        # only what comes after an acknowledgement had left can be an answer to it
        standing.row += left
        return standing.row > self._caps.loop_after
