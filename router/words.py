"""The router's reasons in words, Russian and English.

Reasons are stored as codes with facts, long before anybody reads them. So the wording is total: facts that are missing
(written by an older version), of another type or hostile never raise, and an unknown code is shown as it is. The result
is plain text; who puts it on a page escapes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tickets.reason import Reason

LANGUAGES = ("ru", "en")

CODES: dict[str, tuple[str, str]] = {
    "given": ("указано при создании", "stated when the ticket was made"),
    "rule": ("правило {rule}{found_by}", "rule {rule}{found_by}"),
    "default": ("значение по умолчанию", "the default"),
    "customer_address": ("адрес {address} записан за заказчиком {customer}", "mailbox {address} belongs to {customer}"),
    "customer_domain": (
        "почтовый домен {domain} записан за заказчиком {customer}",
        "domain {domain} belongs to {customer}",
    ),
    "customer_phone": ("телефон {phone} записан за заказчиком {customer}", "phone {phone} belongs to {customer}"),
    "customer_known": (
        "этот человек уже обращался от заказчика {customer}",
        "this person is known to be of {customer}",
    ),
    "customer_unknown": (
        "ни адрес, ни домен, ни телефон не записаны ни за одним заказчиком",
        "neither the address nor its domain nor a phone number belongs to a customer",
    ),
    "centre_of_group": ("центр, в котором работает группа {group}", "the centre of group {group}"),
    "centre_intake": (
        "письмо пришло на {intake}, адрес этого центра",
        "it was sent to {intake}, a mailbox of the centre",
    ),
    "centre_customer": ("этот центр обслуживает заказчика {customer}", "the centre that serves {customer}"),
    "centre_default": ("центр по умолчанию", "the default centre"),
    "centre_none": ("сервисные центры ещё не заведены", "there is no service centre yet"),
    "words_urgent": ("о срочности говорят слова {found}", "the words {found} speak of urgency"),
    "words_calm": ("слова {found} говорят, что дело терпит", "the words {found} say that it can wait"),
    "vip": (
        "важный заказчик: воздействие не ниже, чем {impact_neuter}, а было {was_neuter}",
        "an important customer: impact is at least {impact}, it was {was}",
    ),
    "matrix": (
        "воздействие {impact_neuter}, срочность {urgency_feminine}",
        "impact is {impact}, urgency is {urgency}",
    ),
    "group_of_assignee": ("группа, в которой работает {name}", "the group of {name}"),
    "group_customer": ("за заказчиком {customer} закреплена группа {group}", "group {group} serves {customer}"),
    "group_first": ("группа {group} первой отвечает в этом центре", "group {group} answers first in this centre"),
    "group_none": ("в этом центре ещё нет групп", "the centre has no group yet"),
    "line_first": ("заявки начинают с первой линии", "tickets start on the first line"),
    "line_critical": (
        "критический приоритет: сразу на вторую линию",
        "critical priority goes to the second line at once",
    ),
    "line_of_assignee": ("линия, на которой работает {name}", "the line of {name}"),
    "line_up": (
        "на линии {wanted} никого нет на месте, следующая линия, где кто-то есть, — {line}",
        "nobody is there on line {wanted}; the next line with anybody on it is {line}",
    ),
    "assignee_least_loaded": (
        "{name}: меньше всех открытых заявок на линии {line} (сейчас {open_tickets})",
        "{name} has the fewest open tickets on line {line} ({open_tickets} now)",
    ),
    "assignee_no_group": ("некому назначить: группа не определена", "nobody: there is no group"),
    "assignee_none": (
        "в группе {group} на линии {line} и выше никого нет на месте",
        "nobody of group {group} is there on line {line} or above",
    ),
    "agreement_customer": ("соглашение {agreement} заказчика {customer}", "agreement {agreement} of {customer}"),
    "agreement_default": ("общее соглашение {agreement}", "the common agreement {agreement}"),
    "agreement_none": ("соглашения нет", "there is no agreement"),
    "deadline": (
        "{duration} рабочего времени по соглашению {agreement} при {priority_prepositional} приоритете: до {due}",
        "{duration} of working time by agreement {agreement} at {priority} priority: until {due}",
    ),
    "deadline_no_agreement": ("срока нет: нет соглашения", "no deadline: there is no agreement"),
    "deadline_no_target": (
        "срока нет: соглашение {agreement} не обещает его при {priority_prepositional} приоритете",
        "no deadline: agreement {agreement} promises none at {priority} priority",
    ),
    "deadline_too_far": (
        "срока нет: {duration} рабочего времени в календаре {calendar} не наберётся и за много лет",
        "no deadline: calendar {calendar} does not have {duration} of working time for many years",
    ),
}
"""Every code the router emits, with its wording in Russian and in English."""

_MONTHS = {
    "ru": " января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "en": " January February March April May June July August September October November December",
}
_FORMS = {
    "feminine": {"high": "высокая", "medium": "средняя", "low": "низкая"},
    "neuter": {"high": "высокое", "medium": "среднее", "low": "низкое"},
    "prepositional": {"critical": "критическом", "high": "высоком", "normal": "обычном", "low": "низком"},
}
_QUOTED = frozenset({"agreement", "calendar", "customer", "found", "group", "missing", "value"})
_LIMIT = 200


def words(reason: Reason, language: str) -> str:
    """A reason as a person would say it; `language` is "ru" or "en", others read English.

    >>> words(Reason("centre", "centre_customer", {"customer": "ООО «Север»"}), "ru")
    'этот центр обслуживает заказчика ООО «Север»'
    """
    language = language if language in LANGUAGES else "en"
    pair = CODES.get(reason.code)
    if pair is None:
        return _unknown(reason)
    told = _Told(reason, language)
    try:
        text = pair[LANGUAGES.index(language)].format_map(told)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return _unknown(reason)
    return text + _tail(reason.facts, language)


def plural(number: int, language: str, one: str, few: str, many: str) -> str:
    """A number with its noun: Russian has three forms, English uses `one` and `many`.

    >>> [plural(n, "ru", "час", "часа", "часов") for n in (1, 2, 5, 11, 21, 112)]
    ['1 час', '2 часа', '5 часов', '11 часов', '21 час', '112 часов']
    """
    if language != "ru":
        return f"{number} {one if number == 1 else many}"
    tens, units = abs(number) % 100, abs(number) % 10
    if units == 1 and tens != 11:
        return f"{number} {one}"
    return f"{number} {few if 2 <= units <= 4 and not 12 <= tens <= 14 else many}"


def duration(minutes: int, language: str) -> str:
    """Working time in hours and minutes; days would hide how long a working day is.

    >>> duration(90, "ru"), duration(2880, "ru"), duration(60, "en")
    ('1 час 30 минут', '48 часов', '1 hour')
    """
    hours, rest = divmod(minutes, 60)
    ru = language == "ru"
    parts = []
    if hours:
        parts.append(plural(hours, language, *(("час", "часа", "часов") if ru else ("hour", "", "hours"))))
    if rest or not hours:
        parts.append(plural(rest, language, *(("минута", "минуты", "минут") if ru else ("minute", "", "minutes"))))
    return " ".join(parts)


def moment(iso: str, zone: str, language: str) -> str:
    """A local time, given as ISO 8601, the way people write it.

    >>> moment("2026-11-23T09:30:00+03:00", "Europe/Moscow", "ru")
    '23 ноября 2026, 09:30, Europe/Moscow'
    """
    at = datetime.fromisoformat(iso)
    return f"{at.day} {_MONTHS[language].split(' ')[at.month]} {at.year}, {at:%H:%M}" + (f", {zone}" if zone else "")


def _clean(value: object) -> str:
    """Outside text on one line: nothing unprintable, nothing endless."""
    text = str(value)[: _LIMIT + 1]
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else " " for sign in text)
    return text if len(text) <= _LIMIT else f"{text[:_LIMIT]}…"


def _quoted(value: object, language: str) -> str:
    text = _clean(value)
    if language == "ru":
        return text if "«" in text else f"«{text}»"
    return text if "“" in text or "«" in text else f"“{text}”"


class _Told(Mapping[str, str]):
    """The facts of a reason by the names used in the wordings, put into words on demand."""

    def __init__(self, reason: Reason, language: str) -> None:
        self._facts = reason.facts
        self._rule = reason.rule
        self._language = language

    def __getitem__(self, name: str) -> str:
        facts, language = self._facts, self._language
        if special := _SPECIAL.get(name):
            return special(facts, language)
        if name == "rule":
            return _quoted(self._rule, language)
        base, _, form = name.rpartition("_")
        if form in _FORMS:
            return _level(facts[base], form, language)
        if name in _QUOTED:
            return _quoted(facts[name], language)
        return _clean(facts[name])

    def __iter__(self) -> Any:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)


def _level(value: object, form: str, language: str) -> str:
    return _FORMS[form].get(str(value), _clean(value)) if language == "ru" else _clean(value)


def _found_by(facts: Mapping[str, Any], language: str) -> str:
    if not facts.get("found"):
        return ""
    found = _quoted(facts["found"], language)
    return f": в письме есть {found}" if language == "ru" else f": the message says {found}"


def _due(facts: Mapping[str, Any], language: str) -> str:
    at = moment(facts["local"], _clean(facts.get("zone", "")), language)
    calendar = _quoted(facts["calendar"], language)
    if not facts.get("missing"):
        return f"{at} (календарь {calendar})" if language == "ru" else f"{at} (calendar {calendar})"
    missing = _quoted(facts["missing"], language)
    if language == "ru":
        return f"{at} (календарь {calendar}, потому что календаря {missing} нет в настройках)"
    return f"{at} (calendar {calendar}, for the settings have no calendar {missing})"


_SPECIAL: dict[str, Callable[[Mapping[str, Any], str], str]] = {
    "due": _due,
    "duration": lambda facts, language: duration(int(facts["minutes"]), language),
    "found_by": _found_by,
    "open_tickets": lambda facts, _: str(int(facts["open"])),
}


def _tail(facts: Mapping[str, Any], language: str) -> str:
    """What else has to be said: an unproven sender, a rule or an agreement that names what does not exist."""
    ru = language == "ru"
    tail = ""
    if facts.get("verified") is False:
        tail += "; подлинность отправителя не подтверждена" if ru else "; the sender is not proven to be genuine"
    ignored = facts.get("ignored")
    if isinstance(ignored, Mapping):
        rule, value = _quoted(ignored.get("rule", ""), language), _quoted(ignored.get("value", ""), language)
        if ru:
            tail += f"; правило {rule} пропущено: {value} нет в организации"
        else:
            tail += f"; rule {rule} was passed over: the organisation has no {value}"
    if facts.get("missing") and "calendar" not in facts:
        missing = _quoted(facts["missing"], language)
        if ru:
            tail += f"; соглашения {missing}, указанного у заказчика, нет"
        else:
            tail += f"; the customer's agreement {missing} does not exist"
    return tail


def _unknown(reason: Reason) -> str:
    told = ", ".join(f"{_clean(name)}: {_clean(value)}" for name, value in list(reason.facts.items())[:20])
    return f"{_clean(reason.code)} ({told})" if told else _clean(reason.code)
