"""The service organisation and its customers, as the router sees them: a snapshot without any database in it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Centre:
    """A service centre. `zone` is an IANA name; `addresses` are intake mailboxes whose mail belongs here."""

    code: str
    name: str
    zone: str
    addresses: tuple[str, ...] = ()
    calendar: str = "default"
    default: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What an agreement promises for one priority, in working minutes."""

    respond: int
    resolve: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """A service level agreement: targets by priority, counted in the hours of `calendar` ("" = the centre's own)."""

    code: str
    name: str
    targets: dict[str, Target]
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Customer:
    """An organisation we serve, recognised by mailbox, mail domain or phone number of its people."""

    id: str
    code: str
    name: str
    centre: str = ""
    agreement: str = ""
    group: str = ""
    domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    language: str = ""
    vip: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """One of the staff: `line` 1 answers first; `away` people get nothing new."""

    id: str
    login: str
    name: str
    email: str
    group: str
    line: int = 1
    language: str = "ru"
    lead: bool = False
    away: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A team of one centre; `members` in the order they were listed."""

    code: str
    name: str
    centre: str
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Organisation:
    """Everything the router may know about who we are and whom we serve, at one moment (`version`)."""

    version: int = 0
    centres: dict[str, Centre] = field(default_factory=dict)
    agreements: dict[str, Agreement] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    """By code."""
    groups: dict[str, Group] = field(default_factory=dict)
    by_address: dict[str, str] = field(default_factory=dict)
    """Folded mailbox to customer code."""
    by_domain: dict[str, str] = field(default_factory=dict)
    by_phone: dict[str, str] = field(default_factory=dict)
    """E.164 to customer code."""
    by_intake: dict[str, str] = field(default_factory=dict)
    """Folded intake mailbox to centre code."""
    default_centre: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    """By id."""
    by_staff_email: dict[str, Member] = field(default_factory=dict)


def index(
    version: int,
    centres: list[Centre],
    agreements: list[Agreement],
    customers: list[Customer],
    groups: list[Group],
) -> Organisation:
    """Build the snapshot with its look-up tables; of two claims to one address the first listed wins."""
    by_address: dict[str, str] = {}
    by_domain: dict[str, str] = {}
    by_phone: dict[str, str] = {}
    for customer in customers:
        for table, keys in (
            (by_address, customer.addresses),
            (by_domain, customer.domains),
            (by_phone, customer.phones),
        ):
            for key in keys:
                table.setdefault(key.strip().casefold(), customer.code)
    by_intake: dict[str, str] = {}
    for centre in centres:
        for address in centre.addresses:
            by_intake.setdefault(address.strip().casefold(), centre.code)
    default = next((c.code for c in centres if c.default), centres[0].code if centres else "")
    return Organisation(
        version=version,
        centres={c.code: c for c in centres},
        agreements={a.code: a for a in agreements},
        customers={c.code: c for c in customers},
        groups={g.code: g for g in groups},
        by_address=by_address,
        by_domain=by_domain,
        by_phone=by_phone,
        by_intake=by_intake,
        default_centre=default,
        members={m.id: m for g in groups for m in g.members},
        by_staff_email={m.email.strip().casefold(): m for g in groups for m in g.members if m.email},
    )
