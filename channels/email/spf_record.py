"""SPF records taken apart (RFC 7208, sections 4.6, 5, 6 and 7). No I/O here.

The whole record is read before anything of it is evaluated: a syntax error anywhere makes it a `permerror`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import quote

RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}

_MECHANISM = re.compile(r"([-+?~]?)([A-Za-z][A-Za-z0-9_.-]*)([:/].*)?", re.DOTALL)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_CIDR = re.compile(r"(.*?)(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?", re.DOTALL)
_MACRO = r"%\{([slodiphcrtv])(\d*)(r?)([-.+,/_=]*)\}"
_MACROS = re.compile(rf"(?:{_MACRO}|%%|%_|%-|[!-$&-~])*", re.IGNORECASE)
_EXPAND = re.compile(rf"{_MACRO}|%([%_-])", re.IGNORECASE)
_TOP_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}


class RecordError(ValueError):
    """The record is no SPF record; the text says where."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One directive. `target` is its unexpanded domain, empty for the current one."""

    result: str
    name: str
    target: str = ""
    v4: int = 32
    v6: int = 128
    network: IPv4Network | IPv6Network | None = None


@dataclass(slots=True)
class Record:
    """A record: its directives in order, and where it leads if none matches."""

    mechanisms: list[Mechanism] = field(default_factory=list)
    redirect: str = ""


def is_spf(text: bytes) -> bool:
    """Whether a TXT record is one of SPF's (section 4.5)."""
    return text[:6].lower() == b"v=spf1" and text[6:7] in (b"", b" ")


def parse(text: bytes) -> Record:
    """Take a record apart.

    Raises:
        RecordError: it breaks the grammar.
    """
    try:
        terms = text[6:].decode("ascii").split(" ")
    except UnicodeDecodeError as error:
        raise RecordError("not ASCII") from error
    record = Record()
    seen: set[str] = set()
    for term in filter(None, terms):
        if not all("!" <= each <= "~" for each in term):
            raise RecordError("a control character")
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            record.mechanisms.append(_mechanism(term))
            continue
        name = modifier[1].lower()
        if name in ("redirect", "exp"):
            if name in seen:
                raise RecordError(f"{name} twice")
            seen.add(name)
            _check_domain(modifier[2])
            if name == "redirect":
                record.redirect = modifier[2]
        elif not _MACROS.fullmatch(modifier[2]):
            raise RecordError(f"the value of {name}")
    return record


def _mechanism(term: str) -> Mechanism:
    found = _MECHANISM.fullmatch(term)
    if found is None:
        raise RecordError("no term")
    result, name, rest = RESULTS[found[1] or "+"], found[2].lower(), found[3] or ""
    if name == "all":
        if rest:
            raise RecordError("all takes nothing")
        return Mechanism(result, name)
    if name in ("ip4", "ip6"):
        return Mechanism(result, name, network=_network(name, rest))
    if name in ("a", "mx"):
        cidr = _CIDR.fullmatch(rest)
        if cidr is None or (cidr[2] and int(cidr[2]) > 32) or (cidr[3] and int(cidr[3]) > 128):
            raise RecordError("no prefix length")
        target = _target(cidr[1], needed=False)
        return Mechanism(result, name, target, int(cidr[2] or 32), int(cidr[3] or 128))
    if name in ("include", "exists", "ptr"):
        return Mechanism(result, name, _target(rest, needed=name != "ptr"))
    raise RecordError("an unknown mechanism")


def _target(rest: str, *, needed: bool) -> str:
    if not rest and not needed:
        return ""
    if not rest.startswith(":"):
        raise RecordError("no domain")
    _check_domain(rest[1:])
    return rest[1:]


def _network(name: str, rest: str) -> IPv4Network | IPv6Network:
    address, slash, length = rest.removeprefix(":").partition("/")
    if not rest.startswith(":") or (slash and not re.fullmatch(r"0|[1-9]\d{0,2}", length)):
        raise RecordError("no network")
    try:
        network = ip_network(f"{address}/{length}" if slash else address, strict=False)
    except ValueError as error:
        raise RecordError("no network") from error
    if network.version != int(name[-1]) or "%" in address:
        raise RecordError("a network of the other family")
    return network


def _check_domain(spec: str) -> None:
    """Section 7.1: macros and literals, ending in a macro or in a top label."""
    if not spec or not _MACROS.fullmatch(spec):
        raise RecordError("no domain")
    for macro in _EXPAND.finditer(spec):
        if macro[1] and (macro[1].lower() in "crt" or (macro[2] and int(macro[2][:4]) == 0)):
            raise RecordError("a macro that stands in explanations alone")
    last = list(_EXPAND.finditer(spec))
    if last and last[-1].end() == len(spec):
        return
    label = spec.removesuffix(".").rpartition(".")
    if not label[1] or not _TOP_LABEL.fullmatch(label[2]) or label[2].isdigit():
        raise RecordError("a domain without a top label")


def expand(spec: str, values: Mapping[str, str]) -> str:
    """A domain with its macros replaced (section 7.3); `values` by macro letter.

    >>> values = {"i": "192.0.2.3", "d": "email.example.com", "l": "strong-bad", "v": "in-addr"}
    >>> expand("%{ir}.%{v}._spf.%{d2}", values), expand("%{lr-}.lp", values), expand("%%%_%-.x", values)
    ('3.2.0.192.in-addr._spf.example.com', 'bad.strong.lp', '% %20.x')
    """

    def one(found: re.Match[str]) -> str:
        letter, digits, reverse, delimiters, escape = found.groups()
        if escape:
            return _ESCAPES[escape]
        value = values[letter.lower()]
        if digits or reverse or delimiters:
            parts = re.split(f"[{re.escape(delimiters or '.')}]", value)
            if reverse:
                parts.reverse()
            value = ".".join(parts[-int(digits[:4]) :] if digits else parts)
        return quote(value, safe="") if letter.isupper() else value

    expanded = _EXPAND.sub(one, spec)
    # what is too long loses whole labels from the left
    return expanded if len(expanded) <= 253 else expanded[-254:].partition(".")[2]
