"""What is found out about a mail at the door: who really sent it, and whether it is spam or carries a virus.

Spam is taken in and kept like any mail, as the kind `spam`: it is answered to nobody, and people can bring it back. The
verdicts, from the strongest: a virus; the block list; a DNS block list, where it marks; a trusted relay's header field;
Rspamd. The allow list silences all but the virus, unless the sender was forged. Reports about mail of ours (bounces and
their like) stay what they are, for they are answered to nobody either and belong to a ticket; a virus makes spam of
them too.

What could not be asked is noted in the envelope under `checks`, and the mail goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from channels.email import authentication_results, filter_verdict, headers
from channels.email.dnsbl import Dnsbl
from channels.email.filter_verdict import FilterFailed, FilterRests, Verdict
from channels.email.receiving import error_place
from channels.email.sender_list import SenderList
from channels.email.smtp_command import printable
from tickets.authenticity import Trust, trust
from tickets.measure import Count
from tickets.message import REPORTS, InboundMessage, MessageKind, Unreadable

if TYPE_CHECKING:
    from channels.email.clamd import Clamd
    from channels.email.rspamd import Rspamd


class Verifier(Protocol):
    """Finds out who really sent a mail: `channels.email.authenticity.Authenticity`."""

    async def verify(self, raw: bytes, envelope: Mapping[str, Any], sender: str) -> dict[str, Any]:
        """See there."""
        ...


MAX_HEADER = 262_144
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExaminationCounts:
    """What was found so far: `verdicts` of strangers and relays, `spam` by what said so, `failures` by filter."""

    verdicts: Count = field(default_factory=Count)
    spam: Count = field(default_factory=Count)
    failures: Count = field(default_factory=Count)


class Examination:
    """Everything that is asked about a mail before it is accepted; parts that are None or empty are not.

    `results_by` are identifiers of relays whose Authentication-Results are believed, `headers` whether their spam
    fields are: both from trusted clients alone.
    """

    def __init__(
        self,
        *,
        authenticity: Verifier | None = None,
        results_by: Collection[str] = (),
        block: SenderList | None = None,
        allow: SenderList | None = None,
        dnsbl: Dnsbl | None = None,
        believe_headers: bool = False,
        rspamd: Rspamd | None = None,
        clamd: Clamd | None = None,
        counts: ExaminationCounts | None = None,
    ) -> None:
        self.counts = counts or ExaminationCounts()
        self._authenticity = authenticity
        self._results_by = frozenset(each.casefold() for each in results_by)
        self._block = block or SenderList()
        self._allow = allow or SenderList()
        self._dnsbl = dnsbl
        self._believe_headers = believe_headers
        self._rspamd = rspamd
        self._clamd = clamd
        self._anything_of_ours = bool(results_by or self._block or believe_headers or rspamd or clamd)

    async def __call__(
        self, message: InboundMessage | Unreadable, raw: bytes, envelope: dict[str, Any], *, trusted: bool
    ) -> None:
        """See `smtp_taking.Examine`."""
        if trusted and not self._anything_of_ours:
            return
        if isinstance(message, Unreadable):
            if self._looks(envelope, trusted):
                # for the day it can be read: nobody could be asked whether its author vouches for it
                envelope["authenticity"] = {"verdict": "temperror", "by": "relay" if trusted else "us"}
            return
        checks: dict[str, Exception] = {}
        found, virus, verdict = await asyncio.gather(
            self._authentic(message, raw, envelope, trusted),
            self._virus(raw, checks),
            self._filtered(raw, envelope, checks),
        )
        if found:
            message.authenticity = found
            self.counts.verdicts[(found["verdict"],)] += 1
        because = self._because(message, raw, envelope, verdict, trusted=trusted)
        if checks:
            told = envelope["checks"] = {name: _told(failed) for name, failed in checks.items()}
            self.counts.failures.update((name,) for name in checks)
            if news := {name: told[name] for name in checks if not isinstance(checks[name], FilterRests)}:
                _log.warning("smtp.checks_failed", **news)
        if virus:
            self._mark(message, f"virus:{virus}")
        elif because and message.kind not in REPORTS:
            self._mark(message, because)

    def _mark(self, message: InboundMessage, because: str) -> None:
        self.counts.spam[(because.partition(":")[0],)] += 1
        message.kind = MessageKind.SPAM
        message.kind_because = (because,)

    def _looks(self, envelope: Mapping[str, Any], trusted: bool) -> bool:
        """Whether it is found out who sent what comes this way."""
        return bool(self._results_by) if trusted else self._authenticity is not None and "login" not in envelope

    async def _authentic(
        self, message: InboundMessage, raw: bytes, envelope: dict[str, Any], trusted: bool
    ) -> dict[str, Any]:
        if trusted:
            if not self._results_by:
                return {}
            from channels.email.authenticity import author_of

            return authentication_results.read(raw, self._results_by, author_of(raw, message.sender.value))
        if self._authenticity is None or "login" in envelope:
            return {}
        return await self._authenticity.verify(raw, envelope, message.sender.value)

    async def _virus(self, raw: bytes, checks: dict[str, Exception]) -> str:
        if self._clamd is None:
            return ""
        try:
            return await self._clamd.virus(raw)
        except Exception as failed:
            checks["clamd"] = failed
            return ""

    async def _filtered(self, raw: bytes, envelope: dict[str, Any], checks: dict[str, Exception]) -> Verdict | None:
        if self._rspamd is None:
            return None
        try:
            return await self._rspamd.verdict(raw, envelope)
        except Exception as failed:
            checks["rspamd"] = failed
            return None

    def _because(
        self, message: InboundMessage, raw: bytes, envelope: dict[str, Any], verdict: Verdict | None, *, trusted: bool
    ) -> str:
        """The code of what makes it spam; empty if nothing does."""
        senders = [message.sender.value, envelope["mail_from"]]
        if blocked := self._block.match(senders, envelope["peer"]):
            return f"block_list:{printable(blocked)}"
        if trust(message.authenticity) is not Trust.FAILED and self._allow.match(senders[:1], envelope["peer"]):
            return ""
        listings = envelope.get("dnsbl")
        if listings and self._dnsbl is not None and self._dnsbl.action != "note":
            return f"dnsbl:{next(iter(listings))}"
        if self._believe_headers and trusted:
            fields, _ = headers.split_fields(raw[: _header_end(raw)])
            if named := filter_verdict.from_fields(fields):
                return f"spam_header:{named}"
        if verdict is not None and verdict.spam:
            score = "" if verdict.score is None else f" {verdict.score:g}"
            return f"spam_filter:{printable(verdict.told)}{score}"
        return ""


def _told(failed: Exception) -> str:
    """Why there is no verdict. A mistake of ours in one filter must not cost the verdicts of the others."""
    if isinstance(failed, FilterFailed):
        return str(failed)
    _log.error("smtp.examination_failed", error=type(failed).__name__, where=error_place(failed))
    return type(failed).__name__


def _header_end(raw: bytes) -> int:
    ends = [end for end in (raw.find(b"\r\n\r\n", 0, MAX_HEADER), raw.find(b"\n\n", 0, MAX_HEADER)) if end >= 0]
    return min(ends, default=MAX_HEADER)
