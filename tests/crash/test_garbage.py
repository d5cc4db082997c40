"""Garbage by SMTP and HTTP: the program lives on, keeps what it accepted, and shows nobody a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.garbage import run


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_two_hundred_inputs(tmp_path: Path, database: str) -> None:
    report = run(database, 200, 20261121, tmp_path / "garbage")
    assert report.violations == []
    assert len(report.accepted) > 40
