"""Names of mail domains: their comparison form, and the address of a mailbox in the same form."""

from __future__ import annotations


def ascii_domain(domain: str) -> str:
    """The comparison form of a mail domain: folded, international names in their ASCII form where they have one.

    >>> ascii_domain("Example.RU."), ascii_domain("почта.рф")
    ('example.ru', 'xn--80a1acny.xn--p1ai')
    """
    folded = domain.strip().rstrip(".").casefold()
    if folded.isascii():
        return folded
    try:
        return folded.encode("idna").decode("ascii")
    except UnicodeError:
        return folded


def domain_of(mailbox: str) -> str:
    """The comparison form of a mailbox's domain; empty where it has none."""
    _, at, domain = mailbox.rpartition("@")
    return ascii_domain(domain) if at else ""


def within(domain: str, parent: str) -> bool:
    """Whether a domain is the parent or below it, both in comparison form.

    >>> within("mx.example.ru", "example.ru"), within("badexample.ru", "example.ru")
    (True, False)
    """
    return domain == parent or domain.endswith(f".{parent}")
