"""A subject, a name, a file name: a word or two of Russian is read right under a true label and mostly under none."""

from __future__ import annotations

from collections.abc import Iterable
from email.header import Header
from typing import Any
from urllib.parse import quote

import pytest

from channels.email.charset import CYRILLIC, decode
from channels.email.files import file_name
from channels.email.headers import mailboxes, parameters, text_of

WORDS = """\
Касса|КАССА|Кассы|Помогите!|ПОМОГИТЕ!!!|СРОЧНО!|СРОЧНО: касса|Ошибка 404|Ошибка №5|ошибка 0x80070643|Заявка №12345
Re: Заявка|Fwd: счёт|Не работает VPN|не работает wi-fi в офисе|VPN не работает|1С не запускается|Сброс пароля AD
Принтер HP LaserJet 1020 не печатает|Замена картриджа|Картридж|Иван Петров|Анна Ёлкина|Юлия Щукина|Эльвира Хайруллина
Гульнара Шайхутдинова|Жанна|ООО "Ромашка"|ООО «Берёзка»|АО «ЩЁКИНОАЗОТ»|ЗАО ЭФФЕКТ|Отдел кадров|Бухгалтерия
Служба поддержки|Договор.pdf|Счёт-фактура №15 от 20.01.2025.pdf|акт сверки.xlsx|Отчёт за 2024 год.docx
Скриншот 2025-01-20.png|Фото.jpg|Приложение 1|объект|подъезд №3|Хорошо|ЖДУ ОТВЕТА|Здравствуйте|Добрый день!
Спасибо, всё работает|ВСЁ РАБОТАЕТ|Экран чёрный|Подключение к сети|вопрос по з/п|График|Кабель|Клавиатура
почта не ходит с утра|Приём заявок|Хочу в отпуск|Цена — 100 р.|«Ромашка»|Привет|Письмо|эксперт|Сервер не отвечает"""
PHRASES = [each for line in WORDS.split("\n") for each in line.split("|")]
LONGER = [each for each in PHRASES if len(each) > 12 and each.upper() != each]
SHORTEST = [
    "Да",
    "Нет",
    "НЕТ",
    "Ок",
    "ПК",
    "МФУ",
    "БД",
    "Я",
    "я",
    "Ю",
    "Ё",
    "ёж",
    "цех",
    "щит",
    "Жду",
    "Щас",
    "Шум",
    "чек",
]


def written(texts: list[str], charsets: Iterable[str]) -> list[Any]:
    """Every text in every one of these charsets that has all of its characters: the text, the charset, the octets."""
    return [
        pytest.param(text, charset, text.encode(charset), id=f"{text}-{charset}")
        for charset in charsets
        for text in texts
        if text == text.encode(charset, "ignore").decode(charset)
    ]


@pytest.mark.parametrize("text, charset, data", written([*PHRASES, *SHORTEST], CYRILLIC))
def test_a_true_label_is_believed(text: str, charset: str, data: bytes) -> None:
    assert decode(data, charset)[0] == text


@pytest.mark.parametrize("text, charset, data", written(PHRASES, ["cp1251", "koi8-r", "cp866", "iso8859-5"]))
def test_no_label_and_a_western_one_do_no_harm(text: str, charset: str, data: bytes) -> None:
    assert decode(data, "")[0] == text
    assert decode(data, "utf-8")[0] == text
    assert decode(data, "us-ascii")[0] == text


@pytest.mark.parametrize("text, charset, data", written(LONGER, ["cp1251", "koi8-r"]))
@pytest.mark.parametrize("label", ["windows-1251", "koi8-r", "iso-8859-5"])
def test_a_wrong_cyrillic_label_is_seen_through(text: str, charset: str, data: bytes, label: str) -> None:
    assert decode(data, label)[0] == text


@pytest.mark.parametrize("text", [*PHRASES, *SHORTEST])
@pytest.mark.parametrize("label", ["", "utf-8", "windows-1251", "koi8-r", "iso-8859-1", "us-ascii"])
def test_utf_8_is_told_under_any_label(text: str, label: str) -> None:
    assert decode(text.encode(), label)[0] == text


@pytest.mark.parametrize("text, charset, data", written(PHRASES, ["utf-8", "windows-1251", "koi8-r", "iso-8859-5"]))
def test_subjects_names_and_file_names(text: str, charset: str, data: bytes) -> None:
    word = Header(text, charset, maxlinelen=10_000).encode().encode()
    assert text_of(word) == text
    assert text_of(Header(text, charset, maxlinelen=40).encode().replace("\n", "").encode()) == text
    assert mailboxes([word + b" <a@b.ru>"]) == [(text, "a@b.ru")]
    assert mailboxes([b'"' + word + b'" <a@b.ru>']) == [(text, "a@b.ru")]
    _, params = parameters(b"a/b; filename*=" + charset.encode() + b"''" + quote(data).encode())
    assert text_of(params["filename"]) == text
    halves = [quote(data[: len(data) // 2]), quote(data[len(data) // 2 :])]
    _, params = parameters(f"a/b; filename*0*={charset}''{halves[0]}; filename*1*={halves[1]}".encode())
    assert text_of(params["filename"]) == text
    _, params = parameters(b'a/b; name="' + word + b'"')
    assert text_of(params["name"]) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (b"=?utf-8?B?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"=?UTF-8?b?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"=?utf8?B?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"=?utf-8?B?0J/RgNC40LLQtdGC?", "Привет"),
        (b"=?utf-8?B?0J/RgNC40LLQtdGC", "Привет"),
        (b"=?utf-8?B?0J/RgNC40LLQtdG?= =?utf-8?B?gg==?=", "Привет"),
        (b"=?utf-8?B?0J/RgNC4?= =?utf-8?B?0LLQtdGC?=", "Привет"),
        (b"=?utf-8?B?0J/RgNC4?=\t=?utf-8?B?0LLQtdGC?=", "Привет"),
        (b"=?utf-8?B?0J/RgNC4?==?utf-8?B?0LLQtdGC?=", "Привет"),
        (b"=?utf-8*ru?B?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"=?windows-1251?Q?=CF=F0=E8=E2=E5=F2?=", "Привет"),
        (b"=?windows-1251?Q?=CF=F0=E8=E2=E5=F2, =EC=E8=F0?=", "Привет, мир"),
        (b"=?windows-1251?Q?=CF=F0=E8=E2=E5=F2_=EC=E8=F0?=", "Привет мир"),
        (b"=?utf-8?B?z/Do4uXy?=", "Привет"),
        (b"=?us-ascii?Q?=CF=F0=E8=E2=E5=F2?=", "Привет"),
        (b"=?koi8-r?B?8NLJ18XU?= =?windows-1251?B?LCDs6PA=?=", "Привет, мир"),
        (b"=?unknown-8bit?B?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"Re: =?utf-8?B?0J/RgNC40LLQtdGC?= (VPN)", "Re: Привет (VPN)"),
        ("Привет".encode(), "Привет"),
        ("Привет".encode("cp1251"), "Привет"),
        ("Привет".encode("koi8-r"), "Привет"),
        ("Re: Привет ".encode() + b"=?utf-8?B?0LzQuNGA?=", "Re: Привет мир"),
    ],
)
def test_broken_encoded_words(value: bytes, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    "value, name",
    [
        (b"attachment; filename=\"=?utf-8?B?0LDQutGCLnBkZg==?=\"", "акт.pdf"),
        (b"attachment; filename==?utf-8?B?0LDQutGCLnBkZg==?=", "акт.pdf"),
        (b"attachment; filename*=utf-8''%D0%B0%D0%BA%D1%82.pdf", "акт.pdf"),
        (b"attachment; filename*=UTF-8'ru'%D0%B0%D0%BA%D1%82.pdf", "акт.pdf"),
        (b"attachment; filename*=\"utf-8''%D0%B0%D0%BA%D1%82.pdf\"", "акт.pdf"),
        (b"attachment; filename*0*=utf-8''%D0%B0; filename*1=%D0%BA%D1%82.pdf", "а%D0%BA%D1%82.pdf"),
        (b"attachment; filename*1*=%D1%82.pdf; filename*0*=utf-8''%D0%B0%D0%BA", "акт.pdf"),
        (b"attachment; filename=x.pdf; filename*=utf-8''%D0%B0%D0%BA%D1%82.pdf", "акт.pdf"),
        (b"attachment; filename*=windows-1251''%E0%EA%F2.pdf", "акт.pdf"),
        (b"attachment; filename*=%D0%B0%D0%BA%D1%82.pdf", "акт.pdf"),
        (b"attachment; filename=" + "акт.pdf".encode(), "акт.pdf"),
        (b"attachment; filename=" + "акт сверки.pdf".encode("cp1251"), "акт сверки.pdf"),
        (b"attachment; filename=\"" + "акт сверки.pdf".encode("koi8-r") + b"\"", "акт сверки.pdf"),
        (b"attachment; filename=\"a\\\"b.pdf\"", "a\"b.pdf"),
        (b"attachment; filename=%D0%B0%D0%BA%D1%82.pdf", "акт.pdf"),
    ],
)  # fmt: skip
def test_broken_file_names(value: bytes, name: str) -> None:
    assert file_name(parameters(value)[1]["filename"]) == name
