"""The one line each mistake in an organisation file is answered with."""

from __future__ import annotations

import pytest

from desk.organisation import Refused, difference, parse
from desk.site import Site
from tickets.organisation import Organisation

CENTRE = '[[centre]]\ncode = "msk"\nname = "Москва"\n'
GROUP = '[[group]]\ncode = "desk"\nname = "Первая линия"\ncentre = "msk"\n'
STAFF = '[[staff]]\nlogin = "petrova"\nname = "Анна Петрова"\nemail = "petrova@desk.example"\ngroup = "desk"\n'
CUSTOMER = '[[customer]]\ncode = "romashka"\nname = "ООО «Ромашка»"\n'
OTHER = '[[customer]]\ncode = "lutik"\nname = "Лютик"\n'
AGREEMENT = '[[agreement]]\ncode = "gold"\nname = "Gold"\n'


def problems_of(text: str, source: str = "org.toml") -> list[str]:
    with pytest.raises(Refused) as refused:
        difference(Organisation(), parse(text, source), site=Site())
    assert all(problem.isprintable() for problem in refused.value.problems)
    return list(refused.value.problems)


BAD_VALUES = {
    "unknown key, misspelt": (
        CUSTOMER + 'domain = ["a.example"]',
        "org.toml:4: customer romashka: domain: there is no such key; did you mean domains?",
    ),
    "unknown key, like nothing": (
        GROUP + "colour = 1",
        "org.toml:5: group desk: colour: there is no such key; known: centre, code, name",
    ),
    "unknown kind": (
        "[[customers]]\ncode = 1",
        'org.toml: "customers" is nothing an organisation has; did you mean customer?',
    ),
    "single brackets": (
        '[centre]\ncode = "msk"',
        "org.toml: centre: expected a list of tables; write [[centre]] with double brackets",
    ),
    "no TOML": ('[[centre]]\ncode = "msk', "org.toml:2: this is not TOML: "),
    "no code": ('[[centre]]\nname = "M"', "org.toml:1: centre: code is missing; every centre needs one of its own"),
    "capital letters": (
        '[[centre]]\ncode = "MSK"\nname = "M"',
        (
            "org.toml:2: centre MSK: code: expected 1 to 40 small Latin letters, digits, dots, dashes and underscores; "
            'got "MSK"; write "msk"'
        ),
    ),
    "a number for a code": (
        "[[customer]]\ncode = 17",
        (
            "org.toml:2: customer: code: expected 1 to 80 small Latin letters, digits, dots, dashes and underscores; "
            "got 17; put it in quotes"
        ),
    ),
    "a code twice": (
        CENTRE + CENTRE,
        "org.toml:5: centre msk: code: org.toml:1: centre msk has it already; give one of them another code",
    ),
    "a login twice": (
        CENTRE + GROUP + STAFF + STAFF,
        "org.toml:14: staff petrova: login: org.toml:8: staff petrova has it already; give one of them another login",
    ),
    "no name": ('[[centre]]\ncode = "msk"', "org.toml:1: centre msk: name is missing; every centre has one"),
    "two lines": (
        '[[centre]]\ncode = "msk"\nname = "Мос\\nква"',
        'org.toml:3: centre msk: name: expected a text of one line, 1 to 200 characters; got "Мос ква"',
    ),
    "time zone": (
        CENTRE + 'zone = "Europe/Moskow"',
        (
            'org.toml:4: centre msk: zone: expected an IANA time zone such as "Europe/Moscow"; got "Europe/Moskow"; '
            "did you mean Europe/Moscow?"
        ),
    ),
    "a path for a time zone": (
        CENTRE + 'zone = "../../etc/passwd"',
        'org.toml:4: centre msk: zone: expected an IANA time zone such as "Europe/Moscow"; got "../../etc/passwd"',
    ),
    "calendar": (
        CENTRE + 'calendar = "24-7"',
        'org.toml:4: centre msk: calendar: the settings have no calendar "24-7"; did you mean 24x7?',
    ),
    "mailbox": (
        STAFF.replace("petrova@desk.example", "petrova at desk"),
        'org.toml:4: staff petrova: email: expected a mailbox such as "support@example.ru"; got "petrova at desk"',
    ),
    "a header in a mailbox": (
        STAFF.replace("petrova@desk.example", "a@b.example\\r\\nBcc: c@d.example"),
        (
            'org.toml:4: staff petrova: email: expected a mailbox such as "support@example.ru"; '
            'got "a@b.example  Bcc: c@d.example"'
        ),
    ),
    "mailbox among domains": (
        CUSTOMER + 'domains = ["info@romashka.example"]',
        (
            'org.toml:4: customer romashka: domains: expected a mail domain such as "example.ru"; '
            'got "info@romashka.example"; put whole mailboxes under addresses'
        ),
    ),
    "everybody's domain": (
        CUSTOMER + 'domains = ["Mail.ru"]',
        (
            "org.toml:4: customer romashka: domains: expected a domain of the customer's own; "
            'got "Mail.ru"; anybody can have a mailbox at mail.ru: list the customer\'s mailboxes under addresses'
        ),
    ),
    "no list": (
        CUSTOMER + 'domains = "romashka.example"',
        (
            'org.toml:4: customer romashka: domains: expected a list such as ["example.ru"]; got "romashka.example"; '
            "put it in square brackets"
        ),
    ),
    "phone": (
        CUSTOMER + 'phones = ["12345"]',
        ('org.toml:4: customer romashka: phones: expected a phone number such as "+7 495 000-12-34"; got "12345"'),
    ),
    "phone nobody has": (
        CUSTOMER + 'phones = ["+7 123 456-78-90"]',
        (
            'org.toml:4: customer romashka: phones: expected a phone number such as "+7 495 000-12-34"; '
            'got "+7 123 456-78-90"; there is no such number'
        ),
    ),
    "phone in words": (
        CUSTOMER + 'phones = ["звоните"]',
        'org.toml:4: customer romashka: phones: expected a phone number such as "+7 495 000-12-34"; got "звоните"',
    ),
    "phone with an extension": (
        CUSTOMER + 'phones = ["+7 495 123-45-67 доб. 12"]',
        (
            'org.toml:4: customer romashka: phones: expected a phone number such as "+7 495 000-12-34"; '
            'got "+7 495 123-45-67 доб. 12"; leave the extension out: callers\' numbers come without it'
        ),
    ),
    "phone without quotes": (
        CUSTOMER + "phones = [84950001234]",
        (
            'org.toml:4: customer romashka: phones: expected a phone number such as "+7 495 000-12-34"; '
            "got 84950001234; put it in quotes"
        ),
    ),
    "language": (
        CUSTOMER + 'language = "de"',
        'org.toml:4: customer romashka: language: expected "ru" or "en"; got "de"',
    ),
    "flag in quotes": (
        CUSTOMER + 'vip = "true"',
        'org.toml:4: customer romashka: vip: expected true or false; got "true"; write it without quotes',
    ),
    "line": (STAFF + "line = 0", "org.toml:6: staff petrova: line: expected a support line, 1 to 9; got 0"),
    "term without a unit": (
        AGREEMENT + "respond = { high = 30 }",
        (
            'org.toml:4: agreement gold: respond.high: expected a term such as "30 min", "4 h" or "2 days" '
            '(a day is 8 working hours); got 30; write "30 min"'
        ),
    ),
    "term of another unit": (
        AGREEMENT + '[agreement.resolve]\nhigh = "2 h"\nlow = "3 weeks"',
        (
            'org.toml:6: agreement gold: resolve.low: expected a term such as "30 min", "4 h" or "2 days" '
            '(a day is 8 working hours); got "3 weeks"'
        ),
    ),
    "term of nothing": (
        AGREEMENT + 'resolve = { high = "0 h" }',
        (
            "org.toml:4: agreement gold: resolve.high: expected a term of whole minutes, one minute to 366 days of "
            '24 hours; got "0 h"'
        ),
    ),
    "unknown priority": (
        AGREEMENT + 'respond = { urgent = "1 h" }',
        (
            'org.toml:4: agreement gold: respond: expected a table such as { critical = "30 min", high = "4 h", '
            'normal = "2 days" }; got "urgent"; known: critical, high, low, normal'
        ),
    ),
    "days around the clock": (
        AGREEMENT + 'calendar = "24x7"\nresolve = { low = "2 days" }',
        (
            'org.toml:5: agreement gold: resolve.low: expected hours with the calendar "24x7"; got "2 days"; '
            "a day is 8 working hours, which a clock that never stops does not know: write hours"
        ),
    ),
    "resolved before answered": (
        AGREEMENT + 'respond = { high = "4 h" }\nresolve = { high = "2 h" }',
        "org.toml:5: agreement gold: resolve.high: is sooner than respond.high; nobody resolves before responding",
    ),
    "unknown centre": (
        CENTRE + GROUP.replace('"msk"', '"mks"'),
        'org.toml:7: group desk: centre: there is no centre "mks"; did you mean msk?',
    ),
    "no centre at all": (
        GROUP,
        'org.toml:4: group desk: centre: there is no centre "msk"; there is none at all yet: list a [[centre]] as well',
    ),
    "unknown group": (
        CENTRE + GROUP + STAFF.replace('group = "desk"', 'group = "vip"'),
        'org.toml:12: staff petrova: group: there is no group "vip"; known: desk',
    ),
    "unknown agreement": (
        AGREEMENT + CUSTOMER + 'agreement = "golden"',
        'org.toml:7: customer romashka: agreement: there is no agreement "golden"; did you mean gold?',
    ),
    "a domain claimed twice": (
        CUSTOMER + 'domains = ["romashka.example"]\n' + OTHER + 'domains = ["Romashka.Example"]',
        (
            "org.toml:8: customer lutik: domains: romashka.example is claimed by org.toml:1: customer romashka too; "
            "leave it to one of them"
        ),
    ),
    "a domain claimed in two spellings": (
        CUSTOMER + 'domains = ["пример.рф"]\n' + OTHER + 'domains = ["xn--e1afmkfd.xn--p1ai"]',
        (
            "org.toml:8: customer lutik: domains: пример.рф is claimed by org.toml:1: customer romashka too; "
            "leave it to one of them"
        ),
    ),
    "a phone claimed twice": (
        CUSTOMER + 'phones = ["8 (916) 000-12-34"]\n' + OTHER + 'phones = ["9160001234"]',
        (
            "org.toml:8: customer lutik: phones: +79160001234 is claimed by org.toml:1: customer romashka too; "
            "leave it to one of them"
        ),
    ),
    "an address claimed twice": (
        CUSTOMER + 'addresses = ["a@b.example"]\n' + OTHER + 'addresses = ["A@B.example"]',
        (
            "org.toml:8: customer lutik: addresses: a@b.example is claimed by org.toml:1: customer romashka too; "
            "leave it to one of them"
        ),
    ),
    "a customer with our own mailbox": (
        CENTRE + 'addresses = ["help@desk.example"]\n' + CUSTOMER + 'addresses = ["help@desk.example"]',
        (
            "org.toml:8: customer romashka: addresses: help@desk.example is claimed by org.toml:1: centre msk too; "
            "leave it to one of them"
        ),
    ),
    "two staff with one mailbox": (
        CENTRE + GROUP + STAFF + STAFF.replace('login = "petrova"', 'login = "petrov"'),
        (
            "org.toml:16: staff petrov: email: petrova@desk.example is claimed by org.toml:8: staff petrova too; "
            "leave it to one of them"
        ),
    ),
    "two defaults": (
        CENTRE + "default = true\n" + CENTRE.replace("msk", "nsk") + "default = true",
        (
            "org.toml:8: centre nsk: default: org.toml:1: centre msk is the default already; "
            "write default = false at one of them"
        ),
    ),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_a_mistake_is_answered_in_one_line(case: str) -> None:
    text, expected = BAD_VALUES[case]
    problems = problems_of(text)
    if expected.endswith(": "):
        assert problems[0].startswith(expected)
        problems = [expected]
    assert problems == [expected]


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    text = CUSTOMER + 'vip = 1\nphones = ["x"]\n' + OTHER + 'domain = "y"\n'
    assert [problem.partition(": expected")[0].partition(": there")[0] for problem in problems_of(text)] == [
        "org.toml:4: customer romashka: vip",
        "org.toml:5: customer romashka: phones",
        "org.toml:9: customer lutik: domain",
    ]
