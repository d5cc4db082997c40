"""What the writer typed this time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.reply import strip_quotes

NEW = "Принтер не печатает.\nПришлите инженера."
OLD = "Добрый день! Заявка принята.\nСлужба поддержки"
MARKED = "\n".join("> " + line for line in OLD.split("\n"))

INTRODUCTIONS = [
    "ср, 5 июн. 2024 г. в 12:30, Служба <desk@example.ru>:",
    "5 июня 2024 г., 12:30 пользователь Служба <desk@example.ru>\nнаписал:",
    "05.06.2024, 12:30, «Служба» <desk@example.ru>:",
    "Среда, 5 июня 2024, 12:30 +03:00 от Служба <desk@example.ru>:",
    "5 июня 2024 г., в 12:30, Служба <desk@example.ru> написал(а):",
    "05.06.2024 12:30, Служба пишет:",
    "Вы писали 5 июня 2024 г., 12:30:45:",
    "On Wed, Jun 5, 2024 at 12:30 PM Desk <desk@example.ru> wrote:",
    "On Wed, Jun 5, 2024 at 12:30 PM Service Desk of the Company <\ndesk@example.ru> wrote:",
    "Am 05.06.2024 um 12:30 schrieb Desk <desk@example.ru>:",
]
BLOCKS = [
    "-----Original Message-----\nFrom: Desk",
    "-----Исходное сообщение-----\nОт: Служба",
    "----- Пересылаемое сообщение -----",
    "________________________________\nОт: Служба <d@e.ru>\nОтправлено: 5 июня 2024 г. 12:30\nКому: Анна\nТема: Заявка",
    "From: Desk <d@e.ru>\nSent: Wednesday, June 5, 2024 12:30 PM\nTo: Anna\nSubject: Ticket",
    "*От:* Служба <d@e.ru>\n*Дата:* среда, 5 июня 2024 г. 12:30\n*Кому:* Анна\n*Тема:* Заявка",
    "--- Пишите ответ выше этой линии ---",
]


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_marked_history_is_cut(introduction: str, gap: str) -> None:
    assert strip_quotes(f"{NEW}\n\n{introduction}{gap}{MARKED}\n") == NEW


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
def test_unmarked_history_is_cut_to_the_end(introduction: str) -> None:
    assert strip_quotes(f"{NEW}\n\n{introduction}\n\n{OLD}\n") == NEW


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_begin_history(block: str) -> None:
    assert strip_quotes(f"{NEW}\n\n{block}\n\n{OLD}\n") == NEW


def test_answers_below_and_between_are_kept() -> None:
    text = f"{INTRODUCTIONS[0]}\n> Перезагружали?\nДа, три раза.\n\n> Какая модель?\nHP 1020\n"
    assert strip_quotes(text) == "Да, три раза.\n\nHP 1020"


@pytest.mark.parametrize(
    "tail",
    [
        "-- \nАнна Петрова\n+7 (495) 123-45-67",
        "--\nАнна",
        "Отправлено с iPhone",
        "Отправлено из мобильной Почты Mail.ru",
        "Sent from my iPhone",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Получить Outlook для Android",
    ],
)
def test_signatures_are_cut(tail: str) -> None:
    assert strip_quotes(f"{NEW}\n\n{tail}\n") == NEW


@pytest.mark.parametrize(
    "text",
    [
        "Тема: не печатает\nКабинет: 305",
        "Error log:\nFrom: 10.0.0.1\nTo: 10.0.0.2\nSent: 15 packets",
        "В понедельник, 20 января 2025 от склада отгрузили:\nстул\nстол",
        "Отправлено с завода 20 коробок.",
        "Список:\n-- один\n-- два\nИтого два.",
        "--\nСписок",
        "Клиент писал в 10:15:\nничего не работает",
        "Ошибка в 10:15:30 на ivan@example.ru:\nдоступ закрыт",
        "Версии:\n2024-01-15 14:30\n15.01.2024 14:30",
        "Автоответчик не работает",
        "a > b\nb < c",
    ],
)
def test_a_persons_own_words_are_kept(text: str) -> None:
    assert strip_quotes(text) == text


@pytest.mark.parametrize("text", [MARKED, f"{INTRODUCTIONS[0]}\n\n{OLD}", f"{BLOCKS[0]}\n{OLD}", ">", "--\nАнна"])
def test_where_nothing_would_be_left_nothing_is_cut(text: str) -> None:
    assert strip_quotes(text) == text.strip()


LINES = st.sampled_from([*INTRODUCTIONS, *BLOCKS, MARKED, OLD, NEW, "", "-- ", ">", "|", "On 2024", "wrote:", "<a@b"])


@given(st.one_of(st.text(), st.lists(LINES, max_size=12).map("\n".join)))
def test_no_text_becomes_empty_and_none_is_invented(text: str) -> None:
    kept = strip_quotes(text)
    assert bool(kept.strip()) == bool(text.strip())
    assert set(kept.split()) <= set(text.split()) | {word for line in text.split("\n") for word in line.split("---")}
