"""The document of `otklik inspect --json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.inspection import in_words, inspect_file, inspect_paths

Writer = Callable[..., bytes]


def test_the_whole_document(tmp_path: Path, mail: Writer) -> None:
    raw = mail("Не печатает\r\n\r\n05.06.2024, 12:30, Служба <desk@example.ru>:\r\n> Добрый день\r\n".encode())
    path = tmp_path / "one.eml"
    path.write_bytes(raw)
    found = inspect_file(path, language="en")
    assert json.loads(json.dumps(found)) == {
        "file": str(path),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "message": {
            "message_id": "1@example.ru",
            "in_reply_to": [],
            "references": [],
            "subject": "Printer",
            "from": {"name": "Anna", "address": "anna@example.ru"},
            "to": [{"name": "", "address": "support@desk.example"}],
            "cc": [],
            "date": "2024-06-03T07:00:00+00:00",
            "text": "Не печатает\n\n05.06.2024, 12:30, Служба <desk@example.ru>:\n> Добрый день",
            "reply_text": "Не печатает",
            "html": "",
            "language": "ru",
            "attachments": [],
            "defects": ["charset_guessed:utf-8"],
        },
        "kind": "human",
        "acknowledge": True,
        "because": ["no sign of an automatic mail: a person writes"],
        "bounce": None,
        "quarantine": None,
    }


def test_a_mailbox_line_before_the_mail_is_left_out(tmp_path: Path, mail: Writer) -> None:
    path = tmp_path / "one.box"
    path.write_bytes(b"From anna@example.ru Mon Jun  3 10:00:00 2024\n" + mail(b"words").replace(b"\r\n", b"\n"))
    found = inspect_file(path)
    assert (found["message"]["subject"], found["message"]["text"]) == ("Printer", "words")


def test_the_envelope_may_be_given(tmp_path: Path, mail: Writer) -> None:
    path = tmp_path / "one.eml"
    path.write_bytes(mail())
    assert inspect_file(path)["acknowledge"]
    found = inspect_file(path, mail_from="<>", language="ru")
    assert not found["acknowledge"]
    assert found["because"] == ["пустой обратный путь: отвечать некому (RFC 5321)"]


@pytest.mark.parametrize(
    "form, body, reply",
    [
        ("text", "Да\n\n> Вопрос?\n", "Да"),
        ("html", "<p>Да</p><blockquote>Вопрос?</blockquote>", "Да"),
    ],
)
def test_bare_bodies(tmp_path: Path, form: str, body: str, reply: str) -> None:
    path = tmp_path / "body"
    path.write_bytes(body.encode())
    assert inspect_file(path, as_=form)["message"]["reply_text"] == reply


def test_what_is_no_mail_would_go_to_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(b"\x00\x01\x02")
    found = inspect_file(path)
    assert (found["quarantine"], found["message"], found["kind"]) == ("not_mail", None, None)


def test_folders_are_walked_in_order(tmp_path: Path, mail: Writer) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.eml", "a.eml", "b/1.eml"):
        (tmp_path / name).write_bytes(mail())
    assert [Path(found["file"]).name for found in inspect_paths([tmp_path])] == ["a.eml", "1.eml", "2.eml"]


def test_bad_usage_is_refused(tmp_path: Path, mail: Writer) -> None:
    path = tmp_path / "one.eml"
    path.write_bytes(mail())
    with pytest.raises(ValueError, match="ru, en"):
        inspect_file(path, language="fr")
    with pytest.raises(ValueError, match="mail, text or html"):
        inspect_file(path, as_="pdf")
    with pytest.raises(OSError, match="No such file"):
        inspect_file(tmp_path / "none.eml")


def test_every_code_has_words_in_both_languages() -> None:
    for language in ("ru", "en"):
        assert in_words("auto_submitted:auto-replied", language) != "auto_submitted:auto-replied"
        assert "{" not in in_words("header:list-id", language)
