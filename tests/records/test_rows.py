"""The short way to write numbers leaves the very bytes of the long one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from etm_lightning.journal import Journal
from etm_lightning.reading import writers
from etm_lightning.records import Scalars, milliseconds

pytestmark = pytest.mark.usefixtures("_both_ways")
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.builds(
    Scalars,
    time=NUMBERS,
    step=st.integers(-(1 << 40), 1 << 40),
    axis=st.sampled_from(["step", "eval_batch"]),
    epoch=st.none() | st.integers(0, 1000),
    stage=st.sampled_from(["", "train", "validate"]),
    values=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8), NUMBERS, max_size=5
    ),
)


def append_row(journal: Journal, row: Scalars) -> None:
    if journal.append_row(row.time, row.step, row.axis, row.epoch, row.stage, row.values) is None:
        journal.append(replace(row, time=milliseconds(row.time)))


def lines(folder: Path) -> list[bytes]:
    [[segment]] = writers(folder).values()
    return segment.read_bytes().splitlines()[1:]  # the header names its writer


@given(st.lists(ROWS, max_size=5))
def test_both_ways_write_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, history: list[Scalars]
) -> None:
    folder = tmp_path_factory.mktemp("both")
    one = Journal(folder / "one", run="r", attempt=1, keep_bytes=1 << 20)
    other = Journal(folder / "other", run="r", attempt=1)
    for row in [Scalars(time=0.0, step=0), *history]:
        append_row(one, row)
        other.append(replace(row, time=milliseconds(row.time)))
    one.close()
    other.close()
    assert lines(folder / "one") == lines(folder / "other")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_have_is_refused_whole(tmp_path: Path, bad: float) -> None:
    journal = Journal(tmp_path, run="r", attempt=1)
    append_row(journal, Scalars(time=1.0, step=0, values={"a": 1e308, "b": 1e308, "c": 1e308}))
    with pytest.raises(ValueError, match="finite"):
        append_row(journal, Scalars(time=1.0, step=1, values={"a": 1.0, "b": bad}))
    journal.close()
    assert len(lines(tmp_path)) == 1


@given(st.floats(0, 4e9))
def test_a_time_is_cut_to_the_millisecond_once_and_in_order(time: float) -> None:
    cut = milliseconds(time)
    assert time - 0.001 < cut <= time + 1e-6
    assert milliseconds(cut) == cut
