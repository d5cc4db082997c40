"""Where a person can be reached, and how two spellings of one address are recognised as the same."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class AddressKind(StrEnum):
    """What sort of place an address names."""

    EMAIL = "email"
    PHONE = "phone"


class Address(msgspec.Struct, frozen=True):
    """One place a person can be reached at.

    `value` is as the person wrote it (an RFC 5321 mailbox without angle brackets, an E.164 number with its plus);
    `name` is the display name that came with it, empty when there was none.
    """

    kind: AddressKind
    value: str
    name: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What two spellings of one address share: `(kind, folded value)`."""
        return (self.kind.value, fold(self.value))

    @property
    def domain(self) -> str:
        """The folded part after the last `@`; empty where there is none."""
        return fold(self.value.rpartition("@")[2]) if "@" in self.value else ""

    def __str__(self) -> str:
        return f"{self.name} <{self.value}>" if self.name else self.value

    @classmethod
    def from_text(cls, kind: AddressKind, text: str) -> Address:
        """The inverse of `str`.

        >>> Address.from_text(AddressKind.EMAIL, "Орлова <a@b.example>")
        Address(kind=<AddressKind.EMAIL: 'email'>, value='a@b.example', name='Орлова')
        """
        name, angle, value = text.rpartition(" <")
        return cls(kind, value.removesuffix(">"), name) if angle and value.endswith(">") else cls(kind, text)


def fold(value: str) -> str:
    """The comparison form of an address.

    The local part of a mailbox is case-sensitive by RFC 5321 2.4, but no provider people use makes use of it, and
    one person writing as `Ivan@` and `ivan@` must stay one person.

    >>> fold(" Ivan@Example.RU ")
    'ivan@example.ru'
    """
    return value.strip().casefold()
