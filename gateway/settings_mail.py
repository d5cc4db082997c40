"""Settings of the doors mail comes in by, and of what is found out about it there."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, SecretStr, field_validator, model_validator

from gateway.quantities import SocketAddress, parse_socket_address
from gateway.settings_section import Section
from gateway.settings_values import (
    Domain,
    Listen,
    LongerThanZero,
    Mailbox,
    Network,
    OptionalDomain,
    OptionalFile,
    OptionalListen,
    Size,
    secret,
)

_ENTRY = re.compile(r"(?:[^@\s<>,;\"]{1,64}@)?[^@\s<>,;\"/:]{1,255}")


def _local_address(value: Any) -> str:
    if isinstance(value, str) and (not value or (value.startswith("/") and len(value) <= 100)):
        return value
    try:
        return str(parse_socket_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError('an address such as "127.0.0.1:24" or a path such as "/run/otklik/lmtp"') from None


def _name_server(value: Any) -> str:
    try:
        text = value if isinstance(value, str) else ""
        return str(ip_address(text) if ":" not in text or text.count(":") > 1 else _with_port(text))
    except ValueError:
        raise ValueError('an address such as "127.0.0.1" or "127.0.0.1:5353"') from None


def _with_port(text: str) -> SocketAddress:
    found = parse_socket_address(text)
    ip_address(found.host)
    return found


def _sender(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        if _ENTRY.fullmatch(text):
            return text
    raise ValueError('a mailbox, a domain or a network, such as "ivan@example.ru", "example.ru" or "192.0.2.0/24"')


def _http_url(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError('an address such as "http://127.0.0.1:11333"')
    return str(value)


LocalAddress = Annotated[str, PlainValidator(_local_address)]
NameServer = Annotated[str, PlainValidator(_name_server)]
SenderEntry = Annotated[str, PlainValidator(_sender)]
OptionalHttpUrl = Annotated[str, PlainValidator(lambda value: value and _http_url(value))]


class Smtp(Section):
    """The SMTP listener."""

    listen: Listen = Field(SocketAddress("127.0.0.1", 2525), description="Address and port.")
    tls_listen: OptionalListen = Field(
        None, description="Address and port of a second door that begins with TLS (RFC 8314); none when empty."
    )
    hostname: OptionalDomain = Field("", description="Name in the greeting; the machine's own when empty.")
    domains: list[Domain] = Field([], description="Domains mail is taken for; every domain when empty.")
    recipients: list[Mailbox] = Field(
        [],
        description="The mailboxes there are, of the domains they name; others there get 550 5.1.1. What stands behind "
        "a plus does not count; our own mailboxes of `[mail]` belong to them. Every mailbox of `domains` when empty.",
    )
    max_size: Size = Field(25_000_000, description="Largest mail taken (SIZE, RFC 1870).")
    memory: Size = Field(256_000_000, description="Memory all unfinished mails together may take; then 452.")
    certificate: OptionalFile = Field(
        None, description="PEM file with the certificate chain; STARTTLS needs it. Read again when it changes."
    )
    key: OptionalFile = Field(None, description="PEM file with the certificate's private key.")
    require_tls: bool = Field(False, description="Whether nothing is taken before STARTTLS.")
    accounts: dict[str, SecretStr] = secret(
        "Who may sign in (AUTH PLAIN and LOGIN, over TLS alone): names and passwords of 8 characters or more. Nobody "
        "has to; who does is free of block lists.",
        default={},
    )
    trusted: list[Network] = Field(
        ["127.0.0.0/8", "::1/128"],
        description="Relays of ours: no limits, no block lists, and what they bring is not verified anew.",
    )
    proxies: list[Network] = Field(
        [], description="Balancers that must begin with a PROXY header, version 1 or 2; nobody else's is believed."
    )
    connections: int = Field(1000, ge=1, le=100_000, description="Clients connected at once; more get 421.")
    client_connections: int = Field(
        50, ge=0, le=100_000, description="The same of one address (or IPv6 network of 64 bits). 0: any number."
    )
    client_commands: int = Field(
        2000, ge=0, le=10_000_000, description="Commands one address may send in a minute; then 421. 0: any number."
    )
    client_mails: int = Field(
        200, ge=0, le=10_000_000, description="Mails one address may bring in a minute; then 451. 0: any number."
    )
    command_timeout: LongerThanZero = Field(timedelta(minutes=5), description="Patience for a command (RFC 5321).")
    data_timeout: LongerThanZero = Field(timedelta(minutes=10), description="Longest silence inside a mail's data.")
    session_timeout: LongerThanZero = Field(
        timedelta(hours=1), description="Longest session; it ends after the mail under way."
    )

    @field_validator("accounts")
    @classmethod
    def _passwords(cls, accounts: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, password in accounts.items():
            if len(password.get_secret_value()) < 8:
                raise ValueError(f"passwords of 8 characters or more ({name!r} has a shorter one)")
        return accounts

    @model_validator(mode="after")
    def _pair(self) -> Smtp:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key together, or neither")
        if self.certificate is None and (self.tls_listen or self.require_tls or self.accounts):
            raise ValueError("a certificate and its key: tls_listen, require_tls and accounts need them")
        return self


class Lmtp(Section):
    """The LMTP listener (RFC 2033), for a mail server on this machine. It shares all else with `[smtp]`."""

    listen: LocalAddress = Field(
        "", description="Address and port, or the path of a Unix socket, which is trusted; none when empty."
    )


class Authenticity(Section):
    """Whether mail is from whom it says. A bad verdict refuses no mail; it limits what the mail may do."""

    verify: bool = Field(
        True, description="Whether SPF, DKIM and DMARC are verified for clients that are not `smtp.trusted`."
    )
    resolver: list[NameServer] = Field(
        [], description="Name servers asked, with or without a port; the system's when empty."
    )
    timeout: LongerThanZero = Field(
        timedelta(seconds=4), description="Time one mail's verification may take; what is late is a `temperror`."
    )
    results_by: list[Domain] = Field(
        [],
        description="Identifiers (authserv-id, RFC 8601) whose Authentication-Results are believed, from "
        "`smtp.trusted` clients alone; they have to remove forged ones.",
    )


class Spam(Section):
    """What is taken for spam at the door: kept as the kind `spam`, answered to nobody."""

    block: list[SenderEntry] = Field([], description="Mailboxes, domains and networks whose mail is spam.")
    allow: list[SenderEntry] = Field(
        [], description="The same whose mail is not, whatever filters say; it does not hold for a forged sender."
    )
    dnsbl: list[Domain] = Field([], description="Zones of DNS block lists (RFC 5782) that are asked about clients.")
    dnsbl_action: Literal["reject", "spam", "note"] = Field(
        "reject", description="What follows: `reject` with 554, take as `spam`, or only `note` it with the mail."
    )
    trust_headers: bool = Field(
        False,
        description="Whether X-Spam, X-Spam-Flag, X-Spam-Status and X-Spamd-Result of `smtp.trusted` clients count.",
    )
    rspamd: OptionalHttpUrl = Field("", description="Rspamd that is asked about every mail; none when empty.")
    rspamd_password: SecretStr = secret("Password for it.", default=SecretStr(""))
    rspamd_timeout: LongerThanZero = Field(
        timedelta(seconds=5), description="Patience for it; then the mail goes on with a note."
    )
    clamd: LocalAddress = Field(
        "", description="ClamAV daemon that looks for viruses: address and port, or the path of its socket."
    )
    clamd_timeout: LongerThanZero = Field(
        timedelta(seconds=10), description="Patience for it; then the mail goes on with a note."
    )


class Fax(Section):
    """Faxes that gateways (HylaFAX, exchanges, fax services) bring by mail."""

    gateways: list[Mailbox] = Field(
        [],
        description="Mailboxes such gateways send from: what they bring is the caller's, by telephone number. From "
        "clients whose mail is verified it counts only with the verdict `pass`.",
    )
