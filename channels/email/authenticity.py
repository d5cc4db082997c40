"""Whether a mail is from whom it says: SPF, DKIM and DMARC verified by us.

The three are asked for at once and share one budget of time; what is not known then is a `temperror`. Nothing here
refuses a mail or loses one: the verdict is written on the message and limits what the mail may do
(`tickets.authenticity`).

The verdict is about the author, the one address of the one From field, and about nobody else:

- `pass`: a name that passed SPF or DKIM is aligned with the author's domain, whether or not that has a DMARC record;
- `fail`: none is and the domain has a record, or its own SPF record says that this client is none of its; or From
  names no single author, which no honest mail does;
- `temperror`: not known, because the DNS did not answer in time;
- `none`: the domain says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from channels.email import dkim, dmarc, headers, parse, spf
from channels.email.dkim import DkimOutcome
from channels.email.dmarc import BadRecord, Policy
from channels.email.domain import domain_of
from channels.email.receiving import error_place
from channels.email.resolver import DnsTrouble, Resolver
from channels.email.smtp_command import printable
from channels.email.spf import SpfOutcome
from tickets.address import fold

MAX_HEADER = 1_048_576
_log = structlog.get_logger()


class Authenticity:
    """Verifies mails. `budget` is the time one may take in seconds, `clock` tells the time in UTC."""

    def __init__(self, resolver: Resolver, clock: Callable[[], datetime], budget: float = 4.0) -> None:
        self._resolver = resolver
        self._clock = clock
        self._budget = budget

    async def verify(self, raw: bytes, envelope: Mapping[str, Any], sender: str) -> dict[str, Any]:
        """What is known of a mail: `{"spf": {}, "dkim": [{}], "dmarc": {}, "verdict", "by": "us"}`.

        `envelope` has `peer`, `helo` and `mail_from`; `sender` is the address the mail was read to be from.
        """
        author = author_of(raw, sender)
        domain = domain_of(author)
        tasks = (
            asyncio.create_task(self._spf(envelope)),
            asyncio.create_task(dkim.verify(self._resolver, raw, self._clock())),
            asyncio.create_task(self._policy(domain)),
        )
        try:
            await asyncio.wait(tasks, timeout=self._budget)
        finally:
            for task in tasks:
                task.cancel()
        spf_task, dkim_task, policy_task = tasks
        late = DkimOutcome("temperror", "", because="time")
        return combine(
            author,
            spf_task.result() if _done(spf_task) else SpfOutcome("temperror", "", "time"),
            dkim_task.result() if _done(dkim_task) else [late],
            policy_task.result() if _done(policy_task) else "temperror",
        )

    async def _spf(self, envelope: Mapping[str, Any]) -> SpfOutcome:
        return await spf.check(
            self._resolver, client=envelope["peer"], mail_from=envelope["mail_from"], helo=envelope["helo"]
        )

    async def _policy(self, domain: str) -> Policy | str:
        if not domain:
            return "none"
        try:
            return await dmarc.look_up(self._resolver, domain) or "none"
        except DnsTrouble:
            return "temperror"
        except BadRecord:
            return "permerror"


def _done(task: asyncio.Task[Any]) -> bool:
    if not task.done() or task.cancelled():
        return False
    if (error := task.exception()) is not None:
        # a mistake of ours costs the verdict of one method
        _log.error("smtp.examination_failed", error=type(error).__name__, where=error_place(error))
    return error is None


def author_of(raw: bytes, sender: str) -> str:
    """The one author of a mail: the address of its From field, empty where there is no single one.

    Read as the message was, tolerance included: a second From that only this program would see counts all the same.
    """
    raw, _ = parse.readable(raw)
    ends = [end for end in (raw.find(b"\n\r\n", 0, MAX_HEADER), raw.find(b"\n\n", 0, MAX_HEADER)) if end >= 0]
    fields, _ = headers.split_fields(raw[: min(ends, default=MAX_HEADER)])
    given = fields.get(b"from", [])
    found = {fold(address) for _, address in headers.mailboxes(given) if address} if len(given) == 1 else set()
    return sender if found == {fold(sender)} and sender else ""


def combine(author: str, sent: SpfOutcome, signed: list[DkimOutcome], policy: Policy | str) -> dict[str, Any]:
    """The stored form of what was found; `policy` is a record, or `none`, `temperror` or `permerror`."""
    domain = domain_of(author)
    record = policy if isinstance(policy, Policy) else None
    spf_name = sent.domain if sent.result == "pass" else ""
    signers = [each.domain for each in signed if each.result == "pass"]
    unsure = sent.result == "temperror" or any(each.result == "temperror" for each in signed)
    passed = bool(domain) and dmarc.passes(domain, record, spf_name, signers)
    if passed:
        verdict = "pass"
    elif not author:
        verdict = "fail"
    elif unsure or policy == "temperror":
        verdict = "temperror"
    elif record is not None or (sent.result == "fail" and dmarc.aligned(domain, sent.domain)):
        verdict = "fail"
    else:
        verdict = "none"
    told: dict[str, Any] = {"result": policy if isinstance(policy, str) else verdict, "domain": printable(domain)}
    if record is not None:
        told |= {"policy": record.policy, "record": record.record}
    if not author:
        told |= {"result": "permerror", "because": "no_single_author"}
    return {
        "spf": _told(sent.result, sent.domain, sent.because),
        "dkim": [_told(s.result, s.domain, s.because) | {"selector": printable(s.selector)} for s in signed],
        "dmarc": told,
        "verdict": verdict,
        "by": "us",
    }


def _told(result: str, domain: str, because: str) -> dict[str, Any]:
    told = {"result": result, "domain": printable(domain)}
    return told | {"because": because} if because else told
