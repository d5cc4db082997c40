"""Folders of mails held against what is right: `otklik inspect --score`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desk.scoring import Score, cases, score_folder, table, totals
from gateway import cli

Writer = Callable[..., bytes]


def run(arguments: list[str]) -> int:
    """The exit status of the program."""
    with pytest.raises(SystemExit) as left:
        cli.run(arguments)
    return int(left.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, mail: Writer) -> Callable[..., Path]:
    """A folder with one mail, and the cases about it."""

    def made(*lines: dict[str, Any]) -> Path:
        (tmp_path / "one.eml").write_bytes(mail("Не печатает".encode()))
        (tmp_path / "one.txt").write_text("Да\n\n05.06.2024, 12:30, Служба <desk@example.ru>:\n> Нет\n")
        (tmp_path / "expect.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return tmp_path

    return made


@pytest.mark.parametrize(
    "expect, check, right",
    [
        ({"accept": True}, "accept", True),
        ({"accept": False}, "accept", False),
        ({"subject": "Printer"}, "subject", True),
        ({"subject": "Pr\ufffdnter"}, "subject", True),
        ({"subject": "printer"}, "subject", False),
        ({"from_addr": "anna@example.ru"}, "from", True),
        ({"from_name": "Ivan"}, "from_name", False),
        ({"body_text": "Не  печатает"}, "body", True),
        ({"body_text": "Не печатает принтер"}, "body", False),
        ({"body_contains": ["печатает"]}, "body", True),
        ({"attachments": []}, "attachments", True),
        ({"attachments_min": [{"name": "a.pdf"}]}, "attachments", False),
        ({"no_ack": True}, "no_ack", False),
        ({"no_ack": False}, "ack", True),
        ({"bounce": False}, "not_bounce", True),
        ({"bounce": True}, "bounce", False),
        ({"bounce_recipients": ["a@b.ru"]}, "bounce_recipients", False),
        ({"ooo": True}, "out_of_office", False),
        ({"feedback_report": True}, "feedback_report", False),
        ({"filename_safe": True}, "filename_safe", True),
    ],
)
def test_checks(folder: Callable[..., Path], expect: dict[str, Any], check: str, right: bool) -> None:
    score = Score()
    score_folder(folder({"id": "x/1", "file": "one.eml", "expect": expect}), score)
    assert (score.asked[check], score.right[check]) == (1, int(right))
    assert [one["check"] for one in score.wrong] == ([] if right else [check])
    assert score.crashes == 0


@pytest.mark.parametrize(
    "expect, right",
    [
        ({"reply_text": "Да"}, True),
        ({"reply_text": "Да Нет"}, False),
        ({"reply_contains": ["Да"], "reply_excludes": ["Нет"]}, True),
        ({"reply_excludes": ["Да"]}, False),
        ({"reply_is_whole_body": True}, False),
        ({"not_empty": True}, True),
    ],
)
def test_replies(folder: Callable[..., Path], expect: dict[str, Any], right: bool) -> None:
    score = Score()
    path = folder({"id": "x/1", "file": "one.txt", "expect": expect})
    score_folder(path, score)
    assert score.share(f"reply:{path.name}") == right
    assert totals({"x": score}).share("reply") == right


@pytest.mark.parametrize(
    "line, form",
    [
        ({"file": "a.txt", "expect": {"reply_text": "x"}}, "text"),
        ({"file": "a.html", "expect": {"reply_text": "x"}}, "html"),
        ({"file": "a.txt", "kind": "html", "expect": {"not_empty": True}}, "html"),
        ({"file": "a.eml", "expect": {"reply_text": "x"}}, "mail"),
        ({"file": "a.txt", "kind": "eml", "expect": {"reply_text": "x"}}, "mail"),
        ({"file": "a.txt", "expect": {"accept": True}}, "mail"),
        ({"file": "a", "expect": {"subject": "x"}}, "mail"),
    ],
)
def test_what_a_file_holds(folder: Callable[..., Path], line: dict[str, Any], form: str) -> None:
    assert [case.form for case in cases(folder(line))] == [form]


def test_the_command(folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = folder({"id": "x/1", "file": "one.eml", "expect": {"subject": "Printer", "from_name": "Ivan"}},
                  {"id": "x/2", "payload": "no mail", "expect": {"inert": True}})  # fmt: skip
    assert run(["inspect", "--score", str(path)]) == 0
    told = capsys.readouterr().out
    assert "100.0%" in told
    assert "wrong: from_name x/1" in told
    assert run(["--json", "inspect", "--score", str(path)]) == 0
    total = json.loads(capsys.readouterr().out)["total"]
    assert total["checks"]["subject"] == {"right": 1, "asked": 1, "share": 1.0}
    assert total["crashes"] == 0


@pytest.mark.parametrize("line", ["no json", "[]", '{"file": "one.eml"}', '{"file": 1, "expect": {}}'])
def test_lines_that_are_no_cases_are_named(
    folder: Callable[..., Path], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder()
    (path / "expect.jsonl").write_text("\n" + line)
    assert run(["inspect", "--score", str(path)]) == 2
    assert "expect.jsonl:2" in capsys.readouterr().err
    (path / "expect.jsonl").unlink()
    assert run(["inspect", "--score", str(path)]) == 2


def test_a_mail_the_reader_breaks_on_is_a_crash(folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("desk.scoring.inspect_file", broken)
    path = folder({"id": "x/1", "file": "one.eml", "expect": {"accept": True}})
    score = Score()
    score_folder(path, score)
    assert score.crashes == 1
    assert "no_crash" in table(score)
    assert run(["inspect", "--score", str(path)]) == 1
