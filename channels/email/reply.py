"""What the writer typed this time: the text without quoted history and signatures.

One pass over the lines. History begins

1. at a ruler with words (`-----Original Message-----`, `-----Исходное сообщение-----`) or a request to answer above it,
2. at a block of header lines (`От: … Отправлено: … Кому: … Тема: …`) with a sender, a date and a recipient or subject,
3. at an introduction (`On … wrote:`, `20.01.2025, 10:15, Анна <a@example.ru>:`): what follows it is history if it is
   marked with `>` line by line, then unmarked lines between and below are answers; otherwise all of it.

Lines marked with `>` are history wherever they stand. After that go a signature below `-- ` and the advertisement of a
telephone. Where nothing would be left, nothing is cut; a mark with nothing above it is the writer's own text.

BUGS: an introduction in a language or a form not listed here is kept; so is history without any mark.
"""

from __future__ import annotations

import re

_RULER = re.compile(
    r"[\s>*]*[-_=—–]{2,}\s*(?:"
    r"original (?:message|appointment)|forwarded (?:message|by)|reply message|"
    r"(?:исходное|оригинальное|первоначальное|пересылаемое|пересланное|перенаправленное|начальное) "
    r"(?:сообщение|письмо)|"
    r"(?:початкове|оригінальне|переслане) повідомлення|"
    r"ursprüngliche nachricht|weitergeleitete nachricht|originalnachricht|message d['’]origine|message transféré|"
    r"mensaje (?:original|reenviado)|messaggio originale|mensagem original|oorspronkelijk bericht|"
    r"oprindelig meddelelse|ursprungligt meddelande|opprinnelig melding|wiadomość oryginalna|"
    r"(?:please )?(?:reply|respond|type your reply) above|(?:пишите |напишите )?ответ(?:ьте|а)? выше|"
    r"(?:on|am|le|el) .{5,200} (?:wrote|schrieb|a écrit|escribió)\b"
    r")",
    re.IGNORECASE,
)
_PLAIN_RULERS = (
    "begin forwarded message:",
    "начало переадресованного сообщения:",
    "начало пересылаемого сообщения:",
    "##- please type your reply above this line -##",
)
_SHARED = re.compile(r"-{2,}\s*On .{5,200} wrote:?\s*$")

_HEADER_NAMES = {
    "other": "cc, копия, kopie, importance, важность, reply-to, bcc, attachments, вложения, приоритет, "
    "копії, copie à, 抄送",
    "sender": "from, от, от кого, отправитель, von, de, da, van, fra, från, od, від, expéditeur, sender, lähettäjä, "
    "kimden, feladó, ад, 发件人, 寄件者, 差出人, 보낸 사람",
    "date": "sent, date, date sent, message du, отправлено, отправленные, дата, дата отправки, gesendet, "
    "datum, envoyé, envoyé le, "
    "enviado, inviato, verzonden, sendt, sendt den, skickat, wysłano, data, fecha, надіслано, "
    "дата надсилання, lähetetty, "
    "odesláno, enviado em, gönderildi, tarih, elküldve, 发送时间, 日期, 寄件日期, 送信日時, 日時, 보낸 날짜, 날짜",
    "to": "to, кому, получатель, для, an, à, para, a, aan, til, till, do, destinataire, vastaanottaja, komu, kime, "
    "címzett, 收件人, 收件者, 宛先, 받는 사람",
    "subject": "subject, тема, betreff, objet, asunto, oggetto, onderwerp, emne, ämne, temat, assunto, sujet, "
    "aihe, předmět, "
    "konu, tárgy, 主题, 主旨, 件名, 제목",
}
_KEYS = {name: kind for kind, names in _HEADER_NAMES.items() for name in names.split(", ")}

_WHEN = re.compile(r"\d{1,2}[:.h]\d{2}|\b(?:19|20)\d\d\b|\d{1,2}[./]\d{1,2}[./]\d{2}")
_VERB = re.compile(
    r"\b(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|escreveu|skrev|schreef|napisał(?:\(a\)|a)?|kirjoitti|yazdı|"
    r"написала?|написал\(а\)|написали|писали|писала?|писал\(а\)|пишет|сообщила?|написав|пише)(?:\b|(?<=\)))",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"[-\s]*(?:on|am|le|el|il|em|op|den|w dniu|dnia|вы писали|you wrote|\d{1,2}[ ./]|\d{4}[-/.]|"
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)(?:day|sday|nesday|rsday|urday)?|пн|вт|ср|чт|пт|сб|вс|"
    r"понедельник|вторник|среда|четверг|пятница|суббота|воскресенье)\b)",
    re.IGNORECASE,
)
_MAILBOX_END = re.compile(r"<[^<>\s]+@[^<>\s]+ ?>[)\]]?\s*:$")
_MAILBOX = re.compile(r"<[^<>\s]{1,64}@[^<>\s]{1,255}>")
_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")
_TIME = re.compile(r"(?<!\d)\d{1,2}[:.h]\d\d(?!\d)")
_DATED = re.compile(r"\d{1,2}[./]\d{1,2}[./]\d{2,4},? (?:в |at )?\d{1,2}:\d\d.{0,120}[ (]\S{1,64}@\S{1,255}:$")
_INVISIBLE = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff \t\r\xa0"
_OLD_GMAIL = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}\s[^<]{1,200}<[^<>\s]+@[^<>\s]+>:?$")
_MAX_LINE = 400
_MAX_GAP = 40

_TELEPHONE = re.compile(
    r"[*_]*(?:sent from (?:my|mail|outlook|yahoo|samsung|proton|the|a|galaxy|huawei|gmail|windows)\b.{0,80}|"
    r"get outlook for .{0,60}|sent (?:with|via) .{1,60}|sent using .{1,60}|"
    r"отправлено (?:с помощью|с|со|из|через|от|с использованием) (?:мо[её]го|моей|мобильн|устройства|"
    r"сотового|iphone|ipad|"
    r"айфон|айпад|samsung|galaxy|android|huawei|honor|xiaomi|redmi|poco|realme|oppo|vivo|nokia|sony|htc|"
    r"lenovo|meizu|asus|"
    r"tecno|pixel|oneplus|blackberry|windows|яндекс|yandex|почты|mail|mymail|gmail|outlook|приложения|"
    r"программы|смартфона|"
    r"телефона|планшета|my\b|blue\b|k-9|telegram|webmail|веб-почты).{0,80}|"
    r"(?:получ(?:ить|ите)|скача(?:ть|йте)|загруз(?:ить|ите)) outlook .{0,60}|послано (?:с|из) .{0,60}|"
    r"надіслано з .{1,60}|envoyé de(?:puis)? (?:mon|ma|l).{1,60}|"
    r"(?:von meinem .{1,60}|gesendet (?:von|mit) .{1,60})(?: gesendet)?|"
    r"enviado (?:desde|do|de|a partir) (?:mi|meu|o meu|el|un).{1,60}|inviato da .{0,60}|"
    r"verzonden (?:vanaf|via|met) .{1,60}|"
    r"wysłane? z .{1,60}|skickat från .{1,60}|sendt fra (?:min|mit) .{1,60}|lähetetty .{1,60}|odesláno z .{1,60}|"
    r"iphoneから送信|发自我的.{1,30}|从我的.{1,30}发送)"
    r"[*_.]*(?:\s*<[^<>]*>)?",
    re.IGNORECASE,
)
_MAX_SIGNATURE = 12
_RULER_STARTS = frozenset("-_=—–*#bBнН")
_LINE_STARTS = _RULER_STARTS | {">"}
_LINE_ENDS = frozenset(":>e-ла")


def strip_quotes(text: str) -> str:
    """The new part of a plain text. Never empty where `text` is not; in doubt text is kept. Linear in its length."""
    lines = text.split("\n")
    kept: list[str] = []
    said = False
    index, count = 0, len(lines)
    while index < count:
        line = lines[index]
        bare = line.strip()
        if bare and not bare.isascii():
            bare = bare.strip(_INVISIBLE).replace("：", ":")
        if not bare:
            kept.append("")
            index += 1
            continue
        if "://" in bare and _breaks_quotation(lines, index, bare):
            index += 1
            continue
        first, last = bare[0], bare[-1]
        if first not in _LINE_STARTS and last not in _LINE_ENDS and ":" not in bare:
            kept.append(line)
            said = True
            index += 1
            continue
        if first == ">" and not _closes_mailbox(lines, index, bare):
            if "<<<" in bare:
                kept.append(line)
                said = True
            index += 1
            continue
        if len(bare) > _MAX_LINE:
            kept.append(line)
            said = True
            index += 1
            continue
        if said and (first in _RULER_STARTS or ":" in bare[:30]) and _begins_history(lines, index, bare):
            while kept and not kept[-1].strip("-_=*– \t"):
                kept.pop()
            break
        if last in _LINE_ENDS and _may_introduce(bare, last):
            start = _introduction(lines, index, bare)
            if start >= 0:
                head = _before_shared(lines[start])
                del kept[len(kept) - (index - start) :]
                if head:
                    kept.append(head)
                    said = True
                following = _next_said(lines, index + 1)
                mark = lines[following].lstrip()[:1] if following < count else ""
                if mark == ">":
                    index += 1
                    continue
                if mark == "|":
                    index = following
                    while index < count and (not lines[index].strip() or lines[index].lstrip()[0] == "|"):
                        index += 1
                    continue
                if any(piece.strip() for piece in kept):
                    break
                return text.strip()
        kept.append(line)
        said = True
        index += 1
    return _without_signature(kept) or text.strip()


def _breaks_quotation(lines: list[str], index: int, bare: str) -> bool:
    """Whether a line is a link that some program wrapped out of the marked lines around it."""
    if not 0 < index < len(lines) - 1 or bare[0] == ">" or len(bare.rstrip(" >").split()) > 1:
        return False
    return lines[index - 1].lstrip()[:1] == ">" and lines[index + 1].lstrip()[:1] == ">"


def _may_introduce(bare: str, last: str) -> bool:
    return last in ":>" or bare.endswith(("wrote", "-", "написал", "написала"))


def _begins_history(lines: list[str], index: int, bare: str) -> bool:
    first = bare[0]
    if first in "-_=—–*":
        if _RULER.match(bare):
            return True
        if first in "_-" and len(bare) >= 5 and not bare.strip("_-"):
            following = _next_said(lines, index + 1)
            return following < len(lines) and _is_header_block(lines, following)
    elif first in "#bBнН" and bare.lower().startswith(_PLAIN_RULERS):
        return True
    return ":" in bare[:30] and _is_header_block(lines, index)


def _key(line: str) -> tuple[str, str]:
    """The kind of header a line looks like, and its value."""
    name, colon, value = line.replace("：", ":").partition(":")
    if not colon or len(name) > 30:
        return "", ""
    return _KEYS.get(name.strip(" \t*>_\xa0").lower(), ""), value


def _is_header_block(lines: list[str], index: int) -> bool:
    found: set[str] = set()
    strange = 0
    dated = False
    kind, _ = _key(lines[index])
    if not kind:
        return False
    for line in lines[index : index + 12]:
        if not line.strip():
            if len(found) > 1:
                break
            continue
        kind, value = _key(line[:_MAX_LINE])
        if not kind:
            strange += 1
            if strange > 3:
                break
            continue
        found.add(kind)
        dated = dated or (kind == "date" and _WHEN.search(value) is not None)
    return "sender" in found and dated and bool(found & {"to", "subject"})


def _closes_mailbox(lines: list[str], index: int, bare: str) -> bool:
    """Whether a line that starts with `>` ends an address folded before it: `<anna@example.ru` / `> wrote:`."""
    return bare[-1] == ":" and len(bare) < 16 and index > 0 and "<" in _tail(lines[index - 1])


def _tail(line: str) -> str:
    return "" if line.lstrip()[:1] == ">" else line.rpartition(">")[2][-80:]


def _introduction(lines: list[str], end: int, bare: str) -> int:
    """Where the introduction that ends in line `end` starts; -1 where none ends there."""
    joined = ""
    for start in range(end, max(-1, end - 4), -1):
        line = lines[start].strip()
        if not line or len(line) > _MAX_LINE or (line[0] == ">" and start != end):
            return -1
        if not line.isascii():
            line = line.strip(_INVISIBLE).replace("：", ":")
        joined = f"{line} {joined}" if joined else line
        if _WHEN.search(line) is None:
            continue
        if not _introduces(joined, lines, end):
            continue
        if start and not _OPENING.match(line) and lines[start - 1].strip()[:3] in ("On ", "Le ", "Am "):
            return start - 1
        return start
    if _VERB.search(joined) and len(joined) < 200 and _is_marked(lines, end + 1) and bare[-1] == ":":
        return end
    return -1


def _introduces(joined: str, lines: list[str], end: int) -> bool:
    verb = _VERB.search(joined)
    if verb is None:
        if joined[-1] == ":":
            if _MAILBOX_END.search(joined) or _DATED.match(joined) or ("@" in joined and _is_marked(lines, end + 1)):
                return True
            # Some other language: nobody else writes a mailbox, a year and a time before a colon.
            named = len(joined) < 250 and _MAILBOX.search(joined) is not None
            return named and _YEAR.search(joined) is not None and _TIME.search(joined) is not None
        return _OLD_GMAIL.match(joined) is not None
    if joined[-1] != ":" and len(joined) - verb.end() > 6:
        return False
    return (
        _is_marked(lines, end + 1)
        or "@" in joined
        or _OPENING.match(joined) is not None
        or bool(_SHARED.search(joined))
    )


def _is_marked(lines: list[str], index: int) -> bool:
    following = _next_said(lines, index)
    return following < len(lines) and lines[following].lstrip()[0] == ">"


def _next_said(lines: list[str], index: int) -> int:
    """The next line with words on it, looked for as far as `_MAX_GAP` lines; else past the end."""
    for following in range(index, min(index + _MAX_GAP, len(lines))):
        if lines[following].strip():
            return following
    return len(lines)


def _before_shared(line: str) -> str:
    """What stands before an introduction on its own line (`reply--- On … wrote:`)."""
    found = _SHARED.search(line[:_MAX_LINE])
    return line[: found.start()].rstrip() if found else ""


def _without_signature(lines: list[str]) -> str:
    while lines and not lines[-1].strip():
        lines.pop()
    after, cut = 0, 0
    for index in range(len(lines) - 1, max(0, len(lines) - 60), -1):
        line = lines[index].rstrip()
        if not line:
            continue
        after += 1
        if after > _MAX_SIGNATURE:
            break
        if line[0] not in "-—_":
            continue
        if line in ("--", "—"):
            cut = index
        elif len(line) > 1 and after <= 6 and not line.strip("_ ") and any("://" in one for one in lines[index:]):
            # The footer of a mailing list.
            cut = index
    if cut and any(line.strip() for line in lines[:cut]):
        del lines[cut:]
    for _ in range(3):
        while lines and not lines[-1].strip():
            lines.pop()
        if len(lines) < 2 or len(lines[-1]) > 160 or not _TELEPHONE.fullmatch(lines[-1].strip()):
            break
        if any(line.strip() for line in lines[:-1]):
            lines.pop()
    return "\n".join([line.rstrip() for line in lines]).strip("\n")
