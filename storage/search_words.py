"""The column of searchable words, and the index over it that each database has of its own.

A row's words are one string: tokens in the order they were said, parted by single spaces (`desk.stems` makes them).
PostgreSQL keeps them as a `tsvector` whose positions are ours, under a GIN index. SQLite keeps the string, and an FTS5
table with external content indexes it; triggers keep the two together
(https://www.sqlite.org/fts5.html#external_content_tables). Its `ascii` tokenizer takes every character above ASCII for
part of a word and folds nothing else, so both databases find exactly our tokens.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

MOST_WORDS = 16_000
"""Tokens of one row: a `tsvector` knows no position above 16,383 (PostgreSQL manual, "Limits")."""

MOST_OCTETS = 900_000
"""Octets of one row, each token with its place: a `tsvector` is at most 1 MB (PostgreSQL manual, "Limitations" of text
search), and a row that is larger would be refused again and again."""

MARKS = "@._-+:/#"
"""ASCII characters other than letters and digits that a token may hold."""

_TABLE = (
    "CREATE VIRTUAL TABLE search_words USING fts5(words, content='search_entries', content_rowid='position', "
    f"tokenize=\"ascii tokenchars '{MARKS}'\")"
)
_FORGET = "INSERT INTO search_words(search_words, rowid, words) VALUES ('delete', old.position, old.words);"
_LEARN = "INSERT INTO search_words(rowid, words) VALUES (new.position, new.words);"

FTS5 = (
    _TABLE,
    f"CREATE TRIGGER search_entries_insert AFTER INSERT ON search_entries BEGIN {_LEARN} END",
    f"CREATE TRIGGER search_entries_delete AFTER DELETE ON search_entries BEGIN {_FORGET} END",
    f"CREATE TRIGGER search_entries_update AFTER UPDATE OF words ON search_entries BEGIN {_FORGET} {_LEARN} END",
)
"""What SQLite needs besides the table itself."""


class Words(TypeDecorator[str]):
    """Tokens parted by single spaces; a `tsvector` on PostgreSQL, text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """`tsvector` on PostgreSQL, text elsewhere."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(Text())
        # Not at the top: a gateway on SQLite does without the other dialect.
        from sqlalchemy.dialects.postgresql import TSVECTOR

        return dialect.type_descriptor(TSVECTOR())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """To the column; tokens beyond `MOST_WORDS` or `MOST_OCTETS` are left out."""
        if value is None:
            return None
        tokens = _within(value.split(" ", MOST_WORDS)[:MOST_WORDS]) if value else []
        if dialect.name != "postgresql":
            return " ".join(tokens)
        places: dict[str, list[int]] = {}
        for position, token in enumerate(tokens, start=1):
            # PostgreSQL keeps no more than 255 places of one word
            known = places.setdefault(token, [])
            if len(known) < 255:
                known.append(position)
        return " ".join(f"{_quoted(token)}:{','.join(map(str, known))}" for token, known in places.items())

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """From the column, the tokens in their order."""
        if value is None or dialect.name != "postgresql":
            return value  # type: ignore[no-any-return]
        found: dict[int, str] = {}
        for entry in value.split(" "):
            quoted, _, positions = entry.rpartition(":")
            token = quoted[1:-1].replace("''", "'").replace("\\\\", "\\")
            found.update((int(position.rstrip("ABCD")), token) for position in positions.split(",") if position)
        return " ".join(found[position] for position in sorted(found))


def _within(tokens: list[str]) -> list[str]:
    """The first tokens that fit into a row."""
    octets = 0
    for count, token in enumerate(tokens):
        # two octets each for the place, the number of places, and evening out
        octets += len(token.encode()) + 6
        if octets > MOST_OCTETS:
            return tokens[:count]
    return tokens


def _quoted(token: str) -> str:
    doubled = token.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
