"""Why something was decided: stored as a code with facts, put into words only when somebody reads it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Reason(msgspec.Struct, frozen=True):
    """One answer to "why": the rule that spoke, what it said, and what it knew.

    `facts` holds JSON values only. The wording in each language belongs to the package that decides.
    """

    rule: str
    code: str
    facts: Mapping[str, Any] = {}

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {"rule": self.rule, "code": self.code, "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reason:
        """The inverse of `as_json`."""
        return cls(data["rule"], data["code"], data.get("facts", {}))


class Decided(msgspec.Struct, frozen=True):
    """One field of a ticket, the value the router gave it, and why: the parts of a `Reason` beside it.

    It is flat, as it is stored, so that a new ticket's row takes it as it is.
    """

    field: str
    value: str | None
    rule: str
    code: str
    facts: Mapping[str, Any] = {}

    @property
    def reason(self) -> Reason:
        """Why."""
        return Reason(self.rule, self.code, self.facts)

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "field": self.field,
            "value": self.value,
            "rule": self.rule,
            "code": self.code,
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Decided:
        """The inverse of `as_json`."""
        return cls(data["field"], data["value"], data["rule"], data["code"], data.get("facts", {}))


class Suppression(StrEnum):
    """Why a delivery was planned and deliberately not sent."""

    NO_ADDRESS = "no_address"
    ADDRESS_UNVERIFIED = "address_unverified"
    ADDRESS_DEAD = "address_dead"
    OPTED_OUT = "opted_out"
    OWN_ACTION = "own_action"
    AUTOMATIC_MAIL = "automatic_mail"
    DUPLICATE = "duplicate"
    CHANNEL_OFF = "channel_off"
    STOP_LIST = "stop_list"
    TEST_MODE = "test_mode"
    OUTDATED = "outdated"
    CAP_REACHED = "cap_reached"
    DOMAIN_CAP = "domain_cap"
    TOTAL_CAP = "total_cap"
    MAIL_LOOP = "mail_loop"
    WITHDRAWN = "withdrawn"
