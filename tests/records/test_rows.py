"""The short way to write numbers leaves the very bytes of the long one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etm_lightning.headline import Headline
from etm_lightning.journal import Journal, Latest
from etm_lightning.lines import unseal
from etm_lightning.reading import writers
from etm_lightning.records import Scalars, milliseconds

pytestmark = pytest.mark.usefixtures("_both_ways")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
Row = tuple[float, int, str, int | None, str, dict[str, float]]
ROWS = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(1 << 40), 1 << 40),
    st.sampled_from(["step", "eval_batch"]),
    st.none() | st.integers(0, 1000),
    st.sampled_from(["", "train", "validate"]),
    st.dictionaries(NAMES | st.sampled_from("abc"), st.floats(), max_size=5),
)


def record(row: Row) -> Scalars:
    return Scalars.of(*row)


def lines(folder: Path) -> list[bytes]:
    [[segment]] = writers(folder).values()
    return segment.read_bytes().splitlines()[1:]  # the header names its writer


def told(latest: Latest) -> str:
    """The values of each place, in their order; NaN is like NaN."""
    return repr(sorted((place, list(values.items())) for place, values in latest.items() if values))


@given(st.lists(ROWS, max_size=5))
def test_both_ways_write_the_same_bytes_and_tell_the_same_values(
    tmp_path_factory: pytest.TempPathFactory, history: list[Row]
) -> None:
    folder = tmp_path_factory.mktemp("both")
    headline = Headline()
    one = Journal(folder / "one", run="r", attempt=1, keep_bytes=1 << 20)
    other = Journal(folder / "other", run="r", attempt=1, latest=headline.latest)
    for row in [(0.0, 0, "step", None, "", {"b": math.nan, "a": 0.5}), *history]:
        if one.append_row(*row) is None:
            one.append(record(row))
        else:
            headline.take(record(row))
        other.append(record(row))
    for journal in (one, other):
        journal.tell_latest()
        journal.close()
    assert lines(folder / "one") == lines(folder / "other")
    assert told(one.latest) == told(other.latest)


def test_values_that_json_has_no_number_for_go_the_short_way(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="r", attempt=1)
    rows: list[dict[str, float]] = [
        {"a": math.nan, "b": 0.5, "c": -math.inf, "d": 1.0, "e": math.inf, "f": -math.nan},
        {"a": math.nan},
        {"b": 0.5},
        {"a": 1e308, "b": 1e308, "c": 1e308},
    ]
    for step, values in enumerate(rows):
        assert journal.append_row(1.0, step, "step", None, "train", values) is not None
    journal.close()
    assert [line.partition(b'"g":"train",')[2] for line in lines(tmp_path)] == [
        b'"v":{"b":0.5,"d":1.0},"x":{"a":"nan","c":"-inf","e":"inf","f":"nan"}}',
        b'"x":{"a":"nan"}}',
        b'"v":{"b":0.5}}',
        b'"v":{"a":1e308,"b":1e308,"c":1e308}}',
    ]
    journal.tell_latest()
    known = journal.latest["train", "step"]
    assert list(known) == ["b", "d", "a", "c", "e", "f"]  # as the first record has them
    assert repr([*known.values()]) == "[1e+308, 1.0, 1e+308, 1e+308, inf, nan]"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_not_finite_is_refused_and_takes_no_number(tmp_path: Path, bad: float) -> None:
    journal = Journal(tmp_path, run="r", attempt=1)
    assert journal.append_row(bad, 0, "step", None, "train", {"a": 1.0, "b": math.nan}) is None
    with pytest.raises(ValueError, match="finite"):
        journal.append(Scalars(time=bad, step=0, values={"a": 1.0}))
    assert journal.append_row(1.0, 0, "step", None, "train", {"a": 1.0}) is not None
    journal.close()
    assert [unseal(line) for line in lines(tmp_path)] == [
        (1, Scalars(time=1.0, step=0, stage="train", values={"a": 1.0}))
    ]


@given(st.floats(0, 4e9))
def test_a_time_is_cut_to_the_millisecond_once_and_in_order(time: float) -> None:
    cut = milliseconds(time)
    assert time - 0.001 < cut <= time + 1e-6
    assert milliseconds(cut) == cut
