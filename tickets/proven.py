"""Whether a message is its sender's: what the channel found out about it, and what is known of the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tickets.authenticity import Trust, trust

_FORGEABLE = frozenset({"email", "web"})
"""Channels on which anybody can name any address. Behind the others stands a caller we know."""


def proven(channel: str, authenticity: Mapping[str, Any], verified: bool) -> bool:
    """Whether the address a message names may be held for its writer's.

    `authenticity` is what the channel found out (`tickets.authenticity`); `verified` says that the address was once
    shown to be its owner's, by a link or an answer to a mail of ours. A forged mail proves nothing, whoever it names.
    Where nobody looked, mail of a verified address is taken for its owner's, because that is all there is to go by.
    What is typed into a form never is.

    >>> proven("email", {}, False), proven("email", {"verdict": "pass", "by": "us"}, False)
    (False, True)
    >>> proven("email", {}, True), proven("email", {"verdict": "fail", "by": "us"}, True)
    (True, False)
    """
    if channel not in _FORGEABLE:
        return True
    if channel == "web":
        return False
    found = trust(authenticity)
    return found is Trust.VERIFIED or (found is not Trust.FAILED and verified)
