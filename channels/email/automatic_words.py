"""The words by which programs that answer in a person's name begin, in the languages mail comes in.

A subject counts only from its start: what stands after a person's own words is theirs.
"""

from __future__ import annotations

import re

# Possessive: no space is ever given back, or a subject of a few hundred of them could be read in millions of ways.
_PREFIX = r"[\s\"'*]*+(?:(?:re|fw|fwd|aw|wg|sv|vs|odp|antw|rv|ответ|на|пересл)\s*+(?:\[\d+\])?+\s*+:\s*+){0,5}+"

ABSENT = re.compile(
    _PREFIX + r"(?:\[?\s*+(?:auto(?:matic)?[ -]?(?:reply|response)|автоответ)\s*+[\]:-]?\s*+)?(?:"
    r"out of (?:the |my )?office|out-of-office|ooo\b|oof\b|away from (?:my|the) (?:office|mail|desk|e-?mail)|"
    r"(?:i am |i'm )?(?:currently )?(?:on|away on) (?:annual |sick |maternity |parental )?"
    r"(?:vacation|holidays?|leave)\b|(?:i am |i'm )?currently (?:out|away)\b|absence notif|"
    r"нет на (?:рабочем )?месте|вне офиса|отсутству(?:ю|ет) (?:на (?:рабочем )?месте|в офисе)|(?:я )?в отпуске|"
    r"(?:я )?(?:нахожусь )?(?:на больничном|в командировке|в отпуске)|"
    r"отсутствие (?:на рабочем месте|в офисе)|(?:уведомление|сообщение) об отсутствии|меня нет (?:на месте|в офисе)|"
    r"поза офісом|у відпустці|відсутн|"
    r"abwesenheit|abwesend|nicht im (?:büro|haus)|urlaub|im urlaub|"
    r"absence du bureau|absence\b|absent(?:e)? du bureau|en (?:congés?|vacances)|"
    r"fuera de (?:la )?oficina|ausente|ausencia|fuori (?:sede|ufficio)|assente|assenza|"
    r"fora d[oe] escrit[óo]rio|ausência|afwezig|poza biurem|nieobecn|frånvaro|fravær|ikke på kontoret|inte på kontoret|"
    r"poissa|ofis dışı|mimo kancel|nepřítom|不在)",
    re.IGNORECASE,
)
AUTOMATIC = re.compile(
    _PREFIX + r"[\[(<]?\s*+(?:"
    r"auto(?:matic|mated)?[ -]?(?:e-?mail )?(?:reply|response|answer|responder|ack(?:nowledg\w+)?|message|"
    r"notification)|"
    r"autoreply|auto(?=:)|auto(?=[\])])|"
    r"out of office auto-?reply|"
    r"автоответ(?:чик)?|авто-ответ|автоматический ответ|автоматическое (?:уведомление|сообщение|письмо)"
    r"(?: о получении)?|автоматична відповідь|автовідповідь|аўтаматычны адказ|"
    r"automatische (?:antwort|nachricht)|autoantwort|automatisch antwoord|automatisch antwoordbericht|"
    r"réponse automatique|respuesta automática|risposta automatica|resposta automática|"
    r"automatyczna odpowiedź|autosvar|automatiskt? svar|automatiskt svar|automaattinen vastaus|otomatik yanıt|"
    r"automatická odpověď|αυτόματη απάντηση|automatikus válasz|răspuns automat|"
    r"自動(?:応答|返信|回覆)|自动(?:回复|答复))"
    r"\s*+(?:[\]:.,\-–—(>)]|from\b|от\b|$)",
    re.IGNORECASE,
)
ABSENCE_WORDS = re.compile(
    r"out of (?:the |my )?office|on (?:annual |sick |parental |maternity |holiday |business )?"
    r"(?:leave|vacation|trip|holiday)|"
    r"away from|(?:am|be) (?:currently )?(?:away|out|unavailable|on (?:leave|vacation|holiday))|"
    r"limited access to (?:my )?e?-?mail|will (?:be back|return|respond|reply)\b.{0,40}\b(?:on|after|when)\b|"
    r"back in the office|"
    r"в отпуск|отсутствую|отсутствова|нахожусь в (?:отпуске|командировке)|в командировке|на больничном|"
    r"вернусь|выйду на работу|"
    r"буду на (?:рабочем )?месте|нет на (?:рабочем )?месте|нет в офисе|вне офиса|не имею доступа к почте|"
    r"abwesend|nicht im (?:büro|haus)|im urlaub|absent|en congé|en vacances|fuera de la oficina|de vacaciones|"
    r"fuori ufficio|in ferie|fora do escritório|de férias|afwezig|poza biurem|na urlopie|semester|不在|休暇",
    re.IGNORECASE,
)
