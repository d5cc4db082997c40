"""Puts together what reads mailboxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from channels.base import Accept
from channels.email.imap_options import MailboxOptions, OAuth
from desk.intake import Intake
from gateway import assemble
from gateway.settings import Settings
from gateway.settings_mailboxes import MailboxSection
from tickets.message import InboundMessage, Unreadable

if TYPE_CHECKING:
    from channels.email.imap_in import Ports


def mailbox_options(settings: Settings) -> dict[str, MailboxOptions]:
    """The mailboxes that are read, by name."""
    return {name: _mailbox(name, section) for name, section in settings.mailbox.items()}


def _mailbox(name: str, section: MailboxSection) -> MailboxOptions:
    oauth = None
    if section.oauth_token_url:
        oauth = OAuth(
            token_url=section.oauth_token_url,
            client_id=section.oauth_client_id,
            client_secret=section.oauth_client_secret.get_secret_value(),
            refresh_token=section.oauth_refresh_token.get_secret_value(),
            scope=section.oauth_scope,
        )
    return MailboxOptions(
        name=name,
        host=section.host,
        port=section.port or (993 if section.tls == "tls" else 143),
        security=section.tls,
        verify=section.verify,
        ca=str(section.ca or ""),
        username=section.username or section.address,
        password=section.password.get_secret_value(),
        oauth=oauth,
        address=section.address,
        folder=section.folder,
        after=section.after,
        move_to=section.move_to,
        idle=section.idle,
        renew=section.idle_renewal.total_seconds(),
        poll=section.poll.total_seconds(),
        days=section.rescan_days,
        rescan=section.rescan.total_seconds(),
        since=section.since,
        max_size=section.max_size,
        batch=section.batch,
        timeout=section.timeout.total_seconds(),
        silent=section.silent.total_seconds(),
        back_off=section.retry.total_seconds(),
        longest_back_off=section.longest_retry.total_seconds(),
    )


async def mailbox_ports(
    settings: Settings,
    intake: Intake,
    read: Callable[..., InboundMessage | Unreadable],
    owner: str,
    accept: Accept | None = None,
) -> Ports:
    """What mailboxes need of the rest of the program; `owner` is this process among all that may read them, `accept`
    what stands before intake, if anything does."""
    from channels.email.imap_in import Ports
    from desk.mailbox_books import MailboxCredentials, MailboxCursors, MailboxJournal, MailboxOwnership

    opened, clock = intake.database, intake.clock
    return Ports(
        accept=accept or intake.accept,
        read=read,
        cursors=MailboxCursors(opened, clock),
        journal=MailboxJournal(opened, clock, settings.site.prefix),
        kept=MailboxCredentials(opened, clock, await assemble.vault(settings, opened, clock)),
        ownership=MailboxOwnership(opened, owner),
    )
