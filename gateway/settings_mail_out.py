"""Settings of mail that leaves: as whom we write, by which relays, how often it is tried, whom we thank how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from channels.email.dkim_signer import signer
from gateway.settings_section import Section
from gateway.settings_values import (
    Host,
    KeyRing,
    Line,
    LongerThanZero,
    Mailbox,
    OptionalDomain,
    OptionalMailbox,
    secret,
)
from outbound.token import RETURN_TOKEN

_LOCAL_PART = 64
_TOKEN = 52


class Mail(Section):
    """Mail we send."""

    sender: Mailbox = Field("support@localhost", description="Mailbox notifications come from.")
    name: Line = Field("Служба поддержки", description="Display name of that mailbox.")
    reply_mailbox: OptionalMailbox = Field(
        "", description="Mailbox answers come to, with the reply token put behind a plus; `sender` when empty."
    )
    domain: OptionalDomain = Field("", description="Right side of our Message-IDs; the sender's domain when empty.")
    reply_keys: KeyRing = secret(
        "The keys reply tokens are signed with, by id (1 to 4 of a-z and 0-9; 16 characters or more). The last one "
        "signs, all are honoured. Without any the program keeps one of its own in the database.",
        default={},
    )
    return_path: Literal["sender", "token"] = Field(
        "sender",
        description="Where mail that cannot be delivered comes back to: the `sender`, or an address with a `token` for "
        "each try behind a plus, so that whatever comes back finds its try. The mailbox has to take addresses with a "
        "plus, and the relay any sender of the domain.",
    )
    return_mailbox: OptionalMailbox = Field(
        "", description="Mailbox the token of a return path is put behind; `reply_mailbox` when empty."
    )
    reference_line: bool = Field(
        True,
        description="Whether mails to authors carry the reply token in their text too, for programs that drop every "
        "header when they answer.",
    )
    staff_forwards: bool = Field(
        True,
        description="Whether a mail forwarded to us by a member of staff is filed under who wrote it first; otherwise "
        "under the member.",
    )
    spam_lifetime: LongerThanZero = Field(
        timedelta(days=30),
        description="How long spam is held for somebody to look at; then it is put aside. Its bytes stay as long as "
        "those of other mail.",
    )
    calendar_files: bool = Field(
        True, description="Whether mails to assignees carry the deadlines of the ticket as a file for their calendar."
    )
    relays: list[str] = Field(
        [],
        description="Names of `[relay.NAME]` in the order they are tried; as they stand. One that cannot be used is "
        "left alone for a while, and the next one takes the mail.",
    )

    @model_validator(mode="after")
    def _room_for_the_token(self) -> Mail:
        # RFC 5321, 4.5.3.1.1: 64 octets before the @; a plus, the key's id, a hyphen and 52 characters come on top
        room = _LOCAL_PART - 2 - _TOKEN - max(map(len, self.reply_keys), default=2)
        mailbox = self.answers
        if len(mailbox.rpartition("@")[0].encode()) > room:
            raise ValueError(
                f"a reply_mailbox with at most {room} characters before the @, because a reply token is put behind it "
                f'({mailbox} is too long; such as "reply@{mailbox.rpartition("@")[2]}")'
            )
        return self

    @model_validator(mode="after")
    def _room_for_the_return_path(self) -> Mail:
        room = _LOCAL_PART - 1 - RETURN_TOKEN - max(map(len, self.reply_keys), default=2)
        mailbox = self.returns
        if self.return_path == "token" and len(mailbox.rpartition("@")[0].encode()) > room:
            raise ValueError(
                f"a return_mailbox with at most {room} characters before the @, because a token is put behind it "
                f'({mailbox} is too long; such as "bounce@{mailbox.rpartition("@")[2]}")'
            )
        return self

    @property
    def returns(self) -> str:
        """The mailbox mail that cannot be delivered comes back to."""
        return self.return_mailbox or self.answers

    @property
    def answers(self) -> str:
        """The mailbox answers come to."""
        return self.reply_mailbox or self.sender

    @property
    def message_domain(self) -> str:
        """The right side of our Message-IDs."""
        return self.domain or self.sender.rpartition("@")[2].casefold()


class Dkim(Section):
    """Signatures under outgoing mail (DKIM, RFC 6376). `otklik check` prints the DNS record they need."""

    domain: OptionalDomain = Field("", description="Domain that signs; the sender's when empty.")
    selector: str = Field("", description="Name of the key in the DNS; nothing is signed when empty.")
    key: SecretStr = secret(
        "Private key, RSA or Ed25519, as PEM without a password; best named by `key_file`.", default=SecretStr("")
    )

    @model_validator(mode="after")
    def _usable(self) -> Dkim:
        key = self.key.get_secret_value()
        if bool(key) != bool(self.selector):
            raise ValueError("selector and key together, or neither")
        if key:
            # says in one line what is wrong with the key, and nothing of it
            signer(self.domain or "example.org", self.selector, key.encode())
        return self


class Relay(Section):
    """A mail relay of one's own name."""

    host: Host = Field("127.0.0.1", description="Host name or address.")
    port: int = Field(25, ge=1, le=65535, description="Port.")
    tls: Literal["none", "starttls", "tls"] = Field(
        "none", description="`none`; `starttls` (port 587): refuse to go on without; `tls` (port 465): from the start."
    )
    verify: bool = Field(True, description="Whether the relay's certificate has to be valid for its name.")
    username: str = Field("", description="Login name; no login when empty.")
    password: SecretStr = secret("Password for it.", default=SecretStr(""))
    timeout: LongerThanZero = Field(timedelta(seconds=30), description="Patience for one answer of the relay.")
    data_timeout: LongerThanZero = Field(
        timedelta(minutes=5), description="Patience for the answer to a whole mail, which relays may filter at leisure."
    )
    connections: int = Field(8, ge=1, le=100, description="Connections open to it at once.")

    @model_validator(mode="after")
    def _login(self) -> Relay:
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password together, or neither")
        return self


class Outbox(Section):
    """How notifications are delivered and tried again."""

    attempts: int = Field(100, ge=1, le=1000, description="Tries in all, the first included.")
    horizon: LongerThanZero = Field(timedelta(days=3), description="Time from the queue to the last try.")
    quick: list[LongerThanZero] = Field(
        [timedelta(seconds=s) for s in (10, 30, 120, 600, 1800)], description="Waits after the first tries."
    )
    every: LongerThanZero = Field(timedelta(hours=1), description="Wait after all later tries.")
    lease: LongerThanZero = Field(
        timedelta(minutes=2),
        description="How long a worker may hold a delivery before another takes it over; longer where the relays' own "
        "patience is.",
    )
    poll: LongerThanZero = Field(timedelta(seconds=2), description="How often the queue is looked at unasked.")
    concurrency: int = Field(
        8, ge=1, le=1000, description="Deliveries under way at one relay at once, if it has the connections."
    )
    acknowledgements: int = Field(
        20,
        ge=1,
        description="Acknowledgements an address that is known to be its writer's gets within an hour; what is over is "
        "suppressed (RFC 3834).",
    )
    unverified_acknowledgements: int = Field(
        1,
        ge=0,
        description="The same for an address nobody has proved to be the writer's. They repeat nothing of what was "
        "written.",
    )
    domain_acknowledgements: int = Field(
        1000, ge=0, description="Acknowledgements all such addresses of one domain get within an hour. 0: any number."
    )
    total_acknowledgements: int = Field(
        20_000, ge=0, description="Acknowledgements all such addresses get within an hour. 0: any number."
    )
    loop_after: int = Field(
        3,
        ge=1,
        le=100,
        description="Acknowledgements in a row that are each answered at once by a new mail of the same making; then "
        "the address gets no more of them for a day, and staff are told once.",
    )
    on_unknown: Literal["resend", "hold"] = Field(
        "resend",
        description="What follows when a crash left it open whether a mail went out: `resend` it under the same "
        "Message-ID, or `hold` it for a person to decide.",
    )
    test_mode_only: list[Mailbox] = Field(
        [], description="When not empty, only these addresses are written to; the rest is suppressed."
    )
    stop_list: list[Mailbox] = Field([], description="Addresses never written to.")
