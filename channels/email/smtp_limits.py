"""How much one client may ask of the listener: connections at once, commands and mails a minute. No I/O here.

Each rate is a bucket that holds a minute's worth and fills evenly, so that a short burst passes and a flood does not.
What is known of a client is forgotten when it has no connection and its buckets are full again.
"""

from __future__ import annotations

from dataclasses import dataclass

from channels.email.networks import client_key

MINUTE = 60.0
FORGET_BEYOND = 5_000
"""So many clients are remembered before those that are gone are looked for."""
FAILED_LOGINS = 10
"""Wrong passwords a client may send within a minute."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What one client may have; 0 is any number."""

    connections: int = 0
    commands: int = 0
    mails: int = 0


class Bucket:
    """A minute's allowance.

    >>> bucket = Bucket(2)
    >>> [bucket.take(0.0), bucket.take(0.0), bucket.take(0.0), bucket.take(30.0), bucket.take(30.0)]
    [True, True, False, True, False]
    """

    __slots__ = ("_at", "_left", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._left = float(size)
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Use one; False if there is none left. `now` in seconds of a clock that never goes back."""
        if not self.size:
            return True
        self._fill(now)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def spent(self, now: float) -> bool:
        """Whether nothing is left."""
        self._fill(now)
        return bool(self.size) and self._left < 1

    def full(self, now: float) -> bool:
        """Whether nothing of it is remembered any more."""
        self._fill(now)
        return self._left >= self.size

    def _fill(self, now: float) -> None:
        self._left = min(float(self.size), self._left + (now - self._at) * self.size / MINUTE)
        self._at = now


class Client:
    """One address (`client_key`) and what is left of its allowances."""

    __slots__ = ("commands", "connections", "failed_logins", "mails")

    def __init__(self, limits: ClientLimits) -> None:
        self.connections = 0
        self.commands = Bucket(limits.commands)
        self.mails = Bucket(limits.mails)
        self.failed_logins = Bucket(FAILED_LOGINS)

    def forgettable(self, now: float) -> bool:
        """Whether a new entry would be no different."""
        return not self.connections and all(
            bucket.full(now) for bucket in (self.commands, self.mails, self.failed_logins)
        )


class Clients:
    """Everybody who was here within the last minute or is here now."""

    def __init__(self, limits: ClientLimits) -> None:
        self.limits = limits
        self._known: dict[str, Client] = {}
        self._look_at = FORGET_BEYOND

    def enter(self, address: str, now: float) -> Client | None:
        """One connection more; None if the client has too many, has no commands left (a connection costs one), or sent
        too many wrong passwords."""
        key = client_key(address)
        client = self._known.get(key)
        if client is None:
            if len(self._known) >= self._look_at:
                self._known = {k: c for k, c in self._known.items() if not c.forgettable(now)}
                # twice as many as stayed, so that a look costs each newcomer the same
                self._look_at = max(FORGET_BEYOND, 2 * len(self._known))
            client = self._known[key] = Client(self.limits)
        crowded = 0 < self.limits.connections <= client.connections
        if crowded or client.failed_logins.spent(now) or not client.commands.take(now):
            return None
        client.connections += 1
        return client

    @staticmethod
    def leave(client: Client) -> None:
        """One connection less."""
        client.connections -= 1

    def become(self, limits: ClientLimits) -> None:
        """Other limits, for clients that come from now on."""
        if limits != self.limits:
            self.limits = limits
            self._known = {}

    def __len__(self) -> int:
        return len(self._known)
