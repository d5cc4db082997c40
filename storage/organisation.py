"""Centres, agreements, customers, groups and staff: read as one snapshot, replaced by an import."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, text

from storage import counters
from storage.tables import agreements, centres, customers, members, teams
from tickets.organisation import Agreement, Centre, Customer, Group, Member, Organisation, Target, index

VERSION = "organisation"
"""Name of the counter that tells nodes that their snapshot is old."""


def version(connection: Connection) -> int:
    """The number of the last import."""
    return counters.value(connection, VERSION)


def load(connection: Connection) -> Organisation:
    """Everything, as the router sees it."""
    number = version(connection)
    found: dict[str, list[Member]] = {}
    for row in connection.execute(select(members).order_by(members.c.position)).mappings():
        found.setdefault(row["team"], []).append(
            Member(
                id=row["id"].hex,
                login=row["login"],
                name=row["name"],
                email=row["email"],
                group=row["team"],
                line=row["line"],
                language=row["language"],
                lead=row["lead"],
                away=row["away"],
            )
        )
    return index(
        number,
        [
            Centre(
                code=row["code"],
                name=row["name"],
                zone=row["zone"],
                addresses=tuple(row["addresses"]),
                calendar=row["calendar"],
                default=row["is_default"],
            )
            for row in connection.execute(select(centres).order_by(centres.c.position)).mappings()
        ],
        [
            Agreement(
                code=row["code"],
                name=row["name"],
                calendar=row["calendar"],
                targets={name: Target(**target) for name, target in row["targets"].items()},
            )
            for row in connection.execute(select(agreements).order_by(agreements.c.code)).mappings()
        ],
        [
            Customer(
                id=row["id"].hex,
                code=row["code"],
                name=row["name"],
                centre=row["centre"],
                agreement=row["agreement"],
                group=row["team"],
                domains=tuple(row["domains"]),
                addresses=tuple(row["addresses"]),
                phones=tuple(row["phones"]),
                language=row["language"],
                vip=row["vip"],
            )
            for row in connection.execute(select(customers).order_by(customers.c.code)).mappings()
        ],
        [
            Group(code=row["code"], name=row["name"], centre=row["centre"], members=tuple(found.get(row["code"], ())))
            for row in connection.execute(select(teams).order_by(teams.c.position)).mappings()
        ],
    )


def save(connection: Connection, rows: dict[str, list[dict[str, Any]]]) -> int:
    """Replace the rows of each table named; tables that are missing stay as they are. Returns the new version."""
    for table in (centres, agreements, customers, teams, members):
        if table.name not in rows:
            continue
        connection.execute(table.delete())
        if rows[table.name]:
            connection.execute(table.insert(), rows[table.name])
    return counters.reserve(connection, VERSION, 1)


def lock(connection: Connection) -> None:
    """Let imports wait for each other until the end of the transaction; readers go on. To be called first.

    On SQLite the transaction itself is the lock.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {centres.name} IN SHARE ROW EXCLUSIVE MODE"))


def rows(organisation: Organisation) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table, as `save` takes them."""
    staff = [member for group in organisation.groups.values() for member in group.members]
    return {
        centres.name: [
            {
                "code": each.code,
                "position": position,
                "name": each.name,
                "zone": each.zone,
                "addresses": list(each.addresses),
                "calendar": each.calendar,
                "is_default": each.default,
            }
            for position, each in enumerate(organisation.centres.values(), start=1)
        ],
        agreements.name: [
            {
                "code": each.code,
                "name": each.name,
                "calendar": each.calendar,
                "targets": {
                    priority: {"respond": target.respond, "resolve": target.resolve}
                    for priority, target in each.targets.items()
                },
            }
            for each in organisation.agreements.values()
        ],
        customers.name: [
            {
                "code": each.code,
                "id": UUID(each.id),
                "name": each.name,
                "centre": each.centre,
                "agreement": each.agreement,
                "team": each.group,
                "domains": list(each.domains),
                "addresses": list(each.addresses),
                "phones": list(each.phones),
                "language": each.language,
                "vip": each.vip,
            }
            for each in organisation.customers.values()
        ],
        teams.name: [
            {"code": each.code, "position": position, "name": each.name, "centre": each.centre}
            for position, each in enumerate(organisation.groups.values(), start=1)
        ],
        members.name: [
            {
                "login": each.login,
                "id": UUID(each.id),
                "position": position,
                "name": each.name,
                "email": each.email,
                "team": each.group,
                "line": each.line,
                "language": each.language,
                "lead": each.lead,
                "away": each.away,
            }
            for position, each in enumerate(staff, start=1)
        ],
    }
