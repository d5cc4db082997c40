"""Whether a mail calls itself a bounce: by its sender, its subject or a field that only failures bear.

Asked of every mail, so that what searches the words of bounces (`bounce`) is loaded with the first that does.
"""

from __future__ import annotations

import re

from channels.email import headers
from channels.email.headers import Fields

DAEMON = re.compile(
    r"(?:mailer[-_.]?daemon|mail[-_.]?daemon|postmaster|mdaemon|mail[-_ ]?delivery|mailerdaemon|"
    r"microsoftexchange[0-9a-f]+|bounce|noreply-?bounce|mta-?daemon|mailsystem|root)[^@]*(?:@|$)",
    re.IGNORECASE,
)
SYSTEM_NAME = re.compile(
    r"mail (?:delivery|deliver|administrat|system|router)|delivery (?:sub)?system|mailer.?daemon|postmaster|"
    r"почтов\w+ (?:систем|служб|сервер)|служба доставки|internet mail delivery|mail delivery",
    re.IGNORECASE,
)
SURE_SUBJECT = re.compile(
    r"\s*(?:\[.{1,30}\]\s*)?(?:undeliver(?:ed|able|ed mail)\b|mail delivery (?:failed|failure|problem|error)|"
    r"delivery (?:status notification|failure|has failed|failed|notification: delivery has failed)|"
    r"returned mail\b|failure notice|failed (?:mail )?delivery|mail (?:could not be delivered|delivery subsystem)|"
    r"message (?:could not be|not) delivered|"
    r"(?:your )?(?:message|mail) (?:to .{1,80} )?(?:could not be|was not) deliver|"
    r"delivery report \(failure\)|mail system error|nondeliverable mail|non[- ]delivery (?:report|notification)|"
    r"недоставленное (?:сообщение|письмо)|не (?:удалось|удаётся|удается) доставить|"
    r"(?:ваше )?(?:письмо|сообщение) не доставлено|"
    r"не доставлено|ошибка доставки|отч[её]т о недоставке|уведомление о недоставке|unzustellbar|"
    r"(?:loop alert|not member article|rejected mail|rejected article|irregular .{1,20} mail)\b)",
    re.IGNORECASE,
)


def claims(sender: str, null_sender: bool, fields: Fields, report_type: bytes | None = None) -> bool:
    """Whether a mail calls itself a bounce, so that its text is worth a search."""
    if b"x-failed-recipients" in fields or b"x-mailru-failed-recipients" in fields:
        return True
    if null_sender or DAEMON.match(sender) is not None or (report_type or b"").lower() == b"delivery-status":
        return True
    if b"x-mlserver" in fields or b"auto-submitted" in fields:
        return SYSTEM_NAME.search(headers.text_of(fields.get(b"from", [b""])[0][:500])) is not None or (
            SURE_SUBJECT.match(headers.text_of(fields.get(b"subject", [b""])[0][:500])) is not None
        )
    return False
