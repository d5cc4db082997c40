"""How the listener behaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LOOPBACK = frozenset({"127.0.0.0/8", "::1/128"})


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """How the listener behaves. Sizes in bytes, times in seconds.

    Doors: `port` greets in the clear, `tls_port` (None: none) begins with TLS, `lmtp` is `host:port` or the path of a
    Unix socket ("": none) where LMTP is spoken. `hostname` greets ("" means this machine's name).

    Recipients: see `Recipients`; without `domains` and `recipients` everything is taken.

    TLS: STARTTLS is offered when `certificate` and `key` name PEM files, and demanded by `require_tls`; the files are
    looked at again every `certificate_poll`. `accounts` are names and passwords of those who may sign in.

    Time: `command_timeout` is the longest silence between commands and `data_timeout` that inside a mail (RFC 5321,
    section 4.5.3.2); `transfer_timeout` bounds a whole mail, and after `rate_grace` one slower than `least_rate` bytes
    a second on average is cut. A session older than `session_timeout` ends after its mail. `gate_timeout` is for a
    PROXY header and a TLS handshake.

    Memory: `memory_budget` is shared by all mails in flight, and one peer address holds a quarter of it, or as much as
    one mail needs. Where it is spent the unfinished mail silent longest gets 421, and the new one 452 if that is not
    enough.

    Clients: more than `max_connections` get 421, unless one of those connected said nothing for `idle_gives_way` and is
    in no mail: then that one does. One client with more than `client_connections` gets 421; `client_commands` and
    `client_mails` a minute from one bring 421 and 451 (0: any number). `trusted` networks are free of that and of every
    check of who sends. From `proxies` a PROXY header is demanded.
    """

    host: str = "127.0.0.1"
    port: int = 2525
    tls_host: str = ""
    tls_port: int | None = None
    lmtp: str = ""
    hostname: str = ""
    account: str = "smtp"
    max_size: int = 26_214_400
    max_recipients: int = 100
    max_connections: int = 1000
    idle_gives_way: float = 5.0
    client_connections: int = 0
    client_commands: int = 0
    client_mails: int = 0
    trusted: frozenset[str] = LOOPBACK
    proxies: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    certificate: str = ""
    key: str = ""
    require_tls: bool = False
    certificate_poll: float = 10.0
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    command_timeout: float = 300.0
    data_timeout: float = 180.0
    transfer_timeout: float = 3600.0
    session_timeout: float = 3600.0
    gate_timeout: float = 10.0
    least_rate: float = 17.0
    rate_grace: float = 60.0
    memory_budget: int = 268_435_456
