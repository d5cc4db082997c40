"""The search index: what is gathered for it, writing it, and asking it.

Both databases are asked the same thing: a conjunction of `Term`s, each of which is met by any of its alternatives, a
row of tokens that follow each other. `expression` puts it into the language of either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, String, bindparam, cast, column, func, select, table, text
from sqlalchemy.types import UserDefinedType

from storage.cells import Row
from storage.tables import addresses, attachments, customers, messages, people, tickets
from storage.tables_console import search_entries, ticket_tags
from storage.upsert import insert_into

TEXT_CUT = 20_000
"""Characters of one message that are made searchable."""

NEWEST = 2000
"""Entries PostgreSQL looks at one by one before it asks the index for everything."""


class _TsQuery(UserDefinedType[str]):
    """PostgreSQL's type of what is asked for."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        """How it is written."""
        return "TSQUERY"


_fts5_table = table("search_words", column("rowid"), column("search_words"))


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that must be found: any of `alternatives`, each the tokens of a phrase.

    With `prefix` the last token is only the beginning of one; with `negative` it must not be found.
    """

    alternatives: tuple[tuple[str, ...], ...]
    prefix: bool = False
    negative: bool = False


def expression(terms: Sequence[Term], dialect: str) -> str:
    """The terms as FTS5 or as `tsquery` text; empty where nothing is to be found.

    >>> terms = [Term((("касс",),)), Term((("не", "печата"),)), Term((("чек",),), negative=True)]
    >>> expression(terms, "sqlite")
    '("касс") AND ("не печата") NOT ("чек")'
    >>> expression(terms, "postgresql")
    "('касс') & ('не' <-> 'печата') & !('чек')"
    """
    wanted = [term for term in terms if not term.negative]
    unwanted = [term for term in terms if term.negative]
    if not wanted:
        return ""
    if dialect == "sqlite":
        both = " AND ".join(f"({_fts5(term)})" for term in wanted)
        return both + "".join(f" NOT ({_fts5(term)})" for term in unwanted)
    return " & ".join([*(f"({_tsquery(term)})" for term in wanted), *(f"!({_tsquery(term)})" for term in unwanted)])


def _fts5(term: Term) -> str:
    star = " *" if term.prefix else ""
    # a string is a phrase; a quotation mark in it is doubled (https://www.sqlite.org/fts5.html#fts5_strings)
    return " OR ".join('"{}"{}'.format(" ".join(phrase).replace('"', '""'), star) for phrase in term.alternatives)


def _tsquery(term: Term) -> str:
    star = ":*" if term.prefix else ""
    found = []
    for phrase in term.alternatives:
        words = ["'{}'".format(word.replace("\\", "\\\\").replace("'", "''")) for word in phrase]
        found.append(" <-> ".join(words) + star)
    return " | ".join(found)


def candidates(
    connection: Connection, terms: Sequence[Term], *, below: int | None, most: int = 200
) -> list[tuple[int, UUID]]:
    """Position and ticket of what is found, newest first: positions under `below`."""
    asked = expression(terms, connection.dialect.name)
    if not asked:
        return []
    work = _by_fts5 if connection.dialect.name == "sqlite" else _by_gin
    return work(connection, asked, below, most)


def _by_fts5(connection: Connection, asked: str, below: int | None, most: int) -> list[tuple[int, UUID]]:
    # FTS5 gives its rows in the order of their numbers and stops when enough were taken
    place = _fts5_table.c.rowid
    query = select(place.label("position")).where(_fts5_table.c.search_words.op("MATCH")(bindparam("asked", asked)))
    if below is not None:
        query = query.where(place < below)
    page = query.order_by(place.desc()).limit(most).subquery()
    joined = (
        select(page.c.position, search_entries.c.ticket_id)
        .join_from(page, search_entries, search_entries.c.position == page.c.position)
        .order_by(page.c.position.desc())
    )
    return [(row[0], row[1]) for row in connection.execute(joined)]


def _by_gin(connection: Connection, asked: str, below: int | None, most: int) -> list[tuple[int, UUID]]:
    """What is found among the newest entries, if that is enough; else everything, by the index.

    PostgreSQL would choose between the two by its guess of how frequent a word is, and a wrong guess walks through the
    whole table; looking at some thousand entries first makes both ways short.
    """
    found = search_entries.c.words.op("@@")(cast(bindparam("asked", asked, String), _TsQuery))
    bound = [search_entries.c.position < below] if below is not None else []
    newest = (
        select(search_entries).where(*bound).order_by(search_entries.c.position.desc()).limit(NEWEST).subquery("newest")
    )
    among = newest.c.words.op("@@")(cast(bindparam("asked", asked, String), _TsQuery))
    walked = select(newest.c.position, newest.c.ticket_id).where(among).order_by(newest.c.position.desc()).limit(most)
    rows = [(row[0], row[1]) for row in connection.execute(walked)]
    if len(rows) >= most:
        return rows
    everything = (
        select(search_entries.c.position, search_entries.c.ticket_id).where(found, *bound).cte("found")
    ).prefix_with("MATERIALIZED", dialect="postgresql")
    query = select(everything).order_by(everything.c.position.desc()).limit(most)
    return [(row[0], row[1]) for row in connection.execute(query)]


# ---- gathering and writing ----------------------------------------------------------------------------------------


def gather(connection: Connection, ids: Iterable[UUID]) -> list[Row]:
    """Everything tickets are found by: the ticket's row and `contact`, `customer_name`, `addresses`, `messages`,
    `files`, `tags`."""
    wanted = list(ids)
    columns = [
        tickets.c[name]
        for name in (
            "id", "version", "number", "subject", "status", "type", "category", "priority", "customer", "contact_id",
            "centre", "team", "assignee_id", "channel", "created_at",
        )
    ]  # fmt: skip
    found = connection.execute(
        select(*columns, people.c.name.label("contact"), customers.c.name.label("customer_name"))
        .join(people, people.c.id == tickets.c.contact_id)
        .outerjoin(customers, customers.c.code == tickets.c.customer)
        .where(tickets.c.id.in_(wanted))
    ).mappings()
    rows = {row["id"]: {**row, "addresses": [], "messages": [], "files": [], "tags": []} for row in found}
    whose: dict[UUID, list[UUID]] = {}
    for row in rows.values():
        whose.setdefault(row["contact_id"], []).append(row["id"])
    for person, value in connection.execute(
        select(addresses.c.person_id, addresses.c.value).where(addresses.c.person_id.in_(list(whose)))
    ):
        for ticket_id in whose[person]:
            rows[ticket_id]["addresses"].append(value)
    said = connection.execute(
        select(
            messages.c.id,
            messages.c.ticket_id,
            messages.c.direction,
            messages.c.sender_name,
            messages.c.sender_value,
            messages.c.subject,
            func.substr(messages.c.text, 1, TEXT_CUT).label("text"),
            func.substr(messages.c.reply_text, 1, TEXT_CUT).label("reply_text"),
        )
        .where(messages.c.ticket_id.in_(list(rows)))
        .order_by(messages.c.id)
    ).mappings()
    of_message: dict[UUID, UUID] = {}
    for message in said:
        rows[message["ticket_id"]]["messages"].append(dict(message))
        of_message[message["id"]] = message["ticket_id"]
    for message_id, name in connection.execute(
        select(attachments.c.message_id, attachments.c.name).where(attachments.c.message_id.in_(list(of_message)))
    ):
        rows[of_message[message_id]]["files"].append(name)
    for ticket_id, tag in connection.execute(
        select(ticket_tags.c.ticket_id, ticket_tags.c.tag).where(ticket_tags.c.ticket_id.in_(list(rows)))
    ):
        rows[ticket_id]["tags"].append(tag)
    return list(rows.values())


def position_of(ticket_id: UUID) -> int:
    """Where a ticket stands among all by the time it was made: milliseconds and fifteen random bits of its UUIDv7."""
    number = ticket_id.int
    return (number >> 80) << 15 | ((number >> 64) & 0xFFF) << 3 | ((number >> 59) & 7)


_PLACES = int.from_bytes(b"places", "big")
"""Key of the PostgreSQL advisory lock that writers of the index take turns by."""


def put(connection: Connection, entries: Sequence[Row]) -> None:
    """Write entries (`ticket_id`, `version`, `words`) over older ones of the same tickets."""
    if not entries:
        return
    if connection.dialect.name == "postgresql":
        # two writers would both find the same place free
        connection.execute(select(func.pg_advisory_xact_lock(_PLACES)))
    wanted = {row["ticket_id"]: position_of(row["ticket_id"]) for row in entries}
    near = select(search_entries.c.position, search_entries.c.ticket_id).where(
        search_entries.c.position.in_(list(wanted.values()))
    )
    taken: dict[int, UUID] = {row[0]: row[1] for row in connection.execute(near)}
    known = select(search_entries.c.ticket_id, search_entries.c.position).where(
        search_entries.c.ticket_id.in_(list(wanted))
    )
    wanted.update({row[0]: row[1] for row in connection.execute(known)})
    rows = []
    for entry in sorted(entries, key=lambda row: row["ticket_id"]):
        position = wanted[entry["ticket_id"]]
        while taken.setdefault(position, entry["ticket_id"]) != entry["ticket_id"]:
            # two tickets of one millisecond that share fifteen random bits: the next place is as good
            position += 1
            beside = select(search_entries.c.ticket_id).where(search_entries.c.position == position)
            if other := connection.execute(beside).scalar():
                taken[position] = other
        rows.append({"position": position, **entry})
    # row by row: a `tsvector` cannot be part of the arrays of rows the bulk statements send
    statement = insert_into(connection, search_entries)
    newer = {name: statement.excluded[name] for name in ("words", "version")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["ticket_id"],
            set_=newer,
            where=statement.excluded.version >= search_entries.c.version,
        ),
        rows,
    )


def ids_before(connection: Connection, last: UUID, most: int) -> list[UUID]:
    """Keys of tickets smaller than `last`, greatest first."""
    query = select(tickets.c.id).where(tickets.c.id < last).order_by(tickets.c.id.desc()).limit(most)
    return list(connection.execute(query).scalars())


def outdated(connection: Connection, since: UUID, most: int) -> list[UUID]:
    """Tickets made since a moment, or still open, whose words are missing or older than they are."""
    query = (
        select(tickets.c.id)
        .outerjoin(search_entries, search_entries.c.ticket_id == tickets.c.id)
        .where(
            (tickets.c.id > since) | text("tickets.status IN ('new', 'in_progress', 'waiting')"),
            search_entries.c.version.is_(None) | (search_entries.c.version < tickets.c.version),
        )
        .limit(most)
    )
    return list(connection.execute(query).scalars())
