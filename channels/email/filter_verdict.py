"""What a filter says of a mail, and the header fields in which filters say it."""

from __future__ import annotations

from dataclasses import dataclass

from channels.email import headers
from channels.email.headers import Fields


class FilterFailed(Exception):
    """The filter gave no verdict; the text is one line without words of the mail.

    FilterFailed
    ├ FilterSilent      it gave no answer at all within its time
    └ FilterRests       it is not asked, because it answered nothing before; the log tells of that once (`Breaker`)
    """


class FilterSilent(FilterFailed):
    """The filter gave no answer within its time."""


class FilterRests(FilterFailed):
    """The filter is left alone until it answers again."""

    def __init__(self) -> None:
        super().__init__("left alone until it answers again")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`spam` says that it is; `told` is why, in the filter's words; `score` and `limit` where it counts."""

    spam: bool
    told: str = ""
    score: float | None = None
    limit: float | None = None


def from_fields(fields: Fields) -> str:
    """The field with which a filter before us calls a mail spam; empty where none does.

    Known: `X-Spam: Yes` (Rspamd), `X-Spam-Flag: YES` and `X-Spam-Status: Yes, score=` (SpamAssassin), `X-Spamd-Result:
    default: True [15.00 / 6.00]` (Rspamd).

    >>> from_fields({b"x-spam-status": [b"Yes, score=9.1 required=5.0"]}), from_fields({b"x-spam-flag": [b"NO"]})
    ('x-spam-status', '')
    """
    for name in (b"x-spam", b"x-spam-flag", b"x-spam-status", b"x-spamd-result"):
        # the topmost is the last filter's
        said = headers.text_of(fields[name][0][:1000]).casefold() if name in fields else ""
        if name == b"x-spamd-result":
            said = said.partition(":")[2].split("[")[0].replace("true", "yes")
        if said.replace(",", " ").split()[:1] in (["yes"], ["true"]):
            return name.decode()
    return ""
