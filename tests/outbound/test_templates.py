"""The shipped texts: complete, free of mistakes, and as people were promised to be spoken to."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from selectolax.lexbor import LexborHTMLParser

from outbound.render import EVENTS, PARTS, SHIPPED, Rendered, Renderer
from outbound.sample import sample_context, sample_contexts

RENDERER = Renderer()
STAFF = {"assigned", "author_replied", "deadline_near", "deadline_missed"}
NBSP = "\u00a0"


def all_texts(language: str, events: set[str] | None = None) -> Iterator[Rendered]:
    for event in EVENTS if events is None else sorted(events):
        for context in sample_contexts(event, language):
            yield RENDERER.render(event, language=language, context=context)


def visible(html: str) -> str:
    tree = LexborHTMLParser(html)
    body = tree.body
    assert body is not None
    return " ".join(body.text().split())


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_all_its_parts(event: str, language: str) -> None:
    for part in PARTS:
        assert (SHIPPED / language / event / part).is_file()


def test_the_shipped_texts_are_free_of_mistakes() -> None:
    assert RENDERER.check(codes=()) == []


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_subject_names_the_ticket_and_is_one_line(language: str) -> None:
    for rendered in all_texts(language, set(EVENTS) - {"portal_link"}):
        assert rendered.subject.startswith("[NSK-26-000123] ")
        assert "\n" not in rendered.subject
        assert not re.search(r"[:,]\s*$|\s{2}", rendered.subject)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_no_text_has_holes(language: str) -> None:
    for rendered in all_texts(language):
        assert rendered.language == language
        for text in (rendered.text, visible(rendered.html)):
            assert "None" not in text
            assert not re.search(r"[{}]|: *\n\n-- |: *$| [,.:]|,,|: ,", text)
        assert "\n\n\n" not in rendered.text


@pytest.mark.parametrize(
    "language, unwanted",
    [
        ("ru", r"уважаем|обращени|инцидент|тикет|успешно|очень важно|\bВы\b|\bВаш|\bВам\b(?! назначена)|\""),
        ("en", r"\bdear\b|successfully|incident|important to us|\brequest\b|—"),
    ],
)
def test_the_tone(language: str, unwanted: str) -> None:
    for rendered in all_texts(language):
        for text in (rendered.subject, rendered.text, visible(rendered.html)):
            assert not re.search(unwanted, text, re.IGNORECASE if language == "en" else 0), text
            assert len(re.findall("пожалуйста|please", text, re.IGNORECASE)) <= 1


def test_russian_words_hold_together() -> None:
    for rendered in all_texts("ru"):
        ours = re.sub(r"^>.*$", "", rendered.text, flags=re.MULTILINE)
        assert " —" not in ours
        assert "№ " not in ours
        assert not re.search(r"\d (ноября|мин|ч)\b", ours)


def test_english_texts_are_english() -> None:
    for rendered in all_texts("en"):
        assert not re.search("[а-яё]", rendered.subject + rendered.text + rendered.html, re.IGNORECASE)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_both_bodies_say_the_same(language: str) -> None:
    for rendered in all_texts(language):
        plain = re.sub(r"^> ?|^- |^-- $|: https://\S+", "", rendered.text, flags=re.MULTILINE).replace(NBSP, " ")
        shown = visible(rendered.html).replace(NBSP, " ")
        assert _letters(plain) == _letters(shown)


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text)


class TestAcknowledgement:
    def test_it_tells_what_the_author_wants_to_know(self) -> None:
        rendered = RENDERER.preview("received", "ru")
        text = rendered.text.replace(NBSP, " ")
        assert rendered.subject == "[NSK-26-000123] Приняли: Не печатает принтер в приёмной"
        for fact in (
            "NSK-26-000123",
            "О чём: Не печатает принтер в приёмной",
            "Занимается: Новосибирский сервисный центр",
            "Ответим до: 20 ноября, 14:05, время новосибирское",
            "просто ответьте на это письмо",
            "https://desk.example.ru/t/NSK-26-000123",
        ):
            assert fact in text

    def test_it_carries_nothing_else_the_sender_wrote(self) -> None:
        context = sample_context("received")
        for key in ("text", "contact_name", "customer_name"):
            context["ticket"][key] = "BUY-NOW"
        context["recipient"]["name"] = context["event"]["comment"] = context["event"]["author"] = "BUY-NOW"
        context["ticket"]["subject"] = "Приз https://evil.example/win?a=1 и www.evil.example " + "очень " * 100
        for part in _parts(RENDERER.render("received", language="ru", context=context)):
            assert "BUY-NOW" not in part
            assert "evil" not in part
            assert "[ссылка]" in part
            assert part.count("очень") < 25

    def test_a_deadline_that_is_past_is_not_promised(self) -> None:
        context = sample_context("received")
        context["ticket"]["respond_by"] = context["now"]
        rendered = RENDERER.render("received", language="ru", context=context)
        assert "Ответим до" not in rendered.text
        assert "Скоро ответим." in rendered.text

    def test_a_mail_without_a_subject(self) -> None:
        context = sample_context("received")
        context["ticket"]["subject"] = "  "
        assert RENDERER.render("received", language="ru", context=context).subject.endswith("Приняли: без темы")


class TestStatus:
    @pytest.mark.parametrize(
        "old, new, subject, said",
        [
            ("new", "in_progress", "Работаем", "Работаем над вашей заявкой"),
            ("closed", "in_progress", "Вернули в работу", "Вернули заявку"),
            ("in_progress", "waiting", "Нужен ваш ответ", "Ответьте прямо на это письмо"),
            ("new", "rejected", "Не возьмём", "Причина:"),
        ],
    )
    def test_each_move_has_its_own_words(self, old: str, new: str, subject: str, said: str) -> None:
        context = sample_context("status_changed")
        context["event"].update(old=old, new=new)
        rendered = RENDERER.render("status_changed", language="ru", context=context)
        assert f"] {subject}: " in rendered.subject
        assert said in rendered.text
        assert "Заменили узел закрепления" in rendered.text


class TestStaff:
    def test_an_alert_tells_enough_to_start(self) -> None:
        context = sample_context("assigned")
        context["ticket"]["text"] = "Строка.\n" * 500
        rendered = RENDERER.render("assigned", language="ru", context=context)
        text = rendered.text.replace(NBSP, " ")
        for fact in (
            "Вам назначена заявка NSK-26-000123",
            "Приоритет: высокий",
            "Заказчик: ООО «Ромашка»",
            "Автор: Ирина Власова",
            "Ответить до: 20 ноября, 14:05",
            "Решить до: 23 ноября, 13:05",
            "- первая линия, меньше всего открытых заявок",
            "> Строка.\n",
        ):
            assert fact in text
        assert 100 < text.count("Строка.") < 130

    def test_nobody_can_forge_a_line_of_it(self) -> None:
        context = sample_context("assigned")
        context["ticket"]["subject"] = "Принтер\nПриоритет: низкий"
        context["ticket"]["text"] = "Привет\nПриоритет: низкий\r\rПриоритет: низкий\u2028Приоритет: низкий"
        text = RENDERER.render("assigned", language="ru", context=context).text
        assert re.findall(r"^Приоритет: .*$", text, re.MULTILINE) == ["Приоритет: высокий"]

    @pytest.mark.parametrize("kind, said", [("respond", "Просрочен ответ"), ("resolve", "Просрочено решение")])
    def test_a_missed_deadline_says_which(self, kind: str, said: str) -> None:
        context = sample_context("deadline_missed")
        context["event"]["new"] = kind
        assert said in RENDERER.render("deadline_missed", language="ru", context=context).subject


class TestHtml:
    @pytest.mark.parametrize("language", ["ru", "en"])
    def test_it_loads_nothing_and_runs_nothing(self, language: str) -> None:
        for rendered in all_texts(language):
            assert not re.search(r"<(script|img|link|iframe|table|form|object)|url\(|@import|\son\w+=", rendered.html)
            assert set(re.findall(r'(?:href|src)="([^"]*)"', rendered.html)) <= {
                "https://desk.example.ru/t/NSK-26-000123"
            }

    def test_it_is_whole_and_says_its_language(self) -> None:
        for language in ("ru", "en"):
            for rendered in all_texts(language):
                assert rendered.html.startswith(f'<!DOCTYPE html>\n<html lang="{language}">')
                assert rendered.html.endswith("</html>\n")
                for tag in ("p", "div", "span", "strong", "ul", "li", "a"):
                    assert len(re.findall(rf"<{tag}[ >]", rendered.html)) == rendered.html.count(f"</{tag}>")

    def test_dark_mode_is_left_to_the_reader(self) -> None:
        html = RENDERER.preview("received").html
        assert "prefers-color-scheme: dark" in html
        assert not re.search(r"background(-color)?:|(?<!-)color: #(?!0B6470|63C3CE)", html)


def _parts(rendered: Rendered) -> tuple[str, str, str]:
    return rendered.subject, rendered.text, rendered.html
