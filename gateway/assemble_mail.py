"""Puts the mail door together from its settings: its options, and what looks at the mail that comes in by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from channels.email.smtp_in import ListenerOptions
from gateway.settings import Settings
from gateway.settings_mail import Spam
from tickets.clock import Clock

if TYPE_CHECKING:
    from channels.email.authenticity import Authenticity
    from channels.email.clamd import Clamd
    from channels.email.dnsbl import Dnsbl
    from channels.email.examination import Examination
    from channels.email.resolver import Resolver
    from channels.email.rspamd import Rspamd
    from channels.email.smtp_taking import Examine


def listener_options(settings: Settings) -> ListenerOptions:
    """How the mail door behaves."""
    smtp, mail = settings.smtp, settings.mail
    return ListenerOptions(
        host=smtp.listen.host,
        port=smtp.listen.port,
        tls_host=smtp.tls_listen.host if smtp.tls_listen else "",
        tls_port=smtp.tls_listen.port if smtp.tls_listen else None,
        lmtp=settings.lmtp.listen,
        hostname=smtp.hostname,
        max_size=smtp.max_size,
        max_connections=smtp.connections,
        client_connections=smtp.client_connections,
        client_commands=smtp.client_commands,
        client_mails=smtp.client_mails,
        trusted=frozenset(smtp.trusted),
        proxies=frozenset(smtp.proxies),
        domains=frozenset(smtp.domains),
        # bounces and answers have to find their way back
        recipients=frozenset({*smtp.recipients, mail.sender, mail.answers, mail.returns})
        if smtp.recipients
        else frozenset(),
        certificate=str(smtp.certificate or ""),
        key=str(smtp.key or ""),
        require_tls=smtp.require_tls,
        accounts={name: password.get_secret_value() for name, password in smtp.accounts.items()},
        command_timeout=smtp.command_timeout.total_seconds(),
        data_timeout=smtp.data_timeout.total_seconds(),
        session_timeout=smtp.session_timeout.total_seconds(),
        memory_budget=smtp.memory,
    )


@dataclass(frozen=True, slots=True)
class Checks:
    """What looks at clients and mails; None where the settings ask for nothing."""

    examine: Examination | None = None
    dnsbl: Dnsbl | None = None


def checks(settings: Settings, clock: Clock, before: Examine | None = None) -> Checks:
    """Everything the settings ask about mail at the door, counting on where the one `before` stopped.

    Loads nothing that is not asked for.
    """
    found, spam = settings.authenticity, settings.spam
    lists = _dnsbl(settings)
    if not (found.verify or found.results_by or spam.block or lists or spam.trust_headers or spam.rspamd or spam.clamd):
        return Checks()
    from channels.email.examination import Examination
    from channels.email.sender_list import SenderList

    examine = Examination(
        authenticity=_AtFirstStranger(settings, clock) if found.verify else None,
        results_by=found.results_by,
        block=SenderList(spam.block),
        allow=SenderList(spam.allow),
        dnsbl=lists,
        believe_headers=spam.trust_headers,
        rspamd=_rspamd(spam) if spam.rspamd else None,
        clamd=_clamd(spam) if spam.clamd else None,
        counts=before.counts if isinstance(before, Examination) else None,
    )
    return Checks(examine, lists)


class _AtFirstStranger:
    """Loads what verifies mails when the first one is to be: a gateway behind a relay of its own does without."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._made: Authenticity | None = None

    async def verify(self, raw: bytes, envelope: Mapping[str, Any], sender: str) -> dict[str, Any]:
        """See `Authenticity.verify`."""
        if self._made is None:
            from channels.email.authenticity import Authenticity

            budget = self._settings.authenticity.timeout.total_seconds()
            self._made = Authenticity(_resolver(self._settings), self._clock.now, budget)
        return await self._made.verify(raw, envelope, sender)


def _rspamd(spam: Spam) -> Rspamd:
    from channels.email.rspamd import Rspamd

    return Rspamd(spam.rspamd, spam.rspamd_password.get_secret_value(), spam.rspamd_timeout.total_seconds())


def _clamd(spam: Spam) -> Clamd:
    from channels.email.clamd import Clamd

    return Clamd(spam.clamd, spam.clamd_timeout.total_seconds())


def _dnsbl(settings: Settings) -> Dnsbl | None:
    from channels.email.dnsbl import Dnsbl

    spam = settings.spam
    return Dnsbl(_resolver(settings), spam.dnsbl, spam.dnsbl_action) if spam.dnsbl else None


def _resolver(settings: Settings) -> Resolver:
    from channels.email.resolver import Resolver

    # two tries within the time one mail may take
    return Resolver(settings.authenticity.resolver, settings.authenticity.timeout.total_seconds() * 0.75)
