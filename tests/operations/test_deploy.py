"""What is shipped for running it: alert rules, the unit of systemd, the recipe of a container."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operations.conftest import Start

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/otklik-alerts.yml"
UNIT = ROOT / "deploy/otklik.service"
RECIPE = ROOT / "deploy/Containerfile"

RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
OTHERS = {"up"}
"""Figures that are Prometheus' own."""

_SERIES = re.compile(r"\b(otklik_[a-z_]+|up)\b(?:\{([^}]*)\})?")


def headings() -> set[str]:
    page = re.sub(r"^```.*?^```", "", (ROOT / "docs/operating.md").read_text(encoding="utf-8"), flags=re.M | re.S)
    found = re.findall(r"^#+ +(.+)$", page, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


MAILBOX = '\n[mailbox.help]\nport = 1\ntls = "none"\npassword = "x"\n'
"""One nobody answers at."""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch("Otklik[A-Z][A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("page", "ticket", "info")
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/operating.md"
    assert anchor in headings()
    assert rule["expr"].count("(") == rule["expr"].count(")")


async def test_every_figure_an_alert_names_is_there(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file, MAILBOX)
    await running.send()
    await running.make()
    there: dict[str, set[tuple[str, str]]] = {}
    for name, labels in await running.figures():
        there.setdefault(name, set()).update(labels)
    for rule in RULES:
        named = [found for found in _SERIES.findall(rule["expr"]) if found[0] not in OTHERS]
        assert named or "up" in rule["expr"]
        for name, selector in named:
            assert name in there, f"{rule['alert']}: there is no figure {name}"
            for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', selector):
                assert label in {key for key, _ in there[name]}, f"{rule['alert']}: {name} has no label {label}"
                if operator == "=":
                    assert (label, value) in there[name], f"{rule['alert']}: {name} has no {label}={value}"


def test_a_name_is_given_once() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


# ---- systemd ------------------------------------------------------------------------------------------------------


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_is_notified_reloaded_and_stopped_as_the_program_does_it() -> None:
    found = directives()
    assert found["Type"] == ["notify"]
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert found["KillSignal"] == ["SIGTERM"]
    assert found["WatchdogSec"]
    # a little more than serve.grace
    assert int(found["TimeoutStopSec"][0]) > 10


@pytest.mark.peers
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    program = shutil.which("true") or "/bin/true"
    unit = tmp_path / "otklik.service"
    text = UNIT.read_text(encoding="utf-8").replace("/opt/otklik/.venv/bin/otklik", program)
    unit.write_text(text, encoding="utf-8")
    looked = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (looked.returncode, looked.stderr) == (0, "")
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    judged = subprocess.run(security, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout


# ---- the container ------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", RECIPE.read_text(encoding="utf-8"), flags=re.M)
    text = re.sub(r"\\\n\s*", " ", text)
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())]


def test_the_image_holds_what_the_lock_says_and_nothing_that_builds() -> None:
    stages = "\n".join(f"{word} {rest}" for word, rest in instructions()).split("FROM ")[1:]
    assert len(stages) == 2
    build, image = stages
    for demanded in ("--require-hashes", "--no-deps", "--only-binary=:all:", "-r requirements/runtime.txt"):
        assert demanded in build
    assert "pip" not in image
    assert "COPY --from=build" in image


def test_the_image_is_nobody_in_particular_and_says_how_it_is() -> None:
    found = dict(instructions())
    assert found["USER"] == "10001:10001"
    assert "/readyz" in found["HEALTHCHECK"]
    assert found["ENTRYPOINT"] == '["otklik"]'
    assert found["STOPSIGNAL"] == "SIGTERM"
    assert "ADD" not in found
    assert all(":latest" not in rest for _, rest in instructions())


def test_no_secret_and_no_history_gets_into_the_image() -> None:
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    for each in (".*", "otklik.toml", "*.sqlite*", "*.pem", "*.key", "tests", "build"):
        assert each in ignored


def test_what_the_image_copies_is_the_whole_program() -> None:
    ignored = {line.rstrip("/") for line in (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()}
    for package in ("tickets", "channels", "router", "storage", "outbound", "templates", "desk", "web", "gateway"):
        assert package not in ignored
