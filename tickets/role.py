"""What members of staff may do: a role each, and what every role allows."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What somebody is at the service desk; every login has exactly one."""

    AGENT = "agent"
    """Works on tickets."""
    LEAD = "lead"
    """Leads a group: an agent who may also act on many tickets at once and shares views and canned answers."""
    ADMINISTRATOR = "administrator"
    """Keeps the installation: everything, logins and the audit log included."""
    AUDITOR = "auditor"
    """Looks and changes nothing; addresses of people are masked, the audit log is open."""


class Right(StrEnum):
    """One thing that may be allowed."""

    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    TICKETS_BULK = "tickets:bulk"
    """Acting on many tickets at once."""
    DELIVERIES_READ = "deliveries:read"
    DELIVERIES_WRITE = "deliveries:write"
    QUARANTINE_READ = "quarantine:read"
    QUARANTINE_WRITE = "quarantine:write"
    ADDRESSES_SEE = "addresses:see"
    """Seeing mailboxes and telephone numbers unmasked."""
    VIEWS_SHARE = "views:share"
    """Giving a saved filter to everybody."""
    CANNED_WRITE = "canned:write"
    """Changing canned answers."""
    USERS_MANAGE = "users:manage"
    AUDIT_READ = "audit:read"


_READ = frozenset({Right.TICKETS_READ, Right.DELIVERIES_READ, Right.QUARANTINE_READ})
_AGENT = _READ | {Right.TICKETS_WRITE, Right.DELIVERIES_WRITE, Right.ADDRESSES_SEE}
_LEAD = _AGENT | {Right.TICKETS_BULK, Right.QUARANTINE_WRITE, Right.VIEWS_SHARE, Right.CANNED_WRITE}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.AGENT: _AGENT,
    Role.LEAD: _LEAD,
    Role.ADMINISTRATOR: frozenset(Right),
    Role.AUDITOR: _READ | {Right.AUDIT_READ},
}
"""What each role allows: the one table that is asked."""


def allows(role: Role, right: Right) -> bool:
    """Whether a role has a right.

    >>> allows(Role.LEAD, Right.TICKETS_BULK), allows(Role.AUDITOR, Right.ADDRESSES_SEE)
    (True, False)
    """
    return right in RIGHTS[role]
