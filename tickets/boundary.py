"""How far somebody may see: all tickets, or those of one customer, one centre, or both."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Boundary:
    """Only tickets of this customer and centre exist for whoever has it; an empty code does not restrict."""

    customer: str = ""
    centre: str = ""

    def __bool__(self) -> bool:
        return bool(self.customer or self.centre)

    def holds(self, customer: str, centre: str) -> bool:
        """Whether a ticket of this customer and centre is inside."""
        return self.customer in ("", customer) and self.centre in ("", centre)


EVERYWHERE = Boundary()
"""All tickets."""
