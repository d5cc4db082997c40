"""Settings of mailboxes that are read by IMAP: `[mailbox.NAME]`."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, SecretStr, model_validator

from gateway.settings_section import Section
from gateway.settings_values import Host, Line, LongerThanZero, Mailbox, OptionalCalledUrl, OptionalFile, Size, secret

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,29}")
_TAKEN = ("smtp", "lmtp")
_LONGEST_IDLE = timedelta(minutes=28)


def _mailbox_name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value in _TAKEN:
        raise ValueError('a name of a-z, 0-9, "-" and "_", 30 characters at most, but not smtp or lmtp')
    return value


MailboxName = Annotated[str, PlainValidator(_mailbox_name)]


class MailboxSection(Section):
    """A mailbox of one's own name that is read by IMAP. Several sections may read folders of one account."""

    address: Mailbox = Field("support@localhost", description="Whom its mail is for; the intake address of its mail.")
    host: Host = Field("127.0.0.1", description="Host name or address of the IMAP server.")
    port: int = Field(0, ge=0, le=65535, description="Port; 993 with `tls`, else 143, when 0.")
    tls: Literal["tls", "starttls", "none"] = Field(
        "tls", description="`tls`: from the start; `starttls`: refuse to go on without; `none`: in the clear."
    )
    verify: bool = Field(True, description="Whether the server's certificate has to be valid for its name.")
    ca: OptionalFile = Field(None, description="PEM file with the authorities trusted; the system's when empty.")
    username: Line = Field("", description="Login name; the address when empty.")
    password: SecretStr = secret("Password for it.", default=SecretStr(""))
    oauth_token_url: OptionalCalledUrl = Field(
        "", description="Where access tokens come from (OAuth 2, XOAUTH2); signed in by password when empty."
    )
    oauth_client_id: Line = Field("", description="The program's name at the provider.")
    oauth_client_secret: SecretStr = secret("The program's secret at the provider.", default=SecretStr(""))
    oauth_refresh_token: SecretStr = secret(
        "Refresh token of the mailbox's owner; the provider's next ones are kept encrypted in the database. Without it "
        "the program asks by its own credentials.",
        default=SecretStr(""),
    )
    oauth_scope: Line = Field("", description="Scopes asked for, with spaces between; none when empty.")
    folder: Line = Field("INBOX", min_length=1, description="Folder that is read, as people see its name.")
    after: Literal["seen", "move", "leave"] = Field(
        "seen", description="What is done with a mail once it is taken in: `seen` marks it, `move` moves it, `leave`."
    )
    move_to: Line = Field("", description="Folder it is moved to, made where it is missing.")
    since: date | None = Field(None, description="Mail that reached the folder before this day is left alone.")
    idle: bool = Field(True, description="Whether to wait in IDLE where the server can.")
    idle_renewal: LongerThanZero = Field(
        timedelta(minutes=9), description="How often IDLE is renewed and the folder looked at unasked; 28 min at most."
    )
    poll: LongerThanZero = Field(timedelta(minutes=1), description="How often the folder is looked at without IDLE.")
    rescan: LongerThanZero = Field(
        timedelta(minutes=15), description="How often the mail of the last days is held against what was taken in."
    )
    rescan_days: int = Field(3, ge=1, le=3650, description="How many days that are; flags do not matter.")
    max_size: Size = Field(25_000_000, description="Of a larger mail the header alone is fetched, into quarantine.")
    batch: Size = Field(8_000_000, description="Bytes fetched at once; a larger mail comes by itself.")
    timeout: LongerThanZero = Field(timedelta(seconds=30), description="Patience for an answer of the server.")
    retry: LongerThanZero = Field(timedelta(seconds=2), description="Wait after a first failure; doubled each time.")
    longest_retry: LongerThanZero = Field(timedelta(minutes=5), description="The longest of these waits.")
    silent: LongerThanZero = Field(
        timedelta(minutes=15), description="Time without a look into the folder after which somebody is told."
    )

    @model_validator(mode="after")
    def _whole(self) -> MailboxSection:
        if self.idle_renewal > _LONGEST_IDLE:
            raise ValueError("an idle_renewal of 28 minutes at most: servers end IDLE after 30 (RFC 2177)")
        if bool(self.password.get_secret_value()) == bool(self.oauth_token_url):
            raise ValueError("either a password or an oauth_token_url")
        if self.oauth_token_url and not self.oauth_client_id:
            raise ValueError("an oauth_client_id with the oauth_token_url")
        if (self.after == "move") != bool(self.move_to):
            raise ValueError('move_to together with after = "move", or neither')
        if self.move_to == self.folder:
            raise ValueError("a folder to move to that is not the one that is read")
        if self.silent <= max(self.idle_renewal if self.idle else self.poll, self.poll):
            raise ValueError("a silent that is longer than idle_renewal and poll")
        return self
