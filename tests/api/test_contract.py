"""The running program held to its own description by Schemathesis, with every kind of token."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import contract
from bench.processes import Children


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_answer_is_a_described_one(database_url: str, tmp_path: Path) -> None:
    """Few examples, always the same; `make api-check` asks for more, and for others each time."""
    with Children(tmp_path / "logs") as children:
        verdicts = contract.check(database_url, tmp_path, children, examples=2, seed=1)
    assert len(verdicts) >= 9
    for verdict in verdicts:
        assert verdict.passed, verdict.printed
