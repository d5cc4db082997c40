"""The desk's own reasons in words; what it does not know is the router's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.words import LANGUAGES
from router.words import words as router_words
from tickets.reason import Reason

CODES: dict[tuple[str, str], tuple[str, str]] = {
    ("threading", "reply_token"): (
        "ответ пришёл на адрес этой заявки",
        "it was sent to the reply address of this ticket",
    ),
    ("threading", "author_page"): ("автор написал на странице этой заявки", "written on the page of this ticket"),
    ("threading", "our_message_id"): ("это ответ на наше письмо", "it answers a mail of ours"),
    ("threading", "references"): (
        "письмо ссылается на прежнее письмо по этой заявке",
        "it refers to an earlier mail on this ticket",
    ),
    ("threading", "number"): (
        "в теме номер заявки, и пишет её автор",
        "the subject has its number and its author writes",
    ),
    ("threading", "author_answered"): ("автор ответил", "the author answered"),
    ("threading", "long_finished"): (
        "заявка {number} давно закрыта, поэтому заведена новая",
        "ticket {number} was closed long ago, so this is a new one",
    ),
    ("sender_check", "stranger"): (
        "письмо называет заявку {number}, но пишет не её автор: проверьте",
        "it names ticket {number}, but its author is somebody else: please check",
    ),
    ("sender_check", "returned"): (
        "письмо говорит о возврате от автора заявки {number}, но ничем этого не доказывает: проверьте",
        "it speaks of mail to the author of ticket {number} that came back, but proves nothing: please check",
    ),
    ("threading", "return_path"): (
        "пришло на обратный адрес нашего письма",
        "it was sent to the return path of a mail of ours",
    ),
    ("threading", "forwarded"): ("письмо {address} переслал сотрудник: {by}", "a mail of {address}, forwarded by {by}"),
    ("threading", "copied"): (
        "автор писал и на {address}, и оттуда ответили на наше письмо",
        "the author had written to {address} too, who answered a mail of ours",
    ),
    ("report", "bounce_permanent"): (
        "письмо на {address} не доставлено, код {status}",
        "the mail to {address} was not delivered, code {status}",
    ),
    ("report", "bounce_temporary"): (
        "письмо на {address} не доставлено, пробовать перестали, код {status}",
        "the mail to {address} was given up after some tries, code {status}",
    ),
    ("report", "delivery_delay"): (
        "письмо на {address} ещё в пути, код {status}",
        "the mail to {address} is still being tried, code {status}",
    ),
    ("report", "feedback_report"): (
        "на письмо пожаловались: на {address} больше не пишем",
        "somebody complained: {address} is not written to any more",
    ),
    ("report", "read_receipt"): ("письмо на {address} открыли", "the mail to {address} was opened"),
    ("mail_loop", "stopped"): (
        "{address} отвечает на каждое подтверждение: больше не подтверждаем",
        "{address} answers every acknowledgement: it gets no more of them",
    ),
    ("manual", "given"): ("так решил человек: {by}", "a person decided so: {by}"),
    ("manual", "spam"): ("закрыта как спам: {by}", "closed as spam: {by}"),
    ("ledger", "retried"): (
        "сообщение на {address} отправим ещё раз",
        "the message to {address} will be sent again",
    ),
    ("ledger", "readdressed"): (
        "вместо {old} отправим на {address}",
        "it goes to {address} in place of {old}",
    ),
    ("ledger", "settled_sent"): (
        "выяснено: сообщение на {address} отправлено",
        "found out: the message to {address} was sent",
    ),
    ("ledger", "settled_failed"): (
        "выяснено: сообщение на {address} не дошло",
        "found out: the message to {address} did not arrive",
    ),
    ("closing", "no_answer"): (
        "автор не ответил за рабочие дни, отведённые на проверку: {days}",
        "the author said nothing within the working days given to check: {days}",
    ),
    ("merge", "into"): (
        "это о том же, что заявка {number}, дальше ведём её",
        "it is about the same as ticket {number}, which goes on",
    ),
    ("merge", "from"): ("сюда перешла заявка {number}", "ticket {number} goes on here"),
    ("merge", "undone"): ("с заявкой {number} это разные дела", "ticket {number} is about something else"),
    ("merge", "left"): ("заявка {number} снова отдельная", "ticket {number} is one of its own again"),
    ("split", "from"): ("выделена из заявки {number}", "it was split from ticket {number}"),
    ("split", "kept"): ("как у заявки {number}", "as of ticket {number}"),
    ("deadline", "respond_near"): ("скоро срок ответа", "the time to answer is nearly up"),
    ("deadline", "respond_missed"): ("срок ответа прошёл", "the time to answer is over"),
    ("deadline", "resolve_near"): ("скоро срок решения", "the time to resolve is nearly up"),
    ("deadline", "resolve_missed"): ("срок решения прошёл", "the time to resolve is over"),
}
"""By rule and code: Russian, English."""


def words(reason: Reason, language: str) -> str:
    """A reason as one line of plain text, Russian or English."""
    said = CODES.get((reason.rule, reason.code))
    if said is None:
        return router_words(reason, language)
    sentence = said[0 if language == LANGUAGES[0] else 1]
    return sentence.format_map(_Facts(reason.facts))


class _Facts(dict[str, str]):
    """Facts as one line each; one that is missing shows as a dash."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__({name: " ".join(str(value).split())[:200] for name, value in facts.items()})

    def __missing__(self, key: str) -> str:
        return "—"
