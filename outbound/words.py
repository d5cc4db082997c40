"""Codes in the reader's words: what pages, texts and the command line call a state, a reason or an event.

Every function takes the language as people state it ("ru", "en-GB") and answers in Russian where it knows no better.
Unknown codes come back as they are: a word that is missing must never hide a fact.
"""

from __future__ import annotations

import re
from typing import Final

from tickets.delivery import DeliveryState, Outcome
from tickets.event import Event, Role
from tickets.priority import Priority
from tickets.reason import Suppression
from tickets.status import Status

LANGUAGES: Final = ("ru", "en")

Words = tuple[str, str]
"""Russian, English."""

_STATUS_STAFF: dict[str, Words] = {
    Status.NEW: ("Новая", "New"),
    Status.IN_PROGRESS: ("В работе", "In progress"),
    Status.WAITING: ("Ждём автора", "Waiting for author"),
    Status.RESOLVED: ("Решена", "Resolved"),
    Status.CLOSED: ("Закрыта", "Closed"),
    Status.REJECTED: ("Отклонена", "Declined"),
}
_STATUS_AUTHOR: dict[str, Words] = {
    Status.NEW: ("Приняли, скоро ответим", "We have it and will answer soon"),
    Status.IN_PROGRESS: ("Работаем", "We are working on it"),
    Status.WAITING: ("Нужен ваш ответ", "We need your answer"),
    Status.RESOLVED: ("Сделали, проверьте", "Done, please check"),
    Status.CLOSED: ("Закрыли", "Closed"),
    Status.REJECTED: ("Не возьмём", "We cannot take this"),
}
_PRIORITY: dict[str, Words] = {
    Priority.CRITICAL: ("критический", "critical"),
    Priority.HIGH: ("высокий", "high"),
    Priority.NORMAL: ("обычный", "normal"),
    Priority.LOW: ("низкий", "low"),
}
_STATE_STAFF: dict[str, Words] = {
    DeliveryState.QUEUED: ("в очереди", "queued"),
    DeliveryState.SENDING: ("отправляем", "sending"),
    DeliveryState.SENT: ("отправлено", "sent"),
    DeliveryState.DELIVERED: ("доставлено", "delivered"),
    DeliveryState.READ: ("прочитано", "read"),
    DeliveryState.FAILED: ("не доставлено", "not delivered"),
    DeliveryState.EXPIRED: ("устарело, не успели", "expired"),
    DeliveryState.SUPPRESSED: ("не отправляли", "not sent"),
    DeliveryState.UNKNOWN: ("неизвестно, дошло ли", "unknown"),
}
_STATE_AUTHOR: dict[str, Words] = {
    **_STATE_STAFF,
    DeliveryState.QUEUED: ("отправляем", "sending"),
    DeliveryState.FAILED: ("не дошло", "not delivered"),
    DeliveryState.EXPIRED: ("", ""),
    DeliveryState.SUPPRESSED: ("не писали", "not sent"),
    DeliveryState.UNKNOWN: ("проверяем, дошло ли", "checking whether it arrived"),
}
_SENT_MEANS: Words = ("приняли к доставке, о вручении пока не сказали", "accepted, no delivery report yet")
_SUPPRESSION: dict[str, Words] = {
    Suppression.NO_ADDRESS: ("Нет адреса для этого канала", "No address for this channel"),
    Suppression.ADDRESS_UNVERIFIED: ("Адрес не подтверждён", "Address not verified"),
    Suppression.ADDRESS_DEAD: ("С этого адреса письма возвращались", "Earlier mail to it bounced"),
    Suppression.OPTED_OUT: ("Просил не писать сюда", "Opted out"),
    Suppression.OWN_ACTION: ("Человек сделал это сам", "They did it themselves"),
    Suppression.AUTOMATIC_MAIL: ("На автоматические письма не отвечаем", "Automatic mail gets no reply"),
    Suppression.DUPLICATE: ("Об этом уже сказали", "Already said"),
    Suppression.CHANNEL_OFF: ("Канал выключен", "Channel is off"),
    Suppression.STOP_LIST: ("Адрес в стоп-листе", "On the stop list"),
    Suppression.TEST_MODE: ("Проверочный режим, адрес не в списке", "Test mode, not on the list"),
    Suppression.OUTDATED: ("Есть новость свежее", "Newer news exists"),
    Suppression.WITHDRAWN: ("Передумали: ответ взяли назад", "Taken back before it left"),
    Suppression.CAP_REACHED: ("Предел подтверждений за час исчерпан", "Enough acknowledgements for this hour"),
    Suppression.MAIL_LOOP: ("Автоответчики отвечают друг другу", "Two programs answer each other"),
    Suppression.DOMAIN_CAP: ("Предел подтверждений для этого домена", "Enough acknowledgements to this domain"),
    Suppression.TOTAL_CAP: ("Общий предел подтверждений", "Enough acknowledgements in all"),
}
_OUTCOME: dict[str, Words] = {
    Outcome.ACCEPTED: ("приняли к доставке", "accepted"),
    Outcome.TEMPORARY: ("пока не приняли", "not accepted for now"),
    Outcome.PERMANENT: ("письмо не приняли", "refused"),
    Outcome.UNKNOWN: ("ответ потерян при сбое", "the answer was lost in a crash"),
}
_CODES: tuple[tuple[re.Pattern[str], Words], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (r"\b[45]\.1\.(1|6|10)\b", ("такого ящика нет", "no such mailbox")),
        (r"\b[45]\.1\.2\b|\bdns\b|nxdomain", ("такого почтового домена нет", "no such mail domain")),
        (r"\b[45]\.2\.1\b", ("ящик отключён", "the mailbox is disabled")),
        (r"\b[45]\.2\.2\b", ("ящик переполнен", "the mailbox is full")),
        (r"\b5\.3\.4\b|\b552\b", ("письмо слишком большое", "the message is too big")),
        (r"\b(530|534|535)\b|\b5\.7\.(8|9)\b|\bauth", ("ключ не подошёл", "the credentials did not match")),
        (r"\btls\b|certificate", ("не удалось защитить соединение", "the connection could not be secured")),
        (r"^unanswered$", ("отдали, но ответа не дождались", "handed over, but no answer came")),
        (r"time[d-]?\s?-?out", ("сервер не ответил вовремя", "the server did not answer in time")),
        (r"connect|refused|unreachable|closed|disconnect", ("сервер недоступен", "the server cannot be reached")),
        (r"^(4\d\d|429|503)\b", ("сервер просит подождать", "the server asks to wait")),
    )
)
_EVENT: dict[str, Words] = {
    Event.RECEIVED: ("Приняли заявку", "Ticket received"),
    Event.STATUS_CHANGED: ("Новое состояние", "Status changed"),
    Event.PUBLIC_COMMENT: ("Ответ", "Reply"),
    Event.AUTHOR_REPLIED: ("Автор написал", "Author wrote"),
    Event.ASSIGNED: ("Назначение", "Assigned"),
    Event.RESOLVED: ("Заявка решена", "Resolved"),
    Event.CLOSED: ("Заявка закрыта", "Closed"),
    Event.DEADLINE_NEAR: ("Скоро срок", "Deadline near"),
    Event.DEADLINE_MISSED: ("Срок прошёл", "Deadline missed"),
    Event.MERGED: ("Заявка объединена", "Ticket merged"),
    Event.REOPENED: ("Проблема осталась", "Still broken"),
    Event.WITHDRAWN: ("Автор отозвал заявку", "Withdrawn by its author"),
    Event.PORTAL_LINK: ("Ссылка на все заявки", "Link to all tickets"),
    Event.UNDELIVERED: ("Письмо вернулось", "Mail came back"),
    Event.MAIL_LOOP: ("Переписка автоответчиков", "Mail loop"),
}
_ROLE: dict[str, Words] = {
    Role.AUTHOR: ("автору", "author"),
    Role.ASSIGNEE: ("исполнителю", "assignee"),
    Role.GROUP: ("группе", "group"),
    Role.LEAD: ("руководителю", "lead"),
    Role.PARTICIPANT: ("участнику", "participant"),
}


def known_language(language: str) -> str:
    """The language of ours that is meant; Russian where none is.

    >>> known_language("en-GB"), known_language("EN"), known_language("kk"), known_language("")
    ('en', 'en', 'ru', 'ru')
    """
    primary = language.replace("_", "-").partition("-")[0].lower()
    return primary if primary in LANGUAGES else "ru"


def status_words(status: str, language: str, audience: str = "staff") -> str:
    """What a ticket's status is called; `audience` is "staff" or "author".

    >>> status_words("waiting", "ru"), status_words("waiting", "ru", "author")
    ('Ждём автора', 'Нужен ваш ответ')
    """
    return _say(_STATUS_AUTHOR if audience == "author" else _STATUS_STAFF, status, language)


def priority_words(priority: str, language: str) -> str:
    """What a priority is called, in lower case, agreeing with «приоритет»."""
    return _say(_PRIORITY, priority, language)


def state_words(state: str, language: str, audience: str = "staff") -> str:
    """What a delivery's state is called; empty where the author is not told of it."""
    return _say(_STATE_AUTHOR if audience == "author" else _STATE_STAFF, state, language)


def state_hint(state: str, language: str) -> str:
    """What a state that is easily misread really means; empty for the others."""
    return _pick(_SENT_MEANS, language) if state == DeliveryState.SENT else ""


def suppression_words(code: str, language: str) -> str:
    """Why a delivery was deliberately not sent."""
    return _say(_SUPPRESSION, code, language)


def outcome_words(outcome: str, language: str, code: str = "") -> str:
    """How an attempt ended, as exactly as the provider's `code` allows (RFC 3463 for mail).

    >>> outcome_words("permanent", "ru", "550 5.1.1"), outcome_words("temporary", "en", "451 4.7.1")
    ('такого ящика нет', 'the server asks to wait')
    """
    if outcome in (Outcome.TEMPORARY, Outcome.PERMANENT):
        for pattern, words in _CODES:
            if pattern.search(code):
                return _pick(words, language)
    return _say(_OUTCOME, outcome, language)


def role_words(role: str, language: str) -> str:
    """To whom, in the case that follows an arrow."""
    return _say(_ROLE, role, language)


def event_words(event: str, role: str, language: str) -> str:
    """What was told to whom, the head of a notification in the ledger.

    >>> event_words("received", "author", "ru"), event_words("author_replied", "assignee", "en")
    ('Приняли заявку → автору', 'Author wrote → assignee')
    """
    return f"{_say(_EVENT, event, language)} → {role_words(role, language)}"


def plural(number: int, language: str, *forms: str) -> str:
    """The number with the noun that fits it: three Russian forms (1, 2, 5) or two English ones (1, 2).

    >>> [plural(n, "ru", "заявка", "заявки", "заявок").replace(chr(0xA0), " ") for n in (1, 2, 5, 11, 21, 112)]
    ['1 заявка', '2 заявки', '5 заявок', '11 заявок', '21 заявка', '112 заявок']
    >>> plural(1, "en", "ticket", "tickets").replace(chr(0xA0), " ")
    '1 ticket'

    Raises:
        ValueError: as many forms are needed as the language has.
    """
    russian = known_language(language) == "ru"
    if len(forms) != (3 if russian else 2):
        raise ValueError(f"plural needs {3 if russian else 2} forms in {known_language(language)!r}, not {len(forms)}")
    tens, ones = abs(number) // 10 % 10, abs(number) % 10
    if not russian:
        form = 0 if abs(number) == 1 else 1
    elif tens == 1 or ones == 0 or ones >= 5:
        form = 2
    else:
        form = 0 if ones == 1 else 1
    return f"{number}\u00a0{forms[form]}"


def _say(table: dict[str, Words], code: str, language: str) -> str:
    words = table.get(code)
    return code if words is None else _pick(words, language)


def _pick(words: Words, language: str) -> str:
    return words[LANGUAGES.index(known_language(language))]
