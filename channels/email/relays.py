"""Several relays as one way out: the first that works takes the mail.

They are asked in order. One that refuses connections, signs us off or will not have us as a sender is left alone for a
while, longer each time, and asked again when its rest is over or when none of the others works. What a relay says of a
recipient or of a mail is final: it is not asked elsewhere. Nor is a mail given to a second relay once its content was
handed to the first: `SendFailed.provider_down` is only said where nothing was. Whose words an answer is stands before
them in `detail`, where there are several.

The state is this process's own: each node finds out for itself, at the price of one connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from channels.base import OutMessage, SendFailed, Sent
from channels.email.smtp_out import Relay, RelayOptions

log = structlog.get_logger(__name__)

FIRST_REST = 30.0
"""Seconds a relay is left alone after its first failure; each further one doubles it."""

LONGEST_REST = 600.0


@dataclass(slots=True)
class _Health:
    until: float = 0.0
    failures: int = 0


class Relays:
    """Relays in the order they are tried."""

    def __init__(self, relays: Sequence[Relay], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._relays = tuple(relays)
        self._monotonic = monotonic
        self._health = {relay.options.name: _Health() for relay in relays}

    @property
    def options(self) -> tuple[RelayOptions, ...]:
        """Those of the relays, in order."""
        return tuple(relay.options for relay in self._relays)

    @property
    def patience(self) -> float:
        """The longest one `send` takes once it has connections of its own, in seconds."""
        return sum(relay.patience for relay in self._relays)

    def resting(self) -> dict[str, bool]:
        """By name, whether a relay is left alone at present."""
        now = self._monotonic()
        return {name: health.until > now for name, health in self._health.items()}

    async def send(self, message: OutMessage) -> Sent:
        """Make one try, at the first relay that works.

        Raises:
            SendFailed: it was not taken, or (`uncertain`) nobody can say.
        """
        told: list[str] = []
        last: SendFailed | None = None
        for relay in self._order():
            name = relay.options.name
            try:
                sent = await relay.send(message)
            except SendFailed as failure:
                told_of = f"{name}: {failure}"
                failure.detail = self._by(name, failure.detail)
                failure.exchange = _said(told, name, failure.exchange)
                if not failure.provider_down:
                    self._works(name)
                    raise
                self._rests(name, failure)
                told.append(told_of)
                last = failure
                continue
            self._works(name)
            return replace(sent, detail=self._by(name, sent.detail), exchange=_said(told, name, sent.exchange))
        raise last or SendFailed("", "there is no relay", retryable=True)

    async def close(self) -> None:
        """Let go of connections."""
        for relay in self._relays:
            await relay.close()

    def _by(self, name: str, detail: str) -> str:
        """A relay's words, with its name where there are others."""
        return f"{name}: {detail}" if len(self._relays) > 1 else detail

    def _order(self) -> list[Relay]:
        """Those that work, in order; then those at rest, the one that rests shortest first."""
        now = self._monotonic()
        awake = [relay for relay in self._relays if self._health[relay.options.name].until <= now]
        asleep = [relay for relay in self._relays if relay not in awake]
        return [*awake, *sorted(asleep, key=lambda relay: self._health[relay.options.name].until)]

    def _rests(self, name: str, failure: SendFailed) -> None:
        health = self._health[name]
        health.failures += 1
        rest = min(FIRST_REST * 2 ** (health.failures - 1), LONGEST_REST)
        health.until = self._monotonic() + rest
        log.warning("relay_rests", relay=name, seconds=rest, error=str(failure)[:200])

    def _works(self, name: str) -> None:
        health = self._health[name]
        if health.failures:
            log.info("relay_works_again", relay=name)
        health.until, health.failures = 0.0, 0


def _said(told: Sequence[str], name: str, exchange: str) -> str:
    return "\n".join([*told, f"relay: {name}", exchange]).strip()
