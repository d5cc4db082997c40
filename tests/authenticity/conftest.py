"""A name server on a real socket, and what asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from channels.email.authenticity import Authenticity
from channels.email.resolver import Resolver
from channels.testing_dns import SimulatedDns

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CLIENT = "192.0.2.25"


@pytest.fixture
async def dns() -> AsyncIterator[SimulatedDns]:
    """A name server that knows nothing yet."""
    server = SimulatedDns()
    await server.start()
    yield server
    server.stop()


@pytest.fixture
def resolver(dns: SimulatedDns) -> Resolver:
    """Asks it."""
    return Resolver([dns.address], timeout=1.0)


@pytest.fixture
def authenticity(resolver: Resolver) -> Authenticity:
    """Verifies with it."""
    return Authenticity(resolver, lambda: NOW, budget=2.0)
