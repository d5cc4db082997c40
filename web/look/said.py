"""Codes of tickets and deliveries in the reader's words, for templates: `said.status("new")`."""

from __future__ import annotations

from desk import labels
from outbound import words as spoken
from web.look.words import WordBook


class Said:
    """What things are called in one language. A code nobody knows comes back as it is."""

    def __init__(self, book: WordBook, language: str) -> None:
        self._book = book
        self._language = language

    def status(self, code: str, audience: str = "staff") -> str:
        """A ticket's status; `audience` "staff" or "author"."""
        return spoken.status_words(code, self._language, audience)

    def priority(self, code: str) -> str:
        """A priority with a capital letter, as it stands alone."""
        return spoken.priority_words(code, self._language).capitalize()

    def state(self, code: str, audience: str = "staff") -> str:
        """A delivery's state; empty where the author is not told."""
        return spoken.state_words(code, self._language, audience)

    def state_hint(self, code: str) -> str:
        """What an easily misread state of a delivery really means; empty for the others."""
        return spoken.state_hint(code, self._language)

    def why_not_sent(self, code: str) -> str:
        """Why a delivery was suppressed."""
        return spoken.suppression_words(code, self._language)

    def outcome(self, code: str, reply: str = "") -> str:
        """How an attempt ended, as exactly as the provider's `reply` code tells."""
        return spoken.outcome_words(code, self._language, reply)

    def failure(self, code: str) -> str:
        """Why a delivery failed or expired."""
        return labels.failure(code, self._language)

    def event(self, code: str, role: str) -> str:
        """The head of a notification: «Приняли заявку → автору»."""
        return spoken.event_words(code, role, self._language)

    def channel(self, code: str) -> str:
        """A channel: «Почта»."""
        key = f"channel.{code}"
        return str(self._book.say(key, self._language, {}).unescape()) if key in self._book else code

    def field(self, code: str) -> str:
        """A field of a ticket: «Приоритет»."""
        return labels.field(code, self._language)

    def happened(self, code: str) -> str:
        """An entry of the history: «назначена»."""
        return labels.what(code, self._language)

    def actor(self, label: str) -> str:
        """Who did it: «маршрутизация»."""
        return labels.actor(label, self._language)

    def kind(self, code: str) -> str:
        """What sort of message it is; empty for one a person wrote."""
        return labels.kind(code, self._language)

    def link(self, code: str) -> str:
        """In what way another ticket belongs to this one."""
        return labels.link(code, self._language)

    def role(self, code: str) -> str:
        """What a member of staff is: «Руководитель»."""
        key = f"role.{code}"
        return str(self._book.say(key, self._language, {}).unescape()) if key in self._book else code
