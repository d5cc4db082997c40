"""Mails as a service desk gets them, made up: the same seed gives the same bytes.

The mix: three in five in Russian (UTF-8, KOI8-R, Windows-1251), the rest in English (UTF-8, US-ASCII, ISO-8859-1);
about a third plain, half multipart/alternative with the HTML that office programs write, one in seven with files of 20
to 200 KB; one in four answers an earlier one and quotes it. Names, domains and texts belong to nobody (RFC 2606).
"""

from __future__ import annotations

import base64
import binascii
import random
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

SEED = 1985
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
DESK = "support@desk.example"
FILES = (
    ("png", "image/png"),
    ("pdf", "application/pdf"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("zip", "application/zip"),
)
DOMAINS = ("north.example", "stroymash.example", "clinic.example", "school.example", "cargo.example", "retail.example")


@dataclass(frozen=True, slots=True)
class Tongue:
    """What is needed to write in one language; `charsets` by weight."""

    subjects: tuple[str, ...]
    sentences: tuple[str, ...]
    people: tuple[tuple[str, str], ...]
    charsets: dict[str, int]
    greeting: str
    file: str


RUSSIAN = Tongue(
    subjects=(
        "Не печатает принтер в кабинете {n}",
        "Нет доступа к общей папке отдела {n}",
        "Прошу сбросить пароль, табельный номер {n}",
        "Телефон {n} не принимает внешние звонки",
        "Ошибка {n} при проведении накладной",
    ),
    sentences=(
        "После утреннего обновления программа перестала открываться.",
        "Перезагрузка не помогла, коллеги за соседними столами работают как обычно.",
        "На экране появляется окно с кодом {n}, после чего всё закрывается.",
        "Клиент ждёт документы сегодня, поэтому прошу посмотреть как можно раньше.",
        "Подключиться к моему компьютеру можно в любое время до шести вечера.",
        "Такое уже было {n} дней назад, тогда помогла замена кабеля.",
        "Снимок экрана могу прислать отдельным письмом.",
    ),
    people=(
        ("Анна Белова", "belova"),
        ("Пётр Жуков", "zhukov"),
        ("Лидия Фомина", "fomina"),
        ("Рустам Галеев", "galeev"),
    ),
    charsets={"utf-8": 11, "koi8-r": 4, "windows-1251": 5},
    greeting="Добрый день!",
    file="снимок",
)
ENGLISH = Tongue(
    subjects=(
        "Printer in room {n} is out of order",
        "No access to the shared folder {n}",
        "Please reset the password of employee {n}",
        "Extension {n} does not receive outside calls",
        "Error {n} while posting an invoice",
    ),
    sentences=(
        "Since the update this morning the program does not open any more.",
        "A restart did not help, and the colleagues next to me work as usual.",
        "A window with code {n} comes up and then everything closes.",
        "A customer is waiting for the papers today, so please have a look soon.",
        "You may connect to my computer at any time before six.",
        "The same happened {n} days ago, and a new cable was the cure.",
        "I can send a picture of the screen in another message.",
    ),
    people=(("Laura Stone", "stone"), ("Peter Novak", "novak"), ("Zoë Brandt", "brandt"), ("Tom Okafor", "okafor")),
    charsets={"utf-8": 12, "us-ascii": 5, "iso-8859-1": 3},
    greeting="Good morning,",
    file="screen",
)


def write(folder: Path, count: int, seed: int = SEED) -> None:
    """Write `count` mails as `00000.eml`, `00001.eml`, …, with CRLF, into an existing folder."""
    for stale in folder.glob("*.eml"):
        stale.unlink()
    for number, mail in enumerate(generate(count, seed)):
        (folder / f"{number:05d}.eml").write_bytes(mail)


def generate(count: int, seed: int = SEED) -> list[bytes]:
    """`count` mails; the first ones do not depend on how many follow."""
    writer = _Writer(random.Random(seed))
    return [writer.mail(number) for number in range(count)]


@dataclass(slots=True)
class _Earlier:
    message_id: str
    subject: str
    text: str
    tongue: Tongue


class _Writer:
    """Draws everything from one source of chance, in one order."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._earlier: list[_Earlier] = []

    def mail(self, number: int) -> bytes:
        """The next mail."""
        chance = self._chance
        parent = chance.choice(self._earlier[-300:]) if self._earlier and chance.random() < 0.25 else None
        tongue = parent.tongue if parent else RUSSIAN if chance.random() < 0.6 else ENGLISH
        charset = chance.choices(list(tongue.charsets), list(tongue.charsets.values()))[0]
        name, local = chance.choice(tongue.people)
        domain = chance.choice(DOMAINS)
        subject = f"Re: {parent.subject}" if parent else self._fill(chance.choice(tongue.subjects))
        text = self._text(tongue, name)
        message_id = f"<{number:06d}.{chance.getrandbits(64):016x}@{domain}>"
        self._earlier.append(_Earlier(message_id, subject.removeprefix("Re: "), text, tongue))
        if parent:
            text += "\n" + "".join(f"> {line}\n" for line in parent.text.splitlines()[:40])
        sent = format_datetime(START + timedelta(seconds=number * 97))
        head = [
            *(self._received(domain, hop, sent) for hop in range(chance.randint(1, 3))),
            f"From: {_word(name, charset)} <{local}{chance.randint(1, 50)}@{domain}>",
            f"To: {_word('Service desk', charset)} <{DESK}>",
            f"Subject: {_word(subject, charset)}",
            f"Date: {sent}",
            f"Message-ID: {message_id}",
            "MIME-Version: 1.0",
            f"X-Mailer: {chance.choice(('Outlook 16.0', 'Thunderbird 128.4', 'Apple Mail 16.0'))}",
        ]
        if parent:
            head += [f"In-Reply-To: {parent.message_id}", f"References: {parent.message_id}"]
        return "\r\n".join(head).encode("ascii") + b"\r\n" + self._body(tongue, charset, text, number)

    def _fill(self, template: str) -> str:
        return template.format(n=self._chance.randint(100, 9999))

    def _text(self, tongue: Tongue, name: str) -> str:
        paragraphs = [tongue.greeting]
        for _ in range(self._chance.randint(1, 7)):
            drawn = self._chance.choices(tongue.sentences, k=self._chance.randint(1, 6))
            paragraphs.append(textwrap.fill(" ".join(self._fill(one) for one in drawn), 74))
        paragraphs.append(f"-- \n{name}\n+7 495 {self._chance.randint(1000000, 9999999)}")
        return "\n\n".join(paragraphs) + "\n"

    def _received(self, domain: str, hop: int, sent: str) -> str:
        key = self._chance.getrandbits(48)
        return (
            f"Received: from out{hop}.{domain} (out{hop}.{domain} [192.0.2.{hop + 1}])\r\n"
            f"\tby mx.example with ESMTPS id {key:012x};\r\n\t{sent}"
        )

    def _body(self, tongue: Tongue, charset: str, text: str, number: int) -> bytes:
        drawn = self._chance.random()
        plain = self._leaf("plain", charset, text)
        if drawn < 0.32:
            return plain
        body = self._multipart("alternative", [plain, self._leaf("html", charset, self._html(text))])
        if drawn < 0.85:
            return body
        files = [self._file(tongue, charset, number, k) for k in range(1 if self._chance.random() < 0.8 else 2)]
        return self._multipart("mixed", [body, *files])

    def _html(self, text: str) -> str:
        styles = "\n".join(
            f"p.Mso{k} {{ margin: 0cm; font-family: Calibri, sans-serif; font-size: {9 + k % 6}.0pt; "
            f"color: #{k * 4099 % 0xFFFFFF:06x} }}"
            for k in range(self._chance.randint(4, 45))
        )
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        lines = "\n".join(f"<p class=Mso1>{line or '&nbsp;'}</p>" for line in escaped.splitlines())
        return f"<html><head><style>\n{styles}\n</style></head>\n<body>\n{lines}\n</body></html>\n"

    def _leaf(self, subtype: str, charset: str, text: str) -> bytes:
        raw = text.replace("\n", "\r\n").encode(charset, "replace")
        encoding = self._chance.choice(("8bit", "base64", "quoted-printable"))
        if encoding == "base64":
            raw = _base64(raw)
        elif encoding == "quoted-printable":
            raw = binascii.b2a_qp(raw, istext=True)
        return (
            f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
            + raw
        )

    def _file(self, tongue: Tongue, charset: str, number: int, k: int) -> bytes:
        extension, content_type = self._chance.choice(FILES)
        name = _word(f"{tongue.file}-{number}-{k}.{extension}", charset)
        content = _base64(self._chance.randbytes(round(20_000 * 10 ** self._chance.random())))
        head = (
            f'Content-Type: {content_type};\r\n name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
            f'Content-Disposition: attachment;\r\n filename="{name}"\r\n\r\n'
        )
        return head.encode("ascii") + content

    def _multipart(self, subtype: str, parts: list[bytes]) -> bytes:
        boundary = f"=_{self._chance.getrandbits(96):024x}"
        head = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'.encode()
        opened = f"--{boundary}\r\n".encode()
        return head + b"".join(opened + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def _base64(data: bytes) -> bytes:
    line = 57  # gives 76 characters, the most RFC 2045 section 6.8 allows
    return b"".join(binascii.b2a_base64(data[k : k + line], newline=False) + b"\r\n" for k in range(0, len(data), line))


def _word(text: str, charset: str) -> str:
    """Encoded words of at most 75 characters where the text is not ASCII (RFC 2047, section 2)."""
    if text.isascii():
        return text
    usable = charset if charset != "us-ascii" else "utf-8"
    pieces = [text[k : k + 16] for k in range(0, len(text), 16)]
    encoded = (base64.b64encode(piece.encode(usable, "replace")).decode() for piece in pieces)
    return "\r\n ".join(f"=?{usable}?B?{piece}?=" for piece in encoded)
