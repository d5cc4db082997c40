"""The renderer: which template is nearest, what user text cannot do, and what happens when a template is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outbound.render import SUBJECT_LIMIT, TEXT_LIMIT, Problem, Renderer, RenderFailed
from outbound.sample import sample_context


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, name: str, source: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return path


def subject(renderer: Renderer, language: str = "ru", centre: str = "", customer: str = "", **ticket: Any) -> str:
    context = sample_context("received", language)
    context["ticket"].update(ticket)
    return renderer.render("received", language=language, context=context, centre=centre, customer=customer).subject


class TestNearest:
    @pytest.fixture
    def renderer(self, folder: Path) -> Renderer:
        for scope in ("", "nsk/", "romashka/"):
            write(folder, f"{scope}ru/received/subject.j2", f"{scope or 'plain'} ru")
        write(folder, "en/received/subject.j2", "plain en")
        write(folder, "nsk/en/received/subject.j2", "nsk/ en")
        return Renderer(folder)

    @pytest.mark.parametrize(
        "language, centre, customer, taken",
        [
            ("ru", "", "", "plain ru"),
            ("ru", "vvo", "", "plain ru"),
            ("ru", "nsk", "", "nsk/ ru"),
            ("ru", "nsk", "romashka", "romashka/ ru"),
            ("ru", "vvo", "romashka", "romashka/ ru"),
            ("en", "vvo", "romashka", "plain en"),
            ("en", "nsk", "romashka", "nsk/ en"),
            ("en-GB", "", "", "plain en"),
            ("de", "nsk", "", "nsk/ ru"),
            ("", "", "", "plain ru"),
            ("ru", "../ru", "..", "plain ru"),
        ],
    )
    def test_customer_then_centre_then_plain_within_a_language(
        self, renderer: Renderer, language: str, centre: str, customer: str, taken: str
    ) -> None:
        assert subject(renderer, language, centre, customer) == taken

    def test_what_the_operator_did_not_write_is_the_shipped_one(self, renderer: Renderer) -> None:
        rendered = renderer.render("received", language="ru", context=sample_context("received"))
        assert rendered.subject == "plain ru"
        assert rendered.text == Renderer().preview("received").text

    def test_an_operators_layout_serves_the_shipped_texts(self, folder: Path) -> None:
        write(folder, "layout.html.j2", "<html>OURS {% block body %}{% endblock %}</html>")
        html = Renderer(folder).preview("received").html
        assert html.startswith("<html>OURS")
        assert "NSK-26-000123" in html

    def test_an_operator_may_add_a_language(self, folder: Path) -> None:
        write(folder, "kk/received/subject.j2", "{{ language }}: {{ ticket.number }}")
        assert subject(Renderer(folder), "kk") == "kk: NSK-26-000123"

    def test_edits_are_seen_after_a_reload(self, folder: Path) -> None:
        write(folder, "ru/received/subject.j2", "before")
        renderer = Renderer(folder)
        assert subject(renderer) == "before"
        write(folder, "ru/received/subject.j2", "after")
        assert subject(renderer) == "before"
        renderer.reload()
        assert subject(renderer) == "after"

    def test_a_folder_that_is_not_there_is_told(self, folder: Path) -> None:
        with pytest.raises(NotADirectoryError, match="does not exist"):
            Renderer(folder / "nowhere")

    def test_an_event_nobody_has_words_for_is_told(self) -> None:
        with pytest.raises(RenderFailed, match="there is no such template"):
            Renderer().render("eclipse", language="ru", context=sample_context("received"))


class TestUserText:
    RENDERER = Renderer()

    @pytest.mark.parametrize("hostile", ["{{7*7}}", "{% raw %}", "{#", "{{ ''.__class__ }}", "%s %(x)s {0}"])
    def test_it_is_never_compiled(self, hostile: str) -> None:
        assert subject(self.RENDERER, subject=hostile).endswith(f": {hostile}")

    def test_it_is_escaped_in_html_and_only_there(self) -> None:
        context = sample_context("assigned")
        context["ticket"]["subject"] = "<img src=x onerror=alert(1)> & Co"
        context["ticket"]["text"] = "<script>\n</script>"
        context["ticket"]["url"] = '"><script>'
        rendered = self.RENDERER.render("assigned", language="ru", context=context)
        assert "<img" not in rendered.html
        assert "<script" not in rendered.html
        assert "&lt;img src=x onerror=alert(1)&gt; &amp; Co" in rendered.html
        assert "Тема: <img src=x onerror=alert(1)> & Co" in rendered.text

    def test_it_cannot_start_a_header(self) -> None:
        made = subject(self.RENDERER, subject="x\r\nBcc: victim@example.com\n\n.\n")
        assert made.endswith("x Bcc: victim@example.com .")

    @given(st.text())
    @settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50)
    def test_any_text_makes_a_mail_that_can_be_sent(self, text: str) -> None:
        context = sample_context("assigned")
        context["ticket"].update(subject=text, text=text, contact_name=text, customer_name=text)
        context["event"]["reasons"] = [text]
        rendered = self.RENDERER.render("assigned", language="ru", context=context)
        assert 0 < len(rendered.subject) <= SUBJECT_LIMIT
        assert len(rendered.subject.splitlines()) == 1
        for part in (rendered.subject, rendered.text, rendered.html):
            part.encode()
            assert not set(part) & set("\x00\x07\x1b\x7f\x85\u202e\u2066\r")

    def test_a_huge_comment_is_cut_in_the_text_and_costs_the_html(self) -> None:
        context = sample_context("public_comment")
        context["event"]["comment"] = "слово " * 50_000
        rendered = self.RENDERER.render("public_comment", language="ru", context=context)
        assert len(rendered.text) <= TEXT_LIMIT + 1
        assert rendered.text.endswith("…\n")
        assert rendered.html == ""

    def test_the_callers_context_is_left_as_it_was(self) -> None:
        context, same = sample_context("received"), sample_context("received")
        context["ticket"]["subject"] = same["ticket"]["subject"] = "a\nb"
        self.RENDERER.render("received", language="ru", context=context)
        assert context == same


class TestSandbox:
    @pytest.mark.parametrize(
        "source",
        [
            "{{ ''.__class__.__mro__ }}",
            "{{ ticket.update(number='x') }}",
            "{{ event.reasons.append('x') }}",
            "{{ cycler.__init__.__globals__ }}",
            "{{ ticket.nonsense }}",
            "{{ nonsense }}",
            "{% include '../../../../../etc/passwd' %}",
            "{% include '/etc/passwd' %}",
            "{{ 1 // 0 }}",
            "{% for n in range(10000000) %}x{% endfor %}",
            "{% include 'ru/received/subject.j2' %}",
        ],
    )
    def test_what_a_template_may_not_do_costs_it_its_place(self, folder: Path, source: str) -> None:
        path = write(folder, "ru/received/subject.j2", f"\n{source}")
        rendered = Renderer(folder).render("received", language="ru", context=sample_context("received"))
        assert rendered.subject == Renderer().preview("received").subject
        assert str(path) in rendered.problem

    def test_an_endless_output_is_given_up(self, folder: Path) -> None:
        loops = "{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxxxxxxxxxx {% endfor %}{% endfor %}"
        write(folder, "ru/received/email.txt.j2", loops)
        rendered = Renderer(folder).render("received", language="ru", context=sample_context("received"))
        assert len(rendered.text) <= TEXT_LIMIT + 1


class TestCheck:
    def test_it_names_file_line_and_mistake(self, folder: Path) -> None:
        syntax = write(folder, "ru/received/subject.j2", "ok\n{% if %}")
        missing = write(folder, "nsk/ru/closed/subject.j2", "one\ntwo\n{{ ticket.nomber }}")
        part = write(folder, "part.html.j2", "{{ 'a' | nofilter }}")
        empty = write(folder, "ru/closed/subject.j2", "{# nothing #}")
        problems = Renderer(folder).check()
        assert [(p.path, p.line) for p in problems] == sorted(
            [(str(syntax), 2), (str(missing), 3), (str(part), 1), (str(empty), 0)]
        )
        words = " ".join(map(str, problems))
        for said in ("Expected an expression", "nomber", "nofilter", "comes out empty"):
            assert said in words

    @pytest.mark.parametrize(
        "name, said",
        [
            ("ru/recieved/subject.j2", "there is no event 'recieved'; known: received, "),
            ("ru/received/email.text.j2", "email.text.j2 is never used; a text is made of subject.j2, "),
            ("omsk/ru/received/subject.j2", "no centre and no customer with the code 'omsk'"),
            ("ru/received/email.txt.j2", "put both into this folder"),
        ],
    )
    def test_files_nobody_would_look_for_are_told(self, folder: Path, name: str, said: str) -> None:
        path = write(folder, name, "x")
        (problem,) = Renderer(folder).check(codes={"nsk", "romashka"})
        assert problem.path == str(path)
        assert said in problem.message

    def test_a_mistake_in_a_turn_seldom_taken_is_found(self, folder: Path) -> None:
        path = write(folder, "ru/status_changed/subject.j2", '{% if event.new == "rejected" %}\n{{ oops }}{% endif %}x')
        assert Renderer(folder).check() == [Problem(str(path), 2, "'oops' is undefined")]

    def test_a_file_that_is_not_utf_8_is_told(self, folder: Path) -> None:
        path = folder / "ru" / "received" / "subject.j2"
        path.parent.mkdir(parents=True)
        path.write_bytes("Принято".encode("cp1251"))
        (problem,) = Renderer(folder).check()
        assert problem.path == str(path)
        assert "cannot be read as UTF-8" in problem.message

    def test_everything_in_use_is_listed(self, folder: Path) -> None:
        path = write(folder, "nsk/ru/received/subject.j2", "x")
        found = Renderer(folder).found()
        assert found["nsk/ru/received/subject.j2"] == path
        assert "ru/received/subject.j2" in found
        assert "layout.html.j2" in found
