"""One message prepared for being asked many questions: folded texts, a readable mail domain."""

from __future__ import annotations

from unicodedata import normalize

TEXT_LIMIT = 16_384
"""Characters of a text that conditions look at."""

DOMAIN_LIMIT = 255
"""Octets of a mail domain (RFC 5321, 4.5.3.1.2)."""

OPENING = 500
"""Characters of subject and text looked at for words of urgency: people who are in a hurry say so at once."""


def fold_text(text: str) -> str:
    """The comparison form of a text: case, ё and е, line breaks and hard spaces make no difference.

    >>> fold_text("Всё\\r\\nПРОПАЛО")
    'все пропало'
    """
    if "\u0306" in text or "\u0308" in text:
        text = normalize("NFC", text)
    text = text.casefold().replace("ё", "е")
    return text.replace("\r", "").replace("\n", " ").replace("\xa0", " ")


class Probe:
    """What conditions are held against: one message, its texts folded at the first rule that asks for them."""

    __slots__ = ("_subject", "_text", "channel", "customer", "domain", "intake", "sender", "subject", "text", "vip")

    def __init__(
        self, channel: str, intake: tuple[str, ...], sender: str, domain: str, subject: str, text: str
    ) -> None:
        self.channel = channel
        self.intake = intake
        self.sender = sender
        self.domain = domain
        self.subject = subject
        self.text = text
        self.customer = ""
        self.vip = False
        self._subject: str | None = None
        self._text: str | None = None

    @property
    def folded_subject(self) -> str:
        """The subject in its comparison form."""
        if self._subject is None:
            self._subject = fold_text(self.subject[:TEXT_LIMIT])
        return self._subject

    @property
    def opening(self) -> str:
        """Subject and first lines in comparison form, about `OPENING` characters of each."""
        lines = fold_text(self.text[:OPENING]) if self._text is None else self._text[:OPENING]
        return f"{self.folded_subject[:OPENING]} {lines}"

    @property
    def folded_text(self) -> str:
        """The text in its comparison form, no more than `TEXT_LIMIT` characters of it."""
        if self._text is None:
            self._text = fold_text(self.text[:TEXT_LIMIT])
        return self._text


def parents(domain: str) -> list[str]:
    """A mail domain and those above it, nearest first, without the top one; none of what is too long to be a domain.

    >>> parents("mail.msk.example.ru")
    ['mail.msk.example.ru', 'msk.example.ru', 'example.ru']
    """
    found: list[str] = []
    if len(domain) > DOMAIN_LIMIT:
        return found
    while "." in domain:
        found.append(domain)
        domain = domain.partition(".")[2]
    return found


def unicode_domain(domain: str) -> str:
    """A mail domain as people read it: labels in `xn--` form (RFC 5891) are decoded, what is broken stays as it is.

    >>> unicode_domain("xn--e1afmkfd.xn--p1ai")
    'пример.рф'
    """
    if "xn--" not in domain or len(domain) > DOMAIN_LIMIT:
        return domain
    try:
        return domain.encode("ascii").decode("idna")
    except UnicodeError:
        return domain
