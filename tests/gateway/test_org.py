"""`otklik org`: files into the database and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import gateway
from gateway import cli

SAMPLE = Path(gateway.__file__).parent / "sample" / "organisation.toml"

Otklik = Callable[..., tuple[int, str, str]]


@pytest.fixture
def otklik(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Otklik:
    """Run `otklik org …` in an empty folder: status, what it printed, what it complained of."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "one.toml": '[[customer]]\ncode = "romashka"\nname = "Ромашка"\nphones = ["84950001234"]\n',
        "two.csv": "code,name\nlutik,Лютик\n",
        "bad.toml": '[[customer]]\ncode = "mak"\nname = "Мак"\nvip = "yes"\nphones = ["nine"]\n',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "1251.csv").write_bytes("code,name\nlutik,Лютик\n".encode("cp1251"))

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.run(["org", *arguments])
        printed = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, printed.out, printed.err

    return run


def test_a_dry_run_tells_and_stores_nothing(otklik: Otklik) -> None:
    for _ in range(2):
        status, out, _ = otklik("import", "one.toml", "two.csv", "--dry-run")
        assert status == 0
        assert out.splitlines() == [
            "+ customer romashka: Ромашка",
            "+ customer lutik: Лютик",
            "2 added, 0 changed, 0 removed, 0 unchanged",
            "nothing was stored (--dry-run)",
        ]


def test_an_import_is_stored_once(otklik: Otklik) -> None:
    versions = [json.loads(otklik("import", "one.toml", "--json")[1]) for _ in range(2)]
    assert [(document["version"], document["added"], document["unchanged"]) for document in versions] == [
        (1, 1, 0),
        (1, 0, 1),
    ]


def test_replace_removes_what_no_file_lists(otklik: Otklik) -> None:
    otklik("import", "one.toml", "two.csv")
    assert "kept: romashka" in otklik("import", "two.csv")[1]
    assert "- customer romashka: Ромашка" in otklik("import", "two.csv", "--replace")[1]


def test_an_export_imports_back(otklik: Otklik, tmp_path: Path) -> None:
    assert otklik("import", str(SAMPLE))[0] == 0
    assert otklik("export", "--output", "copy.toml") == (0, "written to copy.toml\n", "")
    assert otklik("export")[1] == (tmp_path / "copy.toml").read_text(encoding="utf-8")
    assert otklik("import", "copy.toml", "--replace")[1] == "0 added, 0 changed, 0 removed, 39 unchanged\n"


REFUSED = {
    "every mistake on a line": (
        ["import", "bad.toml"],
        (
            'otklik: bad.toml:4: customer mak: vip: expected true or false; got "yes"\n'
            'otklik: bad.toml:5: customer mak: phones: expected a phone number such as "+7 495 000-12-34"; got "nine"\n'
        ),
    ),
    "the same twice": (
        ["import", "one.toml", "one.toml"],
        (
            "otklik: one.toml:2: customer romashka: code: one.toml:1: customer romashka has it already; "
            "give one of them another code\n"
        ),
    ),
    "a file that is not there": (
        ["import", "none.toml"],
        "otklik: none.toml: cannot be read: No such file or directory\n",
    ),
    "a spreadsheet in another encoding": (
        ["import", "1251.csv"],
        "otklik: 1251.csv: is not UTF-8 at byte 16; save it as UTF-8\n",
    ),
    "a folder that is not there": (
        ["export", "--output", "none/copy.toml"],
        "otklik: none/copy.toml: cannot be written: No such file or directory\n",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_ends_with_2_and_the_mend(case: str, otklik: Otklik) -> None:
    arguments, expected = REFUSED[case]
    assert otklik(*arguments) == (2, "", expected)
