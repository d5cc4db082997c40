"""`otklik db`: upgrade, backup and restore from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from storage import schema

Otklik = Callable[..., tuple[int, str, str]]


@pytest.fixture
def otklik(monkeypatch: pytest.MonkeyPatch, database_url: str, capsys: pytest.CaptureFixture[str]) -> Otklik:
    """`otklik(*words)`: run the program on an empty database; exit status, output, complaints."""
    monkeypatch.setenv("OTKLIK_DATABASE__URL", database_url)
    monkeypatch.delenv("OTKLIK_CONFIG", raising=False)

    def run(*words: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.run([str(word) for word in words])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_upgrade_tells_what_it_applied(otklik: Otklik) -> None:
    status, out, _ = otklik("db", "upgrade", "--json")
    assert (status, json.loads(out)) == (0, {"applied": list(schema.REVISIONS), "revision": schema.HEAD})
    assert otklik("db", "upgrade") == (0, f"the schema is at {schema.HEAD} already, nothing to do\n", "")


def test_a_copy_goes_out_and_comes_back(otklik: Otklik, tmp_path: Path) -> None:
    otklik("db", "upgrade")
    copy = tmp_path / "Копия"
    status, out, _ = otklik("db", "backup", copy, "--json")
    document = json.loads(out)
    assert status == 0
    assert document["file"] == str(copy)
    assert (document["revision"], document["rows"], document["size"]) == (schema.HEAD, {}, copy.stat().st_size)

    status, out, _ = otklik("db", "restore", copy)
    assert status == 0
    assert out.startswith(f"brought back 0 rows from {copy} to ")


def test_a_no_is_one_line(otklik: Otklik, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Здравствуйте!")
    assert otklik("db", "restore", tmp_path / "letter") == (
        1,
        "",
        f"otklik: {tmp_path / 'letter'} is not a copy of a database\n",
    )
    assert otklik("db", "backup", tmp_path)[2] == f"otklik: {tmp_path} is a folder: name a file in it\n"


def test_a_database_that_is_away_is_one_line_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTKLIK_DATABASE__URL", "postgresql://otklik:secret@127.0.0.1:1/otklik")
    with pytest.raises(SystemExit) as left:
        cli.run(["db", "upgrade"])
    said = capsys.readouterr().err
    assert left.value.code == 1
    assert "://otklik:***@127.0.0.1:1/otklik cannot be used: " in said
    assert "secret" not in said
    assert said.count("\n") == 1
