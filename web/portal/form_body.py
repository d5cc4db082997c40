"""Reading the body of a form: a limit of its own, and one for all forms that are arriving together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from channels.webform.stream import Body

CHUNK = 65_536
SLACK = 1_000_000
"""What words and headers may take beside the files."""


class Crowded(Exception):
    """All forms that are arriving together take too much memory; the client may come again."""


class Memory:
    """How much of the memory for arriving forms is taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    @contextmanager
    def of(self, octets: int) -> Iterator[None]:
        """Room for one form.

        Raises:
            Crowded: there is none; a lone form always has some.
        """
        if self._taken and self._taken + octets > self._most:
            raise Crowded
        self._taken += octets
        try:
            yield
        finally:
            self._taken -= octets


async def read(request: web.Request, limit: int) -> Body:
    """The body, of which `limit` octets are kept at most besides the words.

    Raises:
        FarTooLarge: it has no end, or it is too large and no form.
    """
    body = Body(limit + SLACK)
    async for chunk in request.content.iter_chunked(CHUNK):
        body.feed(chunk)
    return body


def expected(request: web.Request, limit: int) -> int:
    """How much of a form will be in memory: what it announces, or the most it may have."""
    announced = request.content_length
    return limit + SLACK if announced is None else min(announced, limit + SLACK)
