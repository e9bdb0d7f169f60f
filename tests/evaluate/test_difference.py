"""A difference of two settings is the one that textbooks compute."""

from __future__ import annotations

import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_lightning.evaluate.difference import difference

VALUES = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=6)


def test_the_paired_example_of_a_textbook() -> None:
    # Student's sleep data: extra hours of ten patients under two drugs (Biometrika 6, 1908)
    one = dict(enumerate([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]))
    two = dict(enumerate([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]))
    found = difference(one, two)
    assert found.mean == pytest.approx(1.58)
    assert found.ci == pytest.approx((0.7001142, 2.4598858))
    assert found.p == pytest.approx(0.002833, abs=1e-6)


def test_the_same_patients_as_two_samples() -> None:
    one = {("a", k): v for k, v in enumerate([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])}
    two = {("b", k): v for k, v in enumerate([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])}
    found = difference(one, two)
    assert found.ci == pytest.approx((-0.2054832, 3.3654832))
    assert found.p == pytest.approx(0.07939414)
    assert found.test == "Welch's t-test, 10 and 10 runs"


@settings(max_examples=50)
@given(VALUES, VALUES)
def test_it_is_what_scipy_computes(a: list[float], b: list[float]) -> None:
    from scipy import stats

    one, two = {("a", k): v for k, v in enumerate(a)}, {("b", k): v for k, v in enumerate(b)}
    found = difference(one, two)
    if found.ci is None:
        assert len(set(a)) == len(set(b)) == 1
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = stats.ttest_ind(b, a, equal_var=False)
        low, high = known.confidence_interval(0.95)
    assert found.p == pytest.approx(known.pvalue, abs=1e-9)
    assert found.ci == pytest.approx((low, high), rel=1e-6, abs=1e-6)


@settings(max_examples=50)
@given(VALUES, VALUES)
def test_the_other_way_round_it_is_the_negative(a: list[float], b: list[float]) -> None:
    one, two = {("a", k): v for k, v in enumerate(a)}, {("b", k): v for k, v in enumerate(b)}
    found, back = difference(one, two), difference(two, one)
    assert found.mean == pytest.approx(-back.mean, abs=1e-9)
    if found.ci and back.ci and found.p is not None:
        assert found.ci == pytest.approx((-back.ci[1], -back.ci[0]), abs=1e-6)
        assert found.ci[0] <= found.mean <= found.ci[1]
        assert (found.p < 0.05) == (found.ci[0] * found.ci[1] > 0) or math.isclose(
            found.p, 0.05, abs_tol=1e-6
        )


@pytest.mark.parametrize(
    ("one", "two", "says"),
    [
        ({1: 0.5}, {1: 0.6, 2: 0.7}, "a single run"),
        ({1: 0.5, 2: 0.6}, {1: 0.6, 2: 0.7}, "no spread"),
        ({1: 0.5, 2: 0.5}, {3: 0.6, 4: 0.6}, "no spread"),
    ],
)
def test_where_nothing_can_be_said_nothing_is(
    one: dict[int, float], two: dict[int, float], says: str
) -> None:
    found = difference(one, two)
    assert (found.ci, found.p) == (None, None)
    assert says in found.test
