"""The service centre of the generated year: 7 centres, 40 staff on three lines, 300 customers with agreements."""

from __future__ import annotations

import random
from uuid import UUID

from bench.year_words import CENTRES, FIRMS, FORMS, MEN, SURNAMES, WOMEN
from tickets.organisation import Agreement, Centre, Customer, Group, Member, Organisation, Target, index

STAFF = 40
CUSTOMERS = 300


def organisation(chance: random.Random) -> Organisation:
    """The whole organisation, the same for the same seed."""
    centres = [
        Centre(code, name, zone, (f"{code}@desk.example",), default=code == "msk") for code, name, zone, _ in CENTRES
    ]
    agreements = [
        _agreement("gold", "Золотое", "24x7", 15, 4),
        _agreement("silver", "Серебряное", "", 60, 8),
        _agreement("base", "Базовое", "", 120, 24),
    ]
    groups: list[Group] = []
    sizes = {"msk": 9, "spb": 6, "ekb": 6, "nsk": 7, "kja": 4, "vvo": 5, "pkc": 3}
    for centre in centres:
        members = []
        for position in range(sizes[centre.code]):
            name = person(chance)
            login = f"{centre.code}{position + 1}"
            members.append(
                Member(
                    id=key(chance).hex,
                    login=login,
                    name=name,
                    email=f"{login}@desk.example",
                    group=f"{centre.code}-{1 if position < sizes[centre.code] - 2 else 2}",
                    line=1 if position < sizes[centre.code] - 2 else 2 + position % 2,
                    lead=position == 0,
                    away=chance.random() < 0.05,
                )
            )
        for line, title in ((1, "первая линия"), (2, "инженеры")):
            code = f"{centre.code}-{line}"
            mine = tuple(member for member in members if member.group == code)
            groups.append(Group(code, f"{centre.name}, {title}", centre.code, mine))
    customers = [_customer(chance, number) for number in range(1, CUSTOMERS + 1)]
    return index(1, centres, agreements, customers, groups)


def person(chance: random.Random) -> str:
    """A name."""
    surname = chance.choice(SURNAMES)
    return f"{chance.choice(MEN)} {surname}" if chance.random() < 0.5 else f"{chance.choice(WOMEN)} {surname}а"


def key(chance: random.Random) -> UUID:
    """A random UUID of the seed's."""
    return UUID(int=chance.getrandbits(128), version=4)


def _agreement(code: str, name: str, calendar: str, respond: int, resolve: int) -> Agreement:
    factors = {"critical": 1, "high": 2, "normal": 4, "low": 8}
    targets = {priority: Target(respond * factor, resolve * factor * 60) for priority, factor in factors.items()}
    return Agreement(code, name, targets, calendar)


def _customer(chance: random.Random, number: int) -> Customer:
    centre = chance.choices([code for code, *_ in CENTRES], [share for *_, share in CENTRES])[0]
    name = f"{chance.choice(FORMS)} «{chance.choice(FIRMS)}-{number}»"
    return Customer(
        id=key(chance).hex,
        code=f"c{number:03d}",
        name=name,
        centre=centre,
        agreement=chance.choices(("gold", "silver", "base"), (1, 3, 6))[0],
        domains=(f"c{number:03d}.example.ru",),
        phones=(f"+7495{number:03d}",),
        vip=chance.random() < 0.03,
    )
