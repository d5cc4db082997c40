"""What is set for one mailbox that is read by IMAP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

After = Literal["seen", "move", "leave"]
Security = Literal["tls", "starttls", "none"]


@dataclass(frozen=True, slots=True)
class OAuth:
    """Where access tokens come from (RFC 6749).

    With a `refresh_token` by section 6, else by the client's own credentials (section 4.4).
    """

    token_url: str
    client_id: str
    client_secret: str = ""
    refresh_token: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class MailboxOptions:
    """One mailbox and how it is read. Sizes in bytes, times in seconds.

    `name` is its account in everything that is kept. `address` is whom its mail is for. Mail above `max_size` is held
    with its header alone. `batch` bounds what one fetch brings. IDLE is renewed every `renew` (below 29 minutes, RFC
    2177); where there is none the folder is looked at every `poll`. Every `rescan` all mail of the last `days` is
    compared with what was taken in, whatever its flags. `since` leaves older mail alone. `silent` is how long nothing
    may have been read before somebody is told.
    """

    name: str
    host: str
    port: int = 993
    security: Security = "tls"
    verify: bool = True
    ca: str = ""
    username: str = ""
    password: str = ""
    oauth: OAuth | None = None
    address: str = ""
    folder: str = "INBOX"
    after: After = "seen"
    move_to: str = ""
    idle: bool = True
    renew: float = 540.0
    poll: float = 60.0
    days: int = 3
    rescan: float = 900.0
    since: date | None = None
    max_size: int = 25_000_000
    batch: int = 8_000_000
    timeout: float = 30.0
    silent: float = 900.0
    back_off: float = 2.0
    longest_back_off: float = 300.0

    @property
    def account(self) -> str:
        """The account its receipts bear."""
        return self.name

    def external_id(self, uidvalidity: int, uid: int) -> str:
        """What one message is known by for ever (RFC 3501, section 2.3.1.1)."""
        return f"{self.place(uidvalidity)}{uid}"

    def place(self, uidvalidity: int) -> str:
        """What the external ids of one numbering of the folder begin with."""
        return f"{self.folder[:200]}/{uidvalidity}/"
