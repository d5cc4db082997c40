"""The addresses a bounce names in words: whom a mail system says it could not reach, where it writes no report.

Systems name them in four ways, tried from the surest to the weakest; the first that gives any address is believed:

1. in a list below or behind an announcement (`The following address(es) failed:`, `не доставлено следующим адресатам`),
   or at the start of a line before what is wrong with it (`<anna@example.ru>: host …`),
2. inside a sentence (`Unable to deliver message to: <anna@example.ru>`, `пользователь anna@example.ru не найден`),
3. behind a label at the start of a line (`Recipient address: …`, `Получатель: …`),
4. in what two servers said to each other (`>>> RCPT TO:<…>`, `550 5.1.1 <…>... User unknown`).

Where to ask for help is no failed address, nor are the daemon and those the bounce was sent to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from channels.email.bounce_claim import DAEMON

MAX_RECIPIENTS = 100
_MAX_LINES = 2000
_MAX_LINE = 600
_REACH = 60
"""Lines without an address after which a list is over."""

ADDRESS = r"[^\s<>()\[\]\\,;:\"'`«»@]{1,64}@(?:[^\W_][\w-]{0,62}\.){0,8}[^\W_][\w-]{0,62}"
_ANNOUNCED = re.compile(
    r"following (?:e-?mail |smtp |mail |intended )?(?:address|recipient|destination|user|mailbox|person|people)|"
    r"(?:these|affected|failed|intended|specified) (?:e-?mail )?(?:recipients?|address(?:es)?|users?|groups|people)|"
    r"(?:list|details) of (?:the )?.{0,20}recipients|recipient\(s\)|address\(es\)|"
    r"(?:not|n't|unable|failed|cannot|fail) .{0,30}deliver(?:ed|y)? .{0,30}to ?:? *$|delivered to ?: *$|"
    r"(?:message|mail) .{0,40}not .{0,20}(?:delivered|sent) to ?: *$|did not reach|undeliver(?:able|ed) to\b|"
    r"has not (?:yet )?been delivered (?:is|are)\b|failure reasons|able to deliver your message|"
    r"could not be delivered ?: *$|delivery (?:problems|errors)|permanent fatal errors|transient non-fatal errors|"
    r"this is the (?:postfix|mail|qmail|mailer|smtp)\b.{0,20}(?:program|system|server)|"
    r"следующ\w+ .{0,20}(?:адрес|получател|пользовател|абонент)|"
    r"(?:одному|одного|нескольк\w+) .{0,30}(?:адресат|получател|адрес)|"
    r"(?:не (?:может|могло|было|было?|удалось|удаётся|удается|доставлен\w*|получил\w*)|невозможно|недоставлен\w*)"
    r" .{0,80}: *$|"
    r"(?:список|перечень) .{0,30}(?:получател|адресат|адрес)|эт(?:им|их|ому) (?:получател|адресат)|"
    r"folgende[nrs]? .{0,20}(?:empf|adress)|(?:destinataires?|adresses?) suivant|"
    r"siguiente?s? .{0,20}(?:destinatari|direcci)|"
    r"seguinte?s? .{0,20}(?:destinat|recipiente|endere)|seguent[ei] .{0,20}(?:destinatari|indirizz)|"
    r"volgende .{0,20}(?:ontvanger|adres)|następując\w+ .{0,20}(?:adres|odbior)|宛先|送信先|次の",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"[ \t>*•·|+-]{0,20}(?:\d{1,3}[.)] )?"
    r"(?:(?:to|rcpt to|recipient|address|user|e-?mail|кому|адрес|получатель|smtp|rfc822|mailto) ?[:;=] ?){0,2}"
    rf"[<\"'«(`]{{0,3}}({ADDRESS})(?=$|[\s<>\"'»:;,.!?()\[\]`])",
    re.IGNORECASE,
)
_LEADING = re.compile(
    rf"^[ \t>]{{0,8}}<({ADDRESS})>[ \t]?(?::|\.\.\.|\(expanded from|\(reason)|"
    rf"^[ \t>]{{0,8}}({ADDRESS})[ \t]?(?:\.\.\.|:[ \t]{{1,4}}(?:[45]\d\d\b|host |user |mailbox |invalid |unknown ))",
    re.IGNORECASE | re.MULTILINE,
)
_NOT_LISTED = re.compile(
    r"[ \t>*|]{0,20}(?:from|sender|reply-to|return-path|cc|subject|date|message-id|"
    r"от|отправитель|envelope-from|mail from)"
    r" ?:|.{0,80}\b(?:wrote|contact|generated from)\b",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?:deliver(?:ed|y)?|message|mail|e-?mail|undeliverable|undelivered|sent|send|addressed|reach|forward(?:ed)?|"
    r"письмо|сообщение|доставлено|доставить|доставка|доставки|отправить|почта)\b"
    r"(?:[^\S\n]+(?!from\b|от\b|contact\b)[\w()/'-]{1,20}){0,5}?"
    r"[^\S\n]+(?:to|for|для|на|по|до|адресату|получателю|пользователю|адресу)"
    r"(?:[^\S\n]+(?:the|following|e-?mail|recipient|user|mailbox|account|"
    r"address(?:ed)?|"
    r"адрес\w?|адреса?т\w{0,2}|получател\w|пользовател\w|ящик\w?|почтовый|электронной|почты)(?:\(?e?s\)?)?(?![\w.@+-])){0,4}"
    rf"\s{{0,3}}[:-]?\s{{0,6}}(?:-- )?[<\"'«(`\[]{{0,3}}({ADDRESS})|"
    r"(?:user|recipient|mailbox|address|account|destination|userid|пользовател[ьюя]|адреса?т[ауы]?|адрес[ауе]?|получател[ьюя]|ящик\w?|"
    r"абонент\w?|доставлен[оаы]?|доставить|delivered|deliver)\b"
    r"(?:[^\S\n]+[\w()]{1,16}){0,2}[^\S\n]*[:=-]?[^\S\n]{0,6}[<\"'«(`\[]{0,3}"
    rf"({ADDRESS})|"
    rf"({ADDRESS})[>\"'»)`\]]{{0,3}}[:,]?[^\S\n](?:[\w'-]{{1,20}}[^\S\n]){{0,4}}"
    r"(?:not|n't|couldn't|doesn't|isn't|unknown|fail|не|переполнен|заблокирован|недоступ|rejected|undeliverable|exceed)",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"^[ \t>*|-]{0,20}(?:(?:final[- ]|original[- ]|failed |target |intended )?"
    r"(?:recipients?|rcpt(?: to)?|addressee|address(?:ed to)?|destination|mailbox|user|e-?mail)(?: mail)?"
    r"(?: address(?:es)?)?|"
    r"(?:адрес )?получател[ьи]|адресаты?|кому|почтовый ящик|адрес|"
    r"target mail address|to|recipient\(s\)|empfänger|destinatari[oi]|"
    r"destinataire)"
    rf"[ \t]*[:=][ \t]*(?:(?:rfc822|smtp) ?[;:][ \t]*)?[<\"'«(]{{0,3}}({ADDRESS})",
    re.IGNORECASE | re.MULTILINE,
)
_TRANSCRIPT = re.compile(
    rf"rcpt to: ?<?({ADDRESS})|(?<![\d.])[45]\d\d[ -](?:#?[45]\.\d{{1,3}}\.\d{{1,3}} )?.{{0,60}}?({ADDRESS})",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"(?:contact|write to|e-?mail to|help|support|questions?|assistance|report(?: this)? to|forward|postmaster at|"
    r"обрат\w+|"
    r"напи\w+|свяж\w+|вопрос\w*|помощ\w+|from|sender|от|отправител\w+|wrote)[^@]{0,60}$",
    re.IGNORECASE,
)


def failed(told: str, own: frozenset[str]) -> tuple[str, ...]:
    """The failed addresses named in the words of a mail system, in order, each once; empty where none is named.

    `told` is the text without the returned mail, `own` the folded addresses that cannot be meant.
    """
    for found in (_listed(told), _leading(told), _said(told), _labelled(told), _transcript(told)):
        kept = _kept(found, own)
        if kept:
            return kept
    return ()


def listed(told: str, own: frozenset[str]) -> tuple[str, ...]:
    """As `failed`, only what stands in a list or leads a line: sure enough to be looked for in a returned mail too."""
    return _kept(_listed(told), own) or _kept(_leading(told), own)


def is_contact(told: str, address: str) -> bool:
    """Whether an address stands where one is told to ask for help, or whose mail it was."""
    at = told.find(address)
    return _ASKED.search(told[max(0, at - 100) : at]) is not None


def _kept(found: Iterable[str], own: frozenset[str]) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    for each in found:
        address = each.strip(".-'`")
        if address.lower() not in own and not DAEMON.match(address) and address.count("@") == 1:
            kept.setdefault(address.lower(), address)
        if len(kept) >= MAX_RECIPIENTS:
            break
    return tuple(kept.values())


def _listed(told: str) -> Iterable[str]:
    reach = 0
    for given in told.split("\n")[:_MAX_LINES]:
        line = given[:_MAX_LINE]
        announced = _ANNOUNCED.search(line)
        if announced:
            reach = _REACH
            rest = line[announced.end() :].partition(":")[2]
            for each in rest.split(",") if rest else ():
                behind = _LISTED.match(each)
                if behind:
                    yield behind[1]
            continue
        if not reach:
            continue
        reach -= 1
        found = _LISTED.match(line)
        if found and not _NOT_LISTED.match(line):
            reach = _REACH
            yield found[1]


def _leading(told: str) -> Iterable[str]:
    for found in _LEADING.finditer(told):
        yield found[1] or found[2]


def _said(told: str) -> Iterable[str]:
    for found in _SAID.finditer(told):
        yield found[1] or found[2] or found[3]


def _labelled(told: str) -> Iterable[str]:
    return _LABELLED.findall(told)


def _transcript(told: str) -> Iterable[str]:
    for line in told.split("\n")[:_MAX_LINES]:
        for found in _TRANSCRIPT.finditer(line[:_MAX_LINE]):
            if found[1] or not _ASKED.search(line[: found.start(2)]):
                yield found[1] or found[2]
