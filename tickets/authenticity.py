"""How far a message may be believed to be from whom it says: the one place that reads `InboundMessage.authenticity`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Trust(StrEnum):
    """What was found out about a sender's address.

    VERIFIED: the domain of the address vouches for this mail. What it asks for may be done in its name: it joins the
    ticket it names, it is acknowledged like a person known, its text may be repeated to it. The domain vouches, not the
    person: within one domain anybody may write as anybody.
    UNVERIFIED: nobody vouches and nobody denies. It is taken in and shown; what is told back repeats nothing of it and
    goes out seldom, because the address may belong to somebody who never wrote.
    FAILED: the domain of the address denies it, or it names no single author. It is kept and shown with a warning and
    opens nothing that exists. What is told back is as for UNVERIFIED, even where the address is known to us.
    """

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    FAILED = "failed"


def trust(authenticity: Mapping[str, Any]) -> Trust:
    """Read the stored mapping; total, whatever is in it.

    Of mail it is `{"spf": {"result", "domain"}, "dkim": [{"result", "domain", "selector"}], "dmarc": {"result",
    "domain", "policy"?}, "verdict": "pass|fail|none|temperror", "by": "us|relay"}`. A failure counts as none where the
    domain itself asks that nothing follow from it (DMARC `p=none`: it still looks who sends in its name, RFC 7489,
    section 6.3). A `temperror` is no verdict. An empty mapping (a trusted relay that verifies nothing, a mailbox) and
    those of other channels are UNVERIFIED here: what a form or a link proves, its own channel knows.

    >>> trust({"verdict": "pass", "by": "us"}), trust({"verdict": "fail", "by": "us"}), trust({})
    (<Trust.VERIFIED: 'verified'>, <Trust.FAILED: 'failed'>, <Trust.UNVERIFIED: 'unverified'>)
    """
    if authenticity.get("by") not in ("us", "relay"):
        return Trust.UNVERIFIED
    verdict = authenticity.get("verdict")
    if verdict == "pass":
        return Trust.VERIFIED
    if verdict != "fail":
        return Trust.UNVERIFIED
    dmarc = authenticity.get("dmarc")
    lenient = isinstance(dmarc, Mapping) and dmarc.get("result") == "fail" and dmarc.get("policy") == "none"
    return Trust.UNVERIFIED if lenient else Trust.FAILED


def doubts(authenticity: Mapping[str, Any]) -> list[str]:
    """The methods that found something against a sender: `spf`, `dkim`, `dmarc` (RFC 8601, section 2.7)."""
    found = []
    for method in ("spf", "dkim", "dmarc"):
        told = authenticity.get(method)
        results = told if isinstance(told, list) else [told]
        said = [str(r.get("result", "")) if isinstance(r, Mapping) else str(r) for r in results]
        # one signature that holds outweighs others that broke on the way
        if any(each.lower() in _DOUBTFUL for each in said) and "pass" not in said:
            found.append(method)
    return found


_DOUBTFUL = frozenset({"fail", "softfail", "permerror", "policy"})
