"""The column of searchable words: what does not fit into it is left out, whatever was written."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from storage.search_words import MOST_OCTETS, MOST_WORDS, Words

LITE: Any = sqlite.dialect
POSTGRES: Any = postgresql.dialect
LONG = " ".join(f"{place:06d}" + "\U00020000" * 42 for place in range(MOST_WORDS))


@pytest.mark.parametrize("dialect", [LITE(), POSTGRES()], ids=["sqlite", "postgresql"])
def test_long_words_of_a_far_script_stay_below_the_size_of_a_row(dialect: Any) -> None:
    bound = Words().process_bind_param(LONG, dialect)
    assert MOST_OCTETS / 2 < len(bound.encode()) < 1 << 20


def test_both_databases_keep_the_same_words() -> None:
    kept = Words().process_bind_param(LONG, LITE())
    bound = Words().process_bind_param(LONG, POSTGRES())
    assert Words().process_result_value(bound, POSTGRES()) == kept


def test_what_fits_is_kept_whole() -> None:
    assert Words().process_bind_param("касс не печата", LITE()) == "касс не печата"
