"""What a fax-to-mail gateway says about a fax it hands on: who called, how many pages, what the machine calls itself.

Gateways write a mail of their own and put the pages into a file (TIFF, PDF or PostScript). Known are the forms of
HylaFAX (`faxrcvd`: "Facsimile received from ...", `CallID1:`, `Sender:`, `Pages:`), FreePBX and Asterisk scripts ("New
fax from: "Name" <number>"), FusionPBX, 3CX, Grandstream, Yeastar and their like in English and Russian, the subjects of
fax services ("... - 2 page(s), Caller-ID: ..."), and the addresses of ITU-T T.37 on-ramps (`FAX=+7...@`, RFC 3191 and
3192: Cisco routers).

The number the network told (caller ID) goes before the one the other machine gives itself (TSI, the station), which its
owner types in. Neither is proof of anything: both can be forged, as the From field of a mail can.

BUGS: a number without a country code is taken for a Russian one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tickets.message import Attachment, InboundMessage

_SUBJECT = re.compile(
    r"\s*(?:\[[^\]]{1,60}\]:?\s*)?(?:"
    r"(?:you have (?:received )?an? )?(?:(?:new|incoming|corporate|inbound) )?(?:e-?)?(?:fax|facsimile)\b"
    r"(?: (?:message|document|image|attached|received|arrived))*(?: \([^)]{1,80}\))?(?: in \+?\d{3,15})?|"
    r"received (?:an? )?(?:new )?fax|"
    r"(?:(?:вам|у вас|получен|получено|принят|принято|пришел|пришёл|поступил|доставлен|новый|новое|входящий|входящее) "
    r"){0,3}(?:факс|факсимильное сообщение)\b(?: (?:получен|принят))?(?: для [^:]{1,60}?)?"
    r")\s*(?:(?:from|от|с номера|от номера|от абонента)\b\s*)?[:\-–—]?\s*",
    re.IGNORECASE,
)
_HYLAFAX = re.compile(r"facsimile received from ", re.IGNORECASE)
_REST = re.compile(
    r"(?>\"[^\"]{0,80}\"|«[^»]{0,80}»|unknown|anonymous|unavailable|withheld|неизвест\w{0,8}|не определ[её]н|"
    r"скрыт\w{0,4}|caller[- ]?id:?|to|на|на номер|from|от|page\(?s?\)?|pages?|стр(?:аниц\w{0,3})?\.?|лист\w{0,3}|"
    r"<[^<>@]{0,40}>|\(\s*\+?[\d \-]{2,20}\s*\)|\+?\d[\d\-./:() ]{0,30}|[\s,;:.()\[\]–—-]+)*+",
    re.IGNORECASE,
)
"""What may stand behind the words of a form: names in quotes, numbers, times. A sentence does not fit. Nothing that
fitted is tried otherwise, so that the time is linear."""

_FIELDS = {
    "caller": re.compile(
        r"^[ \t*>]*(?:call ?id ?1|caller[ -]?id(?: number)?|cid(?: ?num(?:ber)?)?|"
        r"(?:caller|calling|remote|fax)[ -]?number|"
        r"номер (?:абонента|звонящего|отправителя|факса)|(?:номер )?аон|звонивший)[ \t]*:[ \t]*(\S.{0,79})$",
        re.IGNORECASE | re.MULTILINE,
    ),
    "name": re.compile(
        r"^[ \t*>]*(?:call ?id ?2|(?:caller|cid)[ -]?name|имя (?:абонента|отправителя))[ \t]*:[ \t]*(\S.{0,79})$",
        re.IGNORECASE | re.MULTILINE,
    ),
    "station": re.compile(
        r"^[ \t*>]*(?:sender|tsi|csid|remote (?:station )?(?:id|csid)|station ?id|идентификатор(?: станции)?)[ \t]*:"
        r"[ \t]*(\S.{0,79})$",
        re.IGNORECASE | re.MULTILINE,
    ),
    "from": re.compile(
        r"^[ \t*>]*(?:from|от|отправитель|откуда)[ \t]*:[ \t]*(\S.{0,79})$", re.IGNORECASE | re.MULTILINE
    ),
    "pages": re.compile(
        r"^[ \t*>]*(?:(?:number of )?pages?(?: received)?|(?:кол(?:ичеств|-в)о |число )?страниц\w?)[ \t]*:"
        r"[ \t]*(\d{1,4})\b",
        re.IGNORECASE | re.MULTILINE,
    ),
}
_SENTENCE = re.compile(
    r"(?:new|a) (?:fax|facsimile)(?: message| document)? (?:was received )?from:? ?(?P<from>.{2,80}?)[.,]?$|"
    r"(?:факс|факсимильное сообщение) (?:из \d{1,4} страниц\S{0,4} )?(?:от|с номера|от номера|от абонента):? "
    r"(?P<ot>.{2,80}?)[.,]?$",
    re.IGNORECASE | re.MULTILINE,
)
_COUNTED = re.compile(r"\b(\d{1,4})[ -](?:page\(?s?\)?|стр(?:аниц\w{0,3}|\.))", re.IGNORECASE)
_CALLER_ID = re.compile(r"caller[- ]?id:?\s*([+\d][\d ()\-.]{4,24})", re.IGNORECASE)
_T37 = re.compile(r"FAX=(\+?[\d.\-]{5,24})(?:/[^@]{0,60})?(?:@|$)", re.IGNORECASE)
_DIGITS = re.compile(r"\+?\d[\d \-().]{3,24}\d")
_NAMED = re.compile(r"\"([^\"]{1,80})\"|«([^»]{1,80})»|^([^<\"«]{2,80}?)\s*<")
_PAGES = frozenset({"application/pdf", "application/postscript", "image/tiff", "image/tif", "image/x-tiff"})
_MACHINE = re.compile(
    r"(?:[^@]*[._+-])?(?:e?fax|hylafax|faxmaster|faxgetty|fax2(?:e?mail)|asterisk|freepbx|fusionpbx|elastix|issabel|"
    r"mikopbx|askozia|ucm\d*|3cx|yeastar|cisco|cucm|unity|ip-?pbx|pbx|ats|voip|sip|faks|root|no-?reply|noreply|"
    r"notifications?)(?:[._+-][^@]*)?@|FAX=",
    re.IGNORECASE,
)
_HEAD = 4000


@dataclass(frozen=True, slots=True)
class Fax:
    """A fax: the caller's `number` (E.164, "" if withheld or internal) and `name`, the `station` as the other machine
    calls itself, and how many `pages` there are (0: not told)."""

    number: str = ""
    name: str = ""
    station: str = ""
    pages: int = 0


def pages_of(message: InboundMessage) -> Attachment | None:
    """The file that holds the pages, if there is one."""
    return next((each for each in message.attachments if each.content_type in _PAGES), None)


def calls_itself_fax(sender: str, subject: str, attachments: tuple[Attachment, ...]) -> bool:
    """Whether a mail has the form of a gateway's and a gateway's address, so that it must not be thanked for.

    A person who writes about faxes, or hands one on, is a person.
    """
    if not _MACHINE.match(sender) or not any(each.content_type in _PAGES for each in attachments):
        return False
    found = _SUBJECT.match(subject[:300])
    formed = found is not None and _REST.fullmatch(subject[:300], found.end()) is not None
    return formed or bool(_T37.match(sender) or _HYLAFAX.match(subject))


def read_fax(message: InboundMessage) -> Fax:
    """What a gateway's mail says about the fax it brings; fields that it does not tell are empty."""
    text, subject = message.text[:_HEAD], message.subject[:300]
    told = {name: found[1].strip() for name, each in _FIELDS.items() if (found := each.search(text))}
    start = _SUBJECT.match(subject)
    titled = subject[start.end() :] if start else ""
    called = _CALLER_ID.search(subject)
    sentence = _SENTENCE.search(text)
    said = (sentence["from"] or sentence["ot"] or "").strip() if sentence else ""
    onramp = _T37.match(message.sender.value)
    # the network's word first, the other machine's own last
    named = [
        told.get("caller", ""),
        called[1] if called else "",
        onramp[1] if onramp else "",
        said,
        told.get("from", ""),
    ]
    number = next((dialled for each in named if (dialled := e164(each, named=True))), "")
    number = number or e164(titled) or e164(told.get("station", ""))
    names = (
        told.get("name", ""),
        *(_name(each) for each in (told.get("caller", ""), said, told.get("from", ""), titled)),
    )
    counted = _COUNTED.search(subject) or _COUNTED.search(text)
    pages = told.get("pages") or (counted[1] if counted else "0")
    return Fax(number, next((name for name in names if name), ""), told.get("station", ""), int(pages))


def e164(value: str, *, named: bool = False) -> str:
    """The first telephone number in some words, in E.164; empty where there is none that can be called.

    Where the words are `named` as a number, it need not be one of a range that is known to be in use.

    >>> e164('"OOO Romashka" <83832223344>'), e164("tel. 7 (383) 222-33-44"), e164("from 101")
    ('+73832223344', '+73832223344', '')
    >>> e164("442079460123"), e164("+44 20 7946 0123")
    ('+442079460123', '+442079460123')
    >>> e164("2026-11-20 10:14"), e164("20261120-101"), e164("+7 200 000-00-00"), e164("+7 200 000-00-00", named=True)
    ('', '', '', '+72000000000')
    """
    import phonenumbers

    for found in _DIGITS.finditer(value[:200]):
        digits = re.sub(r"\D", "", found[0])
        if not 10 <= len(digits) <= 15:
            continue
        # exchanges leave out the plus of a number with its country code
        for written in (found[0], f"+{digits}") if named or found[0].isdigit() else (found[0],):
            holds = phonenumbers.is_possible_number if named and written == found[0] else phonenumbers.is_valid_number
            try:
                number = phonenumbers.parse(written, "RU")
            except phonenumbers.NumberParseException:
                continue
            if holds(number):
                return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return ""


def _name(value: str) -> str:
    """A caller's name beside the number."""
    found = _NAMED.search(value)
    name = (found[1] or found[2] or found[3] or "").strip() if found else ""
    return "" if re.fullmatch(r"[+\d\s()\-.]*|unknown|anonymous|неизвест\w*", name, re.IGNORECASE) else name[:80]
