"""Bounces without a report: what the free text of old and odd mail systems says about a mail of ours.

A mail that calls itself a bounce (null sender, a mailer daemon, a field only failures bear) is searched for the
addresses and codes of a failure: by the fields of Exim, Gmail and Mail.ru, by flufl.bounce, and by phrases in English,
Russian and some other languages. A person who writes about a bounce is a person: see `bounce_claim`.
"""

from __future__ import annotations

import itertools
import logging
import re
from dataclasses import replace

from channels.email import bounce_report, bounce_text, headers
from channels.email.body import Content
from channels.email.bounce_claim import DAEMON, SURE_SUBJECT, SYSTEM_NAME
from channels.email.bounce_report import REPLY_CODE, STATUS, Verdict
from channels.email.bounce_text import ADDRESS
from channels.email.parse import Mail
from tickets.message import Bounce

_MAX_SEARCHED = 30_000
_MAX_ADDRESSES = 3
_MAX_FIELD = 2000
_MAX_DETECTED = 60_000
_MAX_BLANK_LINES = 1000
_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n)(?=[\r\n])")
_FIELD_END = re.compile(rb"\r?\n(?![ \t])")

_SUBJECT = re.compile(
    r"undeliver|non[- ]?deliver|delivery (?:status|failure|failed|has failed|problem|error|report|reports|notification|"
    r"unsuccessful|incomplete|delayed|final|temporar)|"
    r"deliver(?:y|ed)? (?:to|of) .{0,80}(?:fail|delay)|returned (?:mail|message|to sender)|"
    r"return(?:ed|ing) .{0,30}mail|"
    r"mail (?:delivery|system|could not|not delivered|rejected|failure|error|undeliverable)|"
    r"(?:message|mail|e-mail) .{0,40}(?:could not be|not be|cannot be|was not|not) (?:sent|delivered)|"
    r"failure notice|failure delivery|failed delivery|bounced|warning: (?:message|could not)|rejected|"
    r"user unknown|nondeliverable|could not send|unable to deliver|undelivered|message delayed|delivery delay|"
    r"message status|delayed mail|^warning\b|delivery$|"
    r"не (?:удалось|удаётся|удается|может быть|могло быть|был[оа]?) (?:доставлен|доставить)|не доставлен|недоставлен|"
    r"ошибка (?:при )?(?:доставк|отправк)|отчет о (?:не)?доставке|отчёт о (?:не)?доставке|"
    r"невозможно доставить|возврат (?:письма|почты|сообщения)|уведомление о (?:состоянии|статусе|не)\s?доставк|"
    r"доставка .{0,60}(?:задерж|отлож|невозможна|не удалась)|сбой доставки|письмо (?:возвращено|отклонено)|"
    r"nicht zustellbar|unzustellbar|zustellung|non remis|échec de|entrega|配信|mancato recapito|nie dostarcz|"
    r"niet bezorg|onbestelbaar|kan inte leverera|no (?:se ha )?entregad|não entregue|nedoručiteln|teslim edilemedi",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"could ?n[o']t be (?:delivered|sent|processed)|not be delivered|cannot be delivered|was not (?:delivered|sent)|"
    r"not delivered|undeliver|"
    r"delivery (?:has )?fail|failed to deliver|fail(?:ed|ure)|unable to deliver|permanent(?:ly)? (?:fatal )?error|"
    r"user unknown|unknown user|no such user|unknown recipient|recipient (?:address )?rejected|mailbox (?:is )?(?:full|"
    r"unavailable|not found)|does(?: not|n't) exist|quota|returned to sender|unrouteable|host unknown|rejected|refused|"
    r"transcript of session|bounc(?:ed|ing)\b|"
    r"bounce[ -](?:message|mail|notif|back|report|reason)|not reach|did not reach|"
    r"delivery (?:errors|problems)|no valid recipients|"
    r"had trouble delivering|problem with the e-?mail address|no mailbox here|not listed in|"
    r"не может быть доставлен|не (?:удалось|удаётся|удается|смогли|смог|можем) доставить|не был[оа]? доставлен|"
    r"не доставлен|"
    r"невозможно доставить|недоставленн|доставка .{0,60}(?:невозможна|не удалась)|"
    r"ящик .{0,60}(?:переполнен|не существует|не найден|отключ|заблокирован|удал[её]н)|"
    r"(?:пользователь|адресат|адрес|получатель|абонент) .{0,80}не (?:найден|существует|зарегистрирован)|"
    r"(?:нет|отсутствует) (?:такого )?(?:пользовател|почтового ящика|адресат)|"
    r"превышен[аоы]? (?:квот|размер|лимит|объ[её]м)|"
    r"(?:письмо|сообщение) (?:было )?(?:отклонено|отвергнуто|возвращено)|"
    r"zugestellt|unzustellbar|n'a pas pu|no se (?:pudo|ha podido)|n[ãa]o (?:foi poss[íi]vel|p[ôo]de|puderam)|"
    r"non è stato possibile|配信|届け|送信(?:できません|エラー)|"
    r"(?:宛先|ユーザー?)(?:が|は|の)?(?:不明|見つかりません|存在)|エラー通知",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"(?:could|can|was|were)(?: ?not|n't) (?:be )?delivered to|delivery to the following recipients? failed|"
    r"(?:e-?mail|message) (?:that )?you (?:have )?sent (?:was|could not be|has been) (?:rejected|delivered|bounced)|"
    r"(?:message|mail) (?:you sent )?(?:could not be|was not|cannot be|can't be) delivered|"
    r"undeliverable (?:mail|message)|"
    r"(?:не может быть доставлено|не (?:удалось|удаётся|удается) доставить|не было доставлено)",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"(?:message|mail|delivery|it) .{0,80}(?:delayed|has been delayed|not yet been delivered)|will (?:be )?(?:retry|"
    r"retried|continue to (?:be )?t?r?y?|keep trying)|could not be delivered (?:for|within) .{1,30}(?:still|yet)|"
    r"this is a warning (?:message )?only|you do not need to re-?send|delivery attempts will continue|"
    r"not yet been delivered|has not yet|попытки .{0,40}(?:продолж|будут)|доставка .{0,60}(?:отложена|задержана|"
    r"задерживается)|будет повторен|повторные попытки|(?:пока|ещё|еще) не (?:удалось|удаётся|доставлен)|"
    r"пытаться доставить|продолжит .{0,30}(?:попытк|доставк)|(?:письмо|сообщение) (?:пока|ещё|еще) не доставлен",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(
    r"giving up|gave up|given up|no further (?:delivery )?attempts|"
    r"removed from (?:the )?queue|deleted from queue|дальнейшие попытки .{0,30}(?:прекращ|не будут)|"
    r"попытки .{0,30}прекращены|"
    r"больше не будет",
    re.IGNORECASE,
)
_TEMPORARY_WORDS = re.compile(
    r"mailbox (?:is )?full|over ?quota|quota exceeded|temporar|timed? ?out|try again|переполнен|временн", re.IGNORECASE
)
_RETURNED = re.compile(
    r"^[ \t>]*(?:-{3,80}.{0,60}(?:original|returned|unsent|copy|следу|headers|message|исходн).{0,80}|"
    r"(?:Received|Return-Path|Message-Id|X-Mailer|MIME-Version|DKIM-Signature):.*|"
    r".{0,40}(?:original message|copy of (?:the|your) message|headers? of|копия (?:вашего |исходного )?"
    r"(?:письма|сообщения)).{0,60}:)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ENDING = re.compile(r"-{3,}|:[ \t]*$")
_MAX_BEGINS = 40
_SENT_ID = re.compile(r"^[ \t>]*(?:Original-)?Message-Id:?\s*<([^<>\s]{1,900})>", re.IGNORECASE | re.MULTILINE)
_SENT_TO = re.compile(rf"^[ \t>]*To:[^\n]{{0,200}}?({ADDRESS})", re.IGNORECASE | re.MULTILINE)
_QUOTED = re.compile(r"^[> \t]+", re.MULTILINE)
_NEAR = re.compile(ADDRESS)


def search(mail: Mail, content: Content, sender: str, subject: str, text: str, own: frozenset[str]) -> Verdict | None:
    """A bounce without a report, found by headers, flufl.bounce and phrases; None where nothing tells of a failure.

    `own` are folded addresses that cannot be the failed recipient: the mail's own recipients.
    """
    lost = _lost_report(mail, text)
    if lost is not None:
        return lost
    told = _told(subject, text)
    recipients, by, temporary = _by_headers_and_detector(mail)
    words = told[len(subject) + 1 :]
    if by != "header" and (listed := bounce_text.listed(words, own)):
        recipients, by = list(listed), by or "text"
    written = headers.text_of(mail.root.first(b"from")[:500])
    named = bool(DAEMON.match(sender) or _SUBJECT.search(subject) or SYSTEM_NAME.search(written))
    failed = (_FAILED if named else _STRONG).search(told) or (_DELAYED.search(told) if named else None)
    sure = SURE_SUBJECT.match(subject) is not None
    if by == "text" and not (failed or sure):
        by = ""
    reported = mail.root.params.get("report-type", b"").lower() == b"delivery-status"
    if not (by or failed or sure or reported):
        return None
    if not recipients:
        recipients = _searched_recipients(mail, content, words, text, own)
    status = _code(told)
    delayed = temporary or (
        _DELAYED.search(told) is not None and not status.startswith("5") and not _GIVEN_UP.search(told)
    )
    action = "delayed" if delayed else "failed"
    permanent = not delayed and not (
        status.startswith("4") or (not status and _TEMPORARY_WORDS.search(told) is not None)
    )
    returned = bounce_report.returned_id(mail, content) or _sent_id(text) or _answered_id(mail)
    unique = tuple(dict.fromkeys(recipients))[: bounce_report.MAX_RECIPIENTS]
    return Verdict(Bounce(unique, action, status, permanent, returned), by or "text")


def _told(subject: str, text: str) -> str:
    """Subject and text as far as the mail system speaks itself, without the mail it returns."""
    searched = f"{subject}\n{text[:_MAX_SEARCHED]}"
    least = len(subject) + 60
    for begin in itertools.islice(_RETURNED.finditer(searched, len(subject) + 1), _MAX_BEGINS):
        # Some describe the mail by its fields first, and say what became of it below them.
        if begin.start() > least and (
            _FAILED.search(searched, len(subject) + 1, begin.start()) or _ENDING.search(begin[0])
        ):
            return searched[: begin.start()]
    return searched


def _lost_report(mail: Mail, text: str) -> Verdict | None:
    """A report that lost its MIME type on the way, or is quoted by who passed it on."""
    lost = text.lower().find("final-recipient:")
    if lost < 0:
        return None
    quoted = text[text.rfind("\n", 0, lost) + 1 : lost].strip() != ""
    if b"mime-version" in mail.root.fields and not quoted:
        return None
    around = text[max(0, lost - 300) : lost + 5000]
    found = bounce_report.status((_QUOTED.sub("", around) if quoted else around).encode("utf-8", "replace"))
    if found is None:
        return None
    return Verdict(replace(found, original_message_id=_sent_id(text) or _answered_id(mail)), "report")


def _by_headers_and_detector(mail: Mail) -> tuple[list[str], str, bool]:
    """Recipients that a field or flufl.bounce names, by which of them, and whether they are only delayed."""
    recipients: list[str] = []
    for name in (b"x-failed-recipients", b"x-mailru-failed-recipients"):
        recipients += [address for _, address in headers.mailboxes(mail.root.fields.get(name)) if address]
    if recipients:
        return recipients, "header", False
    soft, hard = _detected(mail)
    return hard or soft, "detector" if hard or soft else "", bool(soft) and not hard


def _searched_recipients(mail: Mail, content: Content, words: str, text: str, own: frozenset[str]) -> list[str]:
    """Failed addresses by words, then by the returned mail, then by what stands near; the surest that gives any."""
    found = bounce_text.failed(words, own) or bounce_text.listed(text[:_MAX_SEARCHED], own)
    if found:
        return list(found)
    written = [*bounce_report.returned_to(mail, content), *_SENT_TO.findall(text[:_MAX_SEARCHED])[-1:]]
    written = [address for address in written if address.lower() not in own and not DAEMON.match(address)]
    if written:
        return written
    near = [a for a in _NEAR.findall(words) if a.lower() not in own and not DAEMON.match(a)]
    return [a for a in dict.fromkeys(near) if not bounce_text.is_contact(words, a)][:_MAX_ADDRESSES]


def _sent_id(text: str) -> str:
    found = _SENT_ID.search(text[:200_000])
    return found[1] if found else ""


def _answered_id(mail: Mail) -> str:
    """What a bounce says it answers: some systems set References or In-Reply-To to the mail that failed."""
    for name in (b"in-reply-to", b"references", b"x-original-message-id", b"original-message-id"):
        ids = headers.identifiers(mail.root.fields.get(name))
        if ids:
            return ids[-1]
    return ""


def _code(told: str) -> str:
    found = next((m for m in STATUS.finditer(told) if m[1] != "2"), None)
    if found:
        return found[0]
    reply = REPLY_CODE.search(told)
    return f"{reply[1][0]}.0.0" if reply else ""


def _detected(mail: Mail) -> tuple[list[str], list[str]]:
    """Temporarily and permanently failed recipients by flufl.bounce."""
    if len(mail.raw) > 400_000 or len(mail.leaves) > 60 or len(mail.root.fields) > 400:
        return [], []
    import email

    import flufl.bounce

    # It logs a traceback of its own before it raises.
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)
    try:
        soft, hard = flufl.bounce.all_failures(email.message_from_bytes(_shortened(mail)))
    except Exception:
        # A second opinion may be missing; the mail has been read without it.
        return [], []
    return _addresses(soft), _addresses(hard)


def _shortened(mail: Mail) -> bytes:
    """As much of a mail as a failure is told in: detectors take a field or a body apart several times, address by
    address and line by line, and what stands between two blank lines of a delivery status is a message to them."""
    head, begin = mail.raw[: mail.root.start], mail.root.start
    if len(head) > _MAX_FIELD:
        head = b"\n".join(each[:_MAX_FIELD] for each in _FIELD_END.split(head.rstrip(b"\r\n"))) + b"\n\n"
    body = mail.raw[begin : begin + _MAX_DETECTED]
    beyond = next(itertools.islice(_BLANK_LINE.finditer(body), _MAX_BLANK_LINES, None), None)
    return head + (body if beyond is None else body[: beyond.start()])


def _addresses(found: object) -> list[str]:
    out = []
    for raw in sorted(found if isinstance(found, (set, frozenset)) else ()):
        match = _NEAR.search(raw.decode("ascii", "ignore") if isinstance(raw, bytes) else str(raw))
        if match:
            out.append(match[0])
    return out
