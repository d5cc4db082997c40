"""A year of a service centre: `python -m bench.year --database URL --tickets 200000 --seed 1`.

Tickets arrive by five channels with the rhythm of a working day in each centre's own zone, are routed by the real
router, answered, resolved and closed; the last days are still open. The rows are written past all use cases, so that a
year takes a minute, yet they are what the use cases would have left behind. The same seed, size and end give the same
year.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bench import year_words as words
from bench.year_organisation import organisation, person
from bench.year_ticket import PREFIX, TABLES, Made, TicketStory
from gateway import assemble
from gateway.settings import load
from router.decide import Router
from storage import all_tables, schema
from storage import organisation as organisations
from storage.bulk import insert_rows, insert_tables
from storage.cells import Row
from storage.database import Connection, open_database
from storage.tables import counters
from tickets.organisation import Customer, Organisation
from tickets.routing import Facts

CHANNELS = {"email": 52, "phone": 20, "web": 14, "telegram": 9, "sms": 5}
"""Shares in hundredths."""

HOURS = (1, 1, 1, 1, 1, 2, 4, 10, 26, 40, 44, 40, 30, 34, 38, 36, 30, 18, 10, 6, 4, 3, 2, 1)
"""How many of a working day's tickets come in each hour of the centre's own time."""

PEOPLE_OF_ONE = 12
"""People who write for one customer."""


class Year:
    """The rows of a year, ticket after ticket in the order they came."""

    def __init__(self, seed: int, end: datetime, router: Router) -> None:
        self._chance = random.Random(seed)
        self._end = end
        self._router = router
        self.organisation: Organisation = organisation(self._chance)
        self.made = Made(self._chance, end, self.organisation)
        self._zones = {code: _ahead(zone) for code, _, zone, _ in words.CENTRES}
        self._people: dict[str, list[Row]] = defaultdict(list)
        self._known = 0
        self._serials: Counter[int] = Counter()

    @property
    def serials(self) -> dict[int, int]:
        """The last number given out, by year."""
        return dict(self._serials)

    def tickets(self, count: int) -> Iterator[None]:
        """Make one ticket after the other; each step leaves its rows in `made`, to be taken away by the caller."""
        customers = list(self.organisation.customers.values())
        loads = [self._chance.paretovariate(1.2) for _ in customers]
        for at, customer in self._arrivals(count, customers, loads):
            self._ticket(at, customer)
            yield

    def _arrivals(self, count: int, customers: list[Customer], loads: list[float]) -> list[tuple[datetime, Customer]]:
        chance = self._chance
        midnight = self._end.replace(hour=0, minute=0, second=0, microsecond=0)
        days = [midnight - timedelta(days=back) for back in range(365)]
        weights = [0.2 if day.weekday() > 4 else 1.0 for day in days]
        found: list[tuple[datetime, Customer]] = []
        chosen = chance.choices(customers, loads, k=2 * count)
        for day, hour, customer in zip(
            chance.choices(days, weights, k=2 * count),
            chance.choices(range(24), HOURS, k=2 * count),
            chosen,
            strict=True,
        ):
            local = day + timedelta(hours=hour, seconds=chance.random() * 3600)
            at = local - self._zones[customer.centre]
            if at < self._end:
                found.append((at, customer))
            if len(found) == count:
                break
        found.sort(key=lambda each: each[0])
        return found

    def _ticket(self, at: datetime, customer: Customer) -> None:
        chance = self._chance
        channel = chance.choices(list(CHANNELS), list(CHANNELS.values()))[0]
        writer = self._writer(customer, channel, at)
        subject = self._text("{thing} {trouble} {place}").capitalize()
        text = self._body()
        decision = self._router.decide(
            Facts(
                channel=channel,
                sender_kind=writer["kind"],
                sender_value=writer["value"],
                intake=(f"{customer.centre}@desk.example",) if channel == "email" else (),
                subject=subject,
                text=text,
                organisation=self.organisation,
                known_customer=customer.code,
            ),
            at,
        )
        self._serials[at.year] += 1
        serial = self._serials[at.year]
        ticket: Row = {
            "id": self.made.key(at),
            "site": PREFIX,
            "number": f"{PREFIX}-{at.year % 100:02d}-{serial:06d}",
            "serial": serial,
            "subject": subject,
            "status": "new",
            "type": decision.type,
            "category": decision.category,
            "impact": decision.impact.value,
            "urgency": decision.urgency.value,
            "priority": decision.priority.value,
            "customer": customer.code,
            "contact_id": writer["person_id"],
            "centre": decision.centre,
            "line": decision.line,
            "team": decision.group,
            "assignee_id": UUID(decision.assignee) if decision.assignee else None,
            "agreement": decision.agreement,
            "channel": channel,
            "decision": [each.as_json() for each in decision.reasons],
            "created_at": at,
            "updated_at": at,
            "respond_by": decision.respond_by,
            "resolve_by": decision.resolve_by,
            **dict.fromkeys(("responded_at", "resolved_at", "closed_at", "paused_at", "alarm_at")),
            "alarm": "",
            "alarmed": "",
            "version": 1,
        }
        self.made.rows["tickets"].append(ticket)
        self._life(TicketStory(self.made, ticket, writer, decision), text)

    def _life(self, told: TicketStory, text: str) -> None:
        """From the first message to the end, or to as far as time has gone."""
        chance = self._chance
        told.hears(text, told.at, "received")
        told.happens("received", None, "new", told.at, told.author)
        if told.assignee is not None:
            told.happens("assigned", None, told.assignee.login, told.at, told.staff)
        if not told.later(chance.expovariate(1 / 3.0)):
            return
        told.moves("in_progress")
        for _ in range(min(int(chance.expovariate(0.8)), 6)):
            if chance.random() < 0.3:
                told.says(chance.choice(words.NOTES), public=False)
            told.says(self._numbered(chance.choice(words.ANSWERS)), public=True)
            if not told.later(chance.expovariate(1 / 6.0)):
                return
            if chance.random() < 0.7:
                told.hears(self._numbered(chance.choice(words.REPLIES)), told.now, "author_replied")
            if not told.later(chance.expovariate(1 / 4.0)):
                return
        if chance.random() < 0.01 or not told.later(chance.expovariate(1 / 12.0)):
            return
        if chance.random() < 0.02:
            told.says("Это не к нам: обратитесь к поставщику связи.", public=True)
            told.moves("rejected")
            return
        told.moves("resolved")
        if told.later(24.0 * chance.uniform(1, 5)):
            told.moves("closed")

    def _writer(self, customer: Customer, channel: str, at: datetime) -> Row:
        chance = self._chance
        there = self._people[f"{customer.code} {'email' if channel in ('email', 'web') else 'phone'}"]
        if (len(there) < PEOPLE_OF_ONE and chance.random() < 0.05) or not there:
            name = person(chance)
            self._known += 1
            mail = channel in ("email", "web")
            value = f"u{self._known}@{customer.domains[0]}" if mail else f"+79{self._known:09d}"
            kind = "email" if mail else "phone"
            writer = {"person_id": self.made.key(at), "kind": kind, "value": value, "name": name}
            there.append(writer)
            self.made.rows["people"].append(
                {"id": writer["person_id"], "site": PREFIX, "name": name, "language": "ru", "customer": customer.code,
                 "created_at": at}
            )  # fmt: skip
            self.made.rows["addresses"].append(
                {"key": f"{kind}:{value}", "person_id": writer["person_id"], "kind": kind, "value": value,
                 "verified": False, "dead_at": None, "opted_out_at": None}
            )  # fmt: skip
        return chance.choice(there)

    def _text(self, pattern: str) -> str:
        chance = self._chance
        return self._numbered(
            pattern.format(
                thing=chance.choice(words.THINGS),
                trouble=chance.choice(words.TROUBLES),
                place=chance.choice(words.PLACES),
            )
        )

    def _body(self) -> str:
        sentences = self._chance.choices(words.SENTENCES, k=self._chance.randint(2, 9))
        return " ".join(self._numbered(each) for each in sentences)

    def _numbered(self, text: str) -> str:
        return text.replace("{n}", str(self._chance.randint(2, 9999)))


def _ahead(name: str) -> timedelta:
    """How far a zone is ahead of UTC; the zones of the year know no summer time."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(name).utcoffset(datetime(2026, 1, 1)) or timedelta()  # noqa: DTZ001 - a wall clock is asked for


async def fill(
    url: str, count: int, seed: int, end: datetime, *, say: Callable[[str], None] = lambda line: None
) -> dict[str, int]:
    """Write a year into a database that has the schema and nothing else; how many rows of each table."""
    year = Year(seed, end, assemble.router(load(None, {})))
    written: Counter[str] = Counter()
    tables = all_tables.metadata.tables
    database = await open_database(url)

    def flush(connection: Connection) -> None:
        insert_tables(connection, [(tables[name], year.made.rows[name], "") for name in TABLES])

    try:
        await database.write(lambda c: organisations.save(c, organisations.rows(year.organisation)))
        for position, _ in enumerate(year.tickets(count), 1):
            if position % 1000 and position != count:
                continue
            await database.write(flush)
            for name in TABLES:
                written[name] += len(year.made.rows[name])
                year.made.rows[name] = []
            if not position % 20_000:
                say(f"{position} tickets, {sum(written.values())} rows")
        last = [{"name": f"{PREFIX}-{number}", "value": value} for number, value in year.serials.items()]
        await database.write(lambda c: insert_rows(c, counters, last, on_conflict="ON CONFLICT DO NOTHING"))
    finally:
        await database.close()
    return dict(written)


def main(argv: list[str] | None = None) -> None:
    """The command."""
    options = argparse.ArgumentParser(prog="python -m bench.year", description="fill a database with a year of work")
    options.add_argument("--database", required=True, help="sqlite:///FILE or postgresql://…; empty")
    options.add_argument("--tickets", type=int, default=200_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--end", type=datetime.fromisoformat, default=datetime.now(UTC), help="the last moment (now)")
    given = options.parse_args(argv)
    started = time.monotonic()

    async def whole() -> dict[str, int]:
        await schema.upgrade(given.database)
        return await fill(
            given.database, given.tickets, given.seed, given.end, say=lambda line: print(line, flush=True)
        )

    for name, count in asyncio.run(whole()).items():
        print(f"{name:<14} {count:>9}")
    print(f"seed {given.seed}, {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
