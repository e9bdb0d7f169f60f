"""The page about faults names tests that exist, and leaves out no promise and no row of the matrix."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "faults.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(\w+/test_\w+)::(test_\w+)`", PAGE)
    assert len(named) > 60
    for file, test in named:
        assert f"def {test}(" in (TESTS / f"{file}.py").read_text(), f"{file}::{test}"


def test_what_the_page_calls_soak_is_run_by_make_soak_only() -> None:
    for file, test, soak in re.findall(r"`(\w+/test_\w+)::(test_\w+)`( \(soak\))?", PAGE):
        before = (TESTS / f"{file}.py").read_text().partition(f"def {test}(")[0].rpartition("\n\n")[2]
        assert ("pytest.mark.soak" in before) == bool(soak), test


def test_no_promise_and_no_row_is_left_out() -> None:
    assert re.findall(r"^\| P(\d+) \|", PAGE, re.MULTILINE) == [str(n) for n in range(1, 15)]
    assert re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE) == [str(n) for n in range(1, 48)]
