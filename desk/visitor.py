"""Somebody of the staff in front of a page: who it is and what that person may do."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from desk.change import Actor
from tickets.organisation import Member
from tickets.role import Right, Role, allows


@dataclass(frozen=True, slots=True)
class Visitor:
    """A logged-in user for the length of one request.

    `member` is the member of staff with the same login, who may be given tickets; None where there is none. `zone` is
    the IANA zone of the member's centre, else the site's. `theme` is `system`, `light` or `dark`; `shortcuts` says
    whether keys do anything. `csrf` is the token that forms of this session carry. `must_enrol` means that the role
    needs a second factor which is not set up yet: nothing but that may be done.
    """

    user_id: UUID
    login: str
    name: str
    role: Role
    member: Member | None
    language: str
    theme: str
    shortcuts: bool
    zone: str
    session_id: UUID
    address: str = ""
    csrf: str = ""
    second_factor: bool = False
    must_enrol: bool = False

    @property
    def actor(self) -> Actor:
        """As the one who does something to a ticket."""
        return Actor(f"staff:{self.login}", self.name, UUID(self.member.id) if self.member else self.user_id)

    def may(self, right: Right) -> bool:
        """Whether the role allows this."""
        return allows(self.role, right)
