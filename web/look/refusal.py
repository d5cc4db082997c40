"""A page that says no."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """The answer is an error page: what happened, what is safe, what to do.

    `key` names a phrase in place of the usual first sentence of this status, `facts` go into it; `back` is the address
    of the one thing to do next, where there is a better one than the usual.
    """

    def __init__(self, status: int, key: str = "", *, back: str = "", **facts: Any) -> None:
        super().__init__(f"{status} {key}".strip())
        self.status = status
        self.key = key
        self.back = back
        self.facts = facts
