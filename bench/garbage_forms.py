"""Garbage by seed: bytes for SMTP sessions and mails, bodies and requests for the API."""

from __future__ import annotations

import json
import random
from typing import Any

_WORDS = (
    b"MAIL",
    b"RCPT",
    b"DATA",
    b"EHLO",
    b"HELO",
    b"RSET",
    b"VRFY",
    b"NOOP",
    b"HELP",
    b"AUTH",
    b"STARTTLS",
    b"BDAT",
)
_HOSTILE = (
    "\x00",
    "\ud800",
    "\u202e",
    "\ufeff",
    "𐍈",
    "Ё",
    "'; DROP TABLE tickets; --",
    "{{ 7*7 }}",
    "<script>",
    "\r\n.\r\n",
)

_PLAIN = (
    "From: =?utf-8?B?0JjRgNC40L3QsA==?= <irina@north.example>\r\nTo: support@desk.example\r\n"
    "Date: Fri, 20 Nov 2026 10:00:00 +0300\r\nMessage-ID: <{id}@north.example>\r\n"
    "Subject: =?koi8-r?Q?=F0=D2=CF=C2=C1?=\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "Не печатает принтер.\r\n-- \r\nИрина\r\n"
)
_NESTED = (
    'From: petrov@stroymash.example\r\nTo: nsk@desk.example\r\nCc: a@b.example, "C, D" <c@d.example>\r\n'
    "Date: Fri, 20 Nov 2026 11:00:00 +0700\r\nMessage-ID: <{id}@stroymash.example>\r\n"
    "In-Reply-To: <gone@desk.example>\r\nReferences: <one@x.example> <two@x.example>\r\nSubject: Invoice\r\n"
    'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="outer"\r\n\r\npreamble\r\n--outer\r\n'
    "Content-Type: multipart/alternative; boundary=inner\r\n\r\n--inner\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=D0=A1=D1=87=D1=91=D1=82 =\r\nbelow\r\n--inner\r\n"
    "Content-Type: text/html\r\n\r\n<p onclick=alert(1)>Bill <img src=cid:1></p>\r\n--inner--\r\n--outer\r\n"
    "Content-Type: application/pdf; name*=utf-8''%D1%81%D1%87%D1%91%D1%82.pdf\r\nContent-Transfer-Encoding: base64\r\n"
    'Content-Disposition: attachment; filename="=?utf-8?B?0YHRh9GR0YIucGRm?="\r\n\r\nJVBERi0xLjQKJcOkw7zDtsOf\r\n'
    "--outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: x@y.example\r\n\r\ninner body\r\n"
    "--outer--\r\n"
)
_BOUNCE = (
    "From: MAILER-DAEMON@mx.example\r\nTo: support@desk.example\r\nSubject: Undelivered\r\n"
    "Auto-Submitted: auto-replied\r\n"
    "Message-ID: <{id}@mx.example>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n--r\r\n\r\nSorry.\r\n--r\r\n"
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
    "Final-Recipient: rfc822; nobody@retail.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--r--\r\n"
)
MAILS = (_PLAIN, _NESTED, _BOUNCE)
_MAILS = tuple((text, charset) for text, charset in ((_PLAIN, "cp1251"), (_NESTED, "utf-8"), (_BOUNCE, "utf-8")))


class Garbage:
    """The garbage of one input, the same for the same seed and number."""

    def __init__(self, seed: int, number: int) -> None:
        self.chance = random.Random(f"{seed}/{number}")
        self._id = number

    def noise(self, most: int) -> bytes:
        """Any bytes."""
        return self.chance.randbytes(self.chance.randrange(most))

    # ---- SMTP -----------------------------------------------------------------------------------------------------

    def commands(self) -> bytes:
        """Lines that resemble SMTP more or less."""
        lines = []
        for _ in range(self.chance.randrange(1, 8)):
            word = self.chance.choice((*_WORDS, self.noise(12)))
            rest = self.chance.choice(
                (
                    b"",
                    b" ",
                    self.noise(60),
                    b" FROM:<" + self.noise(30) + b">",
                    b" TO:<@[]>",
                    b" PLAIN \xff",
                    b"\x00" * 9,
                )
            )
            lines.append(word + rest + self.chance.choice((b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n")))
        if self.chance.random() < 0.1:
            lines.append(b"A" * self.chance.randrange(4000, 70_000) + b"\r\n")
        return b"".join(lines)

    def envelope(self) -> tuple[bytes, bytes]:
        """MAIL and RCPT, mostly good ones."""
        odd = (
            b"<>",
            b"<\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd@\xd1\x80\xd1\x84>",
            b'<"a b"@c.example>',
            b"<a@[127.0.0.1]>",
            b"<" + b"x" * 300 + b"@y.example>",
        )
        sender = self.chance.choice(odd) if self.chance.random() < 0.2 else b"<irina@north.example>"
        return b"MAIL FROM:" + sender + b"\r\n", b"RCPT TO:<support@desk.example>\r\n"

    def mail(self) -> bytes:
        """A mail: noise, or a real one with things done to it."""
        kind = self.chance.random()
        if kind < 0.15:
            return self.noise(3000)
        if kind < 0.2:
            return self.chance.choice(
                (b"", b"\r\n", b".", b"..\r\n.", b"\x00", b"\n.\n", b"\r\n\r\n.\r\n", b":\r\n" * 50)
            )
        text, charset = self.chance.choice(_MAILS)
        data = bytearray(text.format(id=f"g{self._id}").encode(charset, "replace"))
        for _ in range(self.chance.choice((0, 1, 1, 2, 5, 20))):
            self._spoil(data)
        return bytes(data)

    def _spoil(self, data: bytearray) -> None:
        at = self.chance.randrange(len(data) + 1)
        length = self.chance.choice((1, 2, 10, 100))
        match self.chance.randrange(8):
            case 0:
                data[at : at + length] = self.noise(length + 1)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[max(0, at - 10 * length) : at]
            case 3:
                data[at:at] = self.chance.choice(
                    (b"\x00", b"\r", b"\n", b"\r\n.\r\n", b"\n.\n", b"\xff\xfe", b"=?utf-8?B?!?=")
                )
            case 4:
                del data[at:]
            case 5:
                data[at:at] = b"X-Long: " + b"y" * self.chance.choice((998, 5000, 40_000)) + b"\r\n"
            case 6:
                data[:] = data.replace(b"\r\n", self.chance.choice((b"\n", b"\r", b"\r\r\n", b"\r\n ")))
            case _:
                data[at:at] = b"--outer\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n" * length

    # ---- HTTP -----------------------------------------------------------------------------------------------------

    def body(self) -> bytes:
        """What resembles a new ticket more or less, in JSON more or less."""
        kind = self.chance.random()
        if kind < 0.15:
            return self.noise(400)
        if kind < 0.25:
            deep = self.chance.choice((10, 1000, 100_000))
            return self.chance.choice((b"[" * deep, b'{"contact":' * deep, b"[" * deep + b"]" * deep))
        document = self._document()
        data = bytearray(json.dumps(document, ensure_ascii=self.chance.random() < 0.7).encode("utf-8", "surrogatepass"))
        if self.chance.random() < 0.4:
            for _ in range(self.chance.choice((1, 2, 6))):
                at = self.chance.randrange(len(data) + 1)
                data[at : at + self.chance.randrange(3)] = self.chance.choice(
                    (b"", b'"', b"\x00", b"\\ud800", b"1e999", b"}", b"\xff")
                )
        return bytes(data)

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "contact": {"kind": "email", "value": f"g{self._id}@north.example", "name": "Ирина"},
            "subject": f"garbage {self._id}",
            "text": "Не работает",
        }
        for _ in range(self.chance.choice((0, 1, 1, 2, 3))):
            key = self.chance.choice(
                ("contact", "subject", "text", "language", "impact", "customer", "group", "type", "x")
            )
            document[key] = self._value()
        if self.chance.random() < 0.3 and isinstance(document["contact"], dict):
            document["contact"][self.chance.choice(("kind", "value", "name", "more"))] = self._value()
        return document

    def _value(self) -> Any:
        hostile = self.chance.choice(_HOSTILE)
        return self.chance.choice(
            (
                None, True, -1, 10**400, 1e308, [], {}, [[]], "", "phone", "high", "+7 913 000-00-07", "8" * 30,
                "x" * self.chance.choice((80, 81, 999, 5000)), hostile, hostile * 40,
                {"kind": "phone", "value": "+79130000007"}, {"kind": "email", "value": hostile + "@x.example"},
            )
        )  # fmt: skip

    def path(self) -> str:
        """Where it is sent."""
        if self.chance.random() < 0.75:
            return "/api/v1/tickets"
        name = self.chance.choice(
            ("BEN-26-000001", "CRS-26-000001", "1", "%00", "%F0%9F", "..%2f", "9" * 400, "%D0%81")
        )
        return f"/api/v1/tickets/{name}/{self.chance.choice(('status', 'comments', 'assign', '', 'x'))}"

    def header(self) -> bytes:
        """One header line that a good client would not send."""
        return self.chance.choice(
            (
                b"Idempotency-Key: \x00\x01", b"Idempotency-Key: " + b"k" * 300, b"Idempotency-Key: \xd0\xb8",
                b"Content-Length: x", b"Content-Length: -5", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip",
                b"Accept-Language: ;q=,\xff", b"Authorization: Bearer \xff\x00", b"X" * 9000 + b": y",
                b"Expect: 100-continue", b"Content-Type: multipart/form-data", b": empty",
                b"Idempotency-Key: fine-%d" % self._id,
            )
        )  # fmt: skip
