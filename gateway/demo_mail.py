"""The mails of the demonstration, and sending them as a mail program does."""

from __future__ import annotations

import email.policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

IRINA = "irina@sibtrans.example"
DESK = "nsk@otklik.example"
SUBJECT = "Срочно: не печатает принтер накладных"
TEXT = """Здравствуйте!

С утра не печатает принтер на складе, машины стоят под погрузкой: нечем печатать накладные.
Горит красная лампа, выключали и включали. Кабинет 12, склад № 2.

--
Ирина Власова, ООО «СибТрансЛогистик»
"""
REPLY = """Забыли написать: на экране «Ошибка 50.2», принтер HP M404.

> Заявку получили, отвечаем сегодня.
"""
SOLVED = "Заменили узел закрепления, напечатали пробную накладную. Проверьте и вы."


def a_mail(subject: str, text: str, *, reply_to: EmailMessage | None = None) -> EmailMessage:
    """A mail from Irina, as her mail program writes it."""
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = f"Ирина Власова <{IRINA}>"
    mail["To"] = DESK if reply_to is None else str(reply_to["Reply-To"])
    mail["Subject"] = subject
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = make_msgid(domain="sibtrans.example")
    if reply_to is not None:
        mail["In-Reply-To"] = mail["References"] = str(reply_to["Message-ID"])
    mail.set_content(text)
    return mail


async def send(mail: EmailMessage, host: str, port: int) -> str:
    """Send a mail over SMTP and return the server's answer."""
    import aiosmtplib

    _, answer = await aiosmtplib.send(mail, hostname=host, port=port, start_tls=False, use_tls=False)
    return answer
