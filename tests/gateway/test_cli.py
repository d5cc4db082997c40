"""The command line: quick help, options anywhere, one line instead of a traceback, exit status 0, 1 or 2."""

from __future__ import annotations

import importlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import typer

from gateway import __version__, cli
from gateway.commands.frame import Frame, Refused, frame_of, new_group

ROOT = Path(__file__).parents[2]

HEAVY = {"pydantic", "sqlalchemy", "aiohttp", "asyncio", "jinja2", "holidays", "babel", "structlog", "rich", "aiosmtpd"}

MAIL = "From: Иван <ivan@example.ru>\nSubject: Printer\nMessage-ID: <1@example.ru>\n\nIt does not print.\n"


def otklik(*arguments: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=50,
    )


def refused(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line on the error stream."""
    assert done.returncode == status
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def test_help_names_every_command() -> None:
    done = otklik("--help")
    assert done.returncode == 0
    for name, line in cli.COMMANDS.items():
        assert name in done.stdout
        assert line in " ".join(done.stdout.split())


def test_help_imports_nothing_heavy() -> None:
    code = "import sys\ntry:\n  import gateway.cli as c; c.run(['--help'])\nexcept SystemExit: print('|', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, encoding="utf-8")
    loaded = {name.partition(".")[0] for name in done.stdout.rpartition("|")[2].split()}
    assert not loaded & HEAVY


def test_a_database_somebody_else_is_writing_to_is_told_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "otklik.toml"
    config.write_text(f'[database]\nurl = "sqlite:///{tmp_path}/o.sqlite"\nlock_timeout = "0.2 s"\n')
    assert otklik("db", "upgrade", "--config", str(config)).returncode == 0
    with closing(sqlite3.connect(tmp_path / "o.sqlite", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        done = otklik("ticket", "list", "--json", "--config", str(config))
    assert done.stdout == ""
    assert "locked" in refused(done, 1)


def test_the_version_is_the_packages() -> None:
    assert otklik("--version").stdout == f"otklik {__version__}\n"
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["chek"], "otklik: there is no command 'chek'; did you mean check?"),
        (["xyz"], "otklik: there is no command 'xyz'; see --help"),
        (["--nope"], "otklik: No such option: --nope See: otklik --help"),
        (["inspect"], "otklik: Missing argument 'PATH'. See: otklik inspect --help"),
        (["inspect", "--config"], "otklik: --config needs the name of a settings file after it"),
        (["inspect", "no/such/file"], "otklik: no/such/file: there is no such file or folder"),
    ],
)
def test_bad_usage_is_one_line(arguments: list[str], line: str) -> None:
    assert refused(otklik(*arguments), 2) == line


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"gateway.commands.{name}")
    assert isinstance(module.app, typer.Typer)
    with pytest.raises(SystemExit) as end:
        cli.run([name, "--help"])
    assert end.value.code == 0
    assert "--config FILE" in capsys.readouterr().out


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """A command `check` that reads the settings and then does what it is told."""
    app = new_group("Probe.")

    @app.command()
    def see(context: typer.Context, then: str = "") -> None:
        frame = frame_of(context)
        prefix = frame.settings.site.prefix
        if then == "refuse":
            raise Refused("the answer\nis no")
        if then == "break":
            raise ZeroDivisionError("of all things")
        frame.answer({"prefix": prefix}, prefix)

    class Module:
        pass

    module = Module()
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: module)
    return app


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.run(list(arguments))
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "FILE", "--json", "check", "see"],
        ["check", "--json", "see", "--config=FILE"],
        ["check", "see", "--config", "FILE", "--json"],
    ],
)
@pytest.mark.usefixtures("probe")
def test_settings_and_json_are_taken_everywhere(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[site]\nprefix = "NSK"')
    assert run(*(word.replace("FILE", str(file)) for word in arguments)) == 0
    assert json.loads(capsys.readouterr().out) == {"prefix": "NSK"}


@pytest.mark.usefixtures("probe")
def test_wrong_settings_end_with_2_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[site]\nprefix = "nsk"')
    assert run("check", "see", "--config", str(file)) == 2
    assert capsys.readouterr().err == (
        f"otklik: {file}:2: site.prefix: expected two to six capital Latin letters and digits, a letter first, "
        'such as "MSK"; got "nsk"\n'
    )


@pytest.mark.usefixtures("probe")
def test_a_no_ends_with_1_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "see", "--then", "refuse") == 1
    assert capsys.readouterr().err == "otklik: the answer is no\n"


@pytest.mark.usefixtures("probe")
def test_a_mistake_of_ours_is_one_line_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("check", "see", "--then", "break") == 1
    line = capsys.readouterr().err
    assert line.startswith("otklik: internal error ")
    assert "ZeroDivisionError: of all things" in line
    assert line.count("\n") == 1
    monkeypatch.setenv("OTKLIK_TRACEBACK", "1")
    run("check", "see", "--then", "break")
    assert "Traceback" in capsys.readouterr().err


def test_a_list_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Frame(as_json=True).rows(["а", "б"], str, lambda item: {"name": item})
    assert capsys.readouterr().out == '{"name": "а"}\n{"name": "б"}\n'


def test_inspect_tells_what_it_would_make_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.eml").write_text(MAIL)
    (tmp_path / "a.eml").write_text(MAIL.replace("Printer", "Scanner"))
    done = otklik("inspect", str(tmp_path), "--json", "--lang", "en", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["message"]["subject"] for each in found] == ["Scanner", "Printer"]
    assert found[0]["kind"] == "human"
    assert not list(tmp_path.glob("*.sqlite*"))
    assert "Scanner" in otklik("inspect", str(tmp_path / "a.eml"), cwd=tmp_path).stdout
