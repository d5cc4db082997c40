"""Names of fields, events, people and marks as the command line prints them. Unknown codes come back as they are."""

from __future__ import annotations

from typing import Final

from outbound.words import known_language
from tickets.delivery import DeliveryState

Words = tuple[str, str]
"""Russian, English."""

MARKS: Final[dict[str, str]] = {
    DeliveryState.QUEUED: "○",
    DeliveryState.SENDING: "◌",
    DeliveryState.SENT: "✓",
    DeliveryState.DELIVERED: "✓✓",
    DeliveryState.READ: "✓✓",
    DeliveryState.FAILED: "✗",
    DeliveryState.EXPIRED: "✗",
    DeliveryState.SUPPRESSED: "–",
    DeliveryState.UNKNOWN: "?",
}
"""The mark of a delivery's state, two columns at most."""

_FIELDS: dict[str, Words] = {
    "type": ("Тип", "Type"),
    "category": ("Категория", "Category"),
    "impact": ("Воздействие", "Impact"),
    "urgency": ("Срочность", "Urgency"),
    "priority": ("Приоритет", "Priority"),
    "customer": ("Заказчик", "Customer"),
    "centre": ("Центр", "Centre"),
    "group": ("Группа", "Group"),
    "line": ("Линия", "Line"),
    "assignee": ("Исполнитель", "Assignee"),
    "agreement": ("Соглашение", "Agreement"),
    "respond_by": ("Ответить до", "Answer by"),
    "resolve_by": ("Решить до", "Resolve by"),
    "author": ("Автор", "Author"),
    "created_at": ("Пришла", "Came"),
    "closed_at": ("Закрыта", "Closed"),
    "links": ("Связана", "Linked"),
}
_LEVELS: dict[tuple[str, str], Words] = {
    ("impact", "high"): ("высокое", "high"),
    ("impact", "medium"): ("среднее", "medium"),
    ("impact", "low"): ("низкое", "low"),
    ("urgency", "high"): ("высокая", "high"),
    ("urgency", "medium"): ("средняя", "medium"),
    ("urgency", "low"): ("низкая", "low"),
}
_HEADS: dict[str, Words] = {
    "messages": ("Переписка", "Conversation"),
    "decision": ("Почему так", "Why so"),
    "notifications": ("Оповещения", "Notifications"),
    "history": ("История", "History"),
}
_WHAT: dict[str, Words] = {
    "received": ("заявка принята", "ticket received"),
    "assigned": ("назначена", "assigned"),
    "group": ("передана группе", "given to group"),
    "centre": ("передана центру", "given to centre"),
    "author_replied": ("автор ответил", "the author replied"),
    "public_comment": ("ответ автору", "reply to the author"),
    "participant_replied": ("участник ответил", "a participant replied"),
    "type": ("тип", "type"),
    "category": ("категория", "category"),
    "impact": ("воздействие", "impact"),
    "urgency": ("срочность", "urgency"),
    "priority": ("приоритет", "priority"),
    "customer": ("заказчик", "customer"),
    "merged": ("объединена с заявкой", "merged into ticket"),
    "merged_here": ("сюда присоединена заявка", "ticket merged into this one"),
    "unmerged": ("снова отдельная заявка", "a ticket of its own again"),
    "unmerged_here": ("отсюда отделена заявка", "ticket separated from this one"),
    "split": ("часть сообщений стала заявкой", "some messages became ticket"),
    "unlinked": ("связь убрана", "link removed"),
    "reply_withdrawn": ("ответ взят назад", "reply taken back"),
    "participant_added": ("в копию добавлен", "copy goes to"),
    "participant_removed": ("из копии убран", "copy no longer goes to"),
    "note_added": ("внутренний комментарий", "internal comment"),
    "machine_wrote": ("автоматическое письмо", "automatic mail"),
    "linked": ("связана с заявкой", "linked to ticket"),
    "deadline_near": ("скоро срок", "deadline near"),
    "deadline_missed": ("срок прошёл", "deadline missed"),
    "confirmed": ("автор подтвердил", "the author confirmed"),
    "reopened": ("автор вернул в работу", "the author reopened it"),
    "withdrawn": ("автор отозвал", "withdrawn by its author"),
    "rated": ("автор оценил", "the author rated the work"),
    "portal_link": ("автору отправлена ссылка на все заявки", "the author was sent a link to all tickets"),
    "mail_bounced": ("письмо вернулось от", "mail came back from"),
    "mail_delayed": ("письмо задерживается для", "mail is delayed for"),
    "mail_complained": ("жалоба на наше письмо от", "complaint about our mail from"),
    "mail_read": ("письмо прочитано:", "mail was read by"),
    "mail_loop": ("автоответчики отвечают друг другу", "two programs answer each other"),
    "forwarded": ("переслано сотрудником", "forwarded by"),
    "link_given": ("ссылка автора выдана", "the author's link was given out"),
    "links_revoked": ("ссылки автора закрыты", "the author's links were revoked"),
    "snoozed": ("отложена до", "snoozed until"),
    "woken": ("снова в очереди", "back in the queue"),
    "tagged": ("метка", "tag"),
    "untagged": ("метка снята", "tag removed"),
    "delivery_retried": ("отправляем ещё раз", "sending again"),
    "delivery_readdressed": ("адрес исправлен", "address corrected"),
    "delivery_settled": ("судьба сообщения выяснена", "delivery settled"),
}
_CHANNELS: dict[str, Words] = {
    "email": ("почта", "mail"),
    "api": ("API", "API"),
    "desk": ("служба поддержки", "service desk"),
    "web": ("сайт", "website"),
}
_LINKS: dict[str, Words] = {
    "review": ("проверьте", "to review"),
    "follow_up": ("продолжение", "follow-up"),
    "duplicate": ("дубль", "duplicate"),
    "part_of": ("часть", "part of"),
    "related": ("связана", "related"),
    "split": ("выделена", "split from"),
}
_KINDS: dict[str, Words] = {
    "auto_reply": ("автоответ", "automatic reply"),
    "out_of_office": ("автоответ об отсутствии", "out of office"),
    "bounce": ("письмо вернулось", "bounce"),
    "delivery_delay": ("доставка задерживается", "delivery delayed"),
    "feedback_report": ("жалоба на спам", "spam complaint"),
    "read_receipt": ("уведомление о прочтении", "read receipt"),
    "mailing_list": ("рассылка", "mailing list"),
    "own": ("наше собственное письмо", "our own mail"),
    "spam": ("спам", "spam"),
}
_PHRASES: dict[str, Words] = {
    "nobody": ("не назначена", "nobody"),
    "line": ("линия", "line"),
    "internal": ("внутренний комментарий", "internal comment"),
    "file": ("файл", "file"),
    "receipts": ("пришло раз:", "times received:"),
    "late": ("просрочено", "overdue"),
    "paused": ("часы стоят", "the clock stands still"),
    "no_subject": ("(без темы)", "(no subject)"),
    "empty": ("(пусто)", "(empty)"),
    "more_lines": ("… ещё строк:", "… more lines:"),
    "next": ("следующая попытка", "next try"),
    "first": ("отправим", "to be sent"),
    "until": ("не позже", "not after"),
    "in_flight": ("идёт", "under way"),
    "nothing": ("никого не оповещали", "nobody was told"),
    "text": ("Текст", "Text"),
    "no_text": ("текста ещё нет: он готовится перед первой попыткой", "no text yet: it is made before the first try"),
    "no_tries": ("попыток ещё не было", "no tries yet"),
    "from": ("от", "from"),
    "why_failed": ("итог", "result"),
}
_ACTORS: dict[str, Words] = {
    "author": ("автор", "author"),
    "router": ("маршрутизация", "routing"),
    "clock": ("часы", "clock"),
    "participant": ("участник", "participant"),
}
_ACTOR_KINDS: dict[str, Words] = {
    "api": ("программа {}", "program {}"),
    "cli": ("{} (командная строка)", "{} (command line)"),
    "machine": ("автоматика", "a machine"),
    "staff": ("{}", "{}"),
}
_FAILED: dict[str, Words] = {
    "refused": ("приёмник отказал насовсем", "refused for good"),
    "bounced": ("письмо вернулось", "it came back"),
    "out_of_tries": ("попытки кончились", "out of tries"),
    "template_error": ("не удалось составить текст", "no text could be made"),
    "horizon": ("время вышло", "it waited too long"),
    "lost_in_crash": ("ответ потерян при сбое", "the answer was lost in a crash"),
    "settled": ("так решил человек", "a person found out"),
}


def pick(words: Words, language: str) -> str:
    """One of the two languages."""
    return words[0 if known_language(language) == "ru" else 1]


def _say(table: dict[str, Words], code: str, language: str) -> str:
    return pick(table[code], language) if code in table else code


def field(name: str, language: str) -> str:
    """What a field of a ticket is called."""
    return _say(_FIELDS, name, language)


def level(name: str, value: str, language: str) -> str:
    """A value of impact or urgency, agreeing with the field's name in Russian."""
    return pick(_LEVELS[name, value], language) if (name, value) in _LEVELS else value


def head(name: str, language: str) -> str:
    """The heading of a part of a ticket."""
    return _say(_HEADS, name, language)


def what(code: str, language: str) -> str:
    """What happened, an entry of the history."""
    return _say(_WHAT, code, language)


def channel(code: str, language: str) -> str:
    """What a channel is called."""
    return _say(_CHANNELS, code, language)


def link(kind: str, language: str) -> str:
    """In what way another ticket belongs to this one."""
    return _say(_LINKS, kind, language)


def kind(code: str, language: str) -> str:
    """What sort of message it is; empty for one a person wrote."""
    return "" if code == "human" else _say(_KINDS, code, language)


def phrase(code: str, language: str) -> str:
    """Small words between facts."""
    return _say(_PHRASES, code, language)


def failure(code: str, language: str) -> str:
    """Why a delivery failed or expired."""
    return _say(_FAILED, code, language)


def actor(label: str, language: str) -> str:
    """Who did it.

    >>> actor("staff:d.kotov", "ru"), actor("api:portal", "en"), actor("author", "ru")
    ('d.kotov', 'program portal', 'автор')
    """
    if label in _ACTORS:
        return _say(_ACTORS, label, language)
    sort, _, name = label.partition(":")
    return pick(_ACTOR_KINDS[sort], language).format(name) if sort in _ACTOR_KINDS else label
