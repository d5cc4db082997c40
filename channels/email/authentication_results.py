"""The Authentication-Results of a relay of ours (RFC 8601): what it verified is not verified again.

A field counts only from a trusted client and under an identifier of ours. Such a relay must take away fields under its
own identifier that a mail already carries (section 5); against one that does not, a method counts as the topmost field
says, and no field below the next Received is read.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from channels.email import dmarc, headers
from channels.email.dkim_signature import split
from channels.email.domain import ascii_domain, domain_of
from channels.email.smtp_command import printable

METHODS = frozenset({"spf", "dkim", "dmarc"})
_MOST = 20


def read(raw: bytes, trusted: Collection[str], author: str) -> dict[str, Any]:
    """What relays of these identifiers found, in the form of `authenticity.combine` with `"by": "relay"`.

    `author` is the one address of From, empty where there is none. Empty where no field counts.
    """
    found: dict[str, list[dict[str, str]]] = {}
    begun = False
    for name, field in split(raw)[0]:
        if begun and name == b"received":
            break
        if name != b"authentication-results":
            continue
        identifier, results = parse(field.partition(b":")[2])
        if identifier not in trusted:
            continue
        begun = True
        here: dict[str, list[dict[str, str]]] = {}
        for result in results[:_MOST]:
            here.setdefault(result.pop("method"), []).append(result)
        for method, given in here.items():
            found.setdefault(method, given)
    return _combined(found, author) if found else {}


def parse(value: bytes) -> tuple[str, list[dict[str, str]]]:
    """The identifier of a field, and its results: `method`, `result` and the properties by `type.name`.

    >>> parse(b" mx.example.ru; spf=pass (so) smtp.mailfrom=a@b.ru; arc=none")
    ('mx.example.ru', [{'method': 'spf', 'result': 'pass', 'smtp.mailfrom': 'a@b.ru'}])
    """
    parts = _without_comments(headers.text_of(value.replace(b"\r\n", b" ")[:20_000])).split(";")
    identifier = (parts[0].split() or [""])[0].casefold()
    results = []
    for part in parts[1:]:
        words = part.replace(" =", "=").replace("= ", "=").split()
        name, equals, outcome = words[0].partition("=") if words else ("", "", "")
        method = name.partition("/")[0].casefold()
        if not equals or method not in METHODS:
            continue
        properties = [word.partition("=") for word in words[1:]]
        results.append(
            {"method": method, "result": printable(outcome.casefold())}
            | {printable(key.casefold()): printable(value.strip('"')) for key, equals, value in properties if equals}
        )
    return identifier, results


def _without_comments(text: str) -> str:
    kept: list[str] = []
    depth = 0
    for piece in text.replace("(", "\0(").replace(")", ")\0").split("\0"):
        if piece.startswith("("):
            depth += 1
        if not depth:
            kept.append(piece)
        if piece.endswith(")"):
            depth = max(0, depth - 1)
    return " ".join(kept)


def _combined(found: dict[str, list[dict[str, str]]], author: str) -> dict[str, Any]:
    domain = domain_of(author)
    sent = (found.get("spf") or [{}])[0]
    spf = {"result": sent.get("result", "none"), "domain": _domain(sent, "smtp.mailfrom", "smtp.helo")}
    dkim = [
        {
            "result": each["result"],
            "domain": _domain(each, "header.d", "header.i"),
            "selector": each.get("header.s", ""),
        }
        for each in found.get("dkim", [])
        if each["result"] != "none"
    ]
    told: dict[str, Any] = {"result": "none", "domain": printable(domain)}
    given = found.get("dmarc")
    if given:
        told["result"] = given[0]["result"]
        # what it is about has to be this author
        about = _domain(given[0], "header.from")
        if about and about != domain:
            told |= {"result": "permerror", "because": "another_author"}
        if policy := given[0].get("policy.dmarc") or given[0].get("policy.published-domain-policy"):
            told["policy"] = policy.casefold()
    spf_name = spf["domain"] if spf["result"] == "pass" else ""
    signers = [each["domain"] for each in dkim if each["result"] == "pass"]
    if not author:
        verdict, told = "fail", told | {"result": "permerror", "because": "no_single_author"}
    elif told["result"] in ("pass", "fail", "temperror"):
        verdict = told["result"]
    elif told["result"] == "none" and dmarc.passes(domain, None, spf_name, signers):
        verdict = "pass"
    elif spf["result"] == "fail" and dmarc.aligned(domain, spf["domain"]):
        verdict = "fail"
    else:
        verdict = "none"
    return {"spf": spf, "dkim": dkim, "dmarc": told, "verdict": verdict, "by": "relay"}


def _domain(result: dict[str, str], *names: str) -> str:
    for name in names:
        if value := result.get(name):
            return domain_of(value) if "@" in value else ascii_domain(value)
    return ""
