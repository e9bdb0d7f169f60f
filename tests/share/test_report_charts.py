from __future__ import annotations

import math
import re
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etm_lightning.share.charts import (
    COLOURS,
    Line,
    Scale,
    heat_table,
    labels,
    line_chart,
    powers,
    short,
    thin,
    ticks,
)
from etm_lightning.share.report_html import duration, element, number, scalar, yaml
from tests.share.report_page import parse

Floats = npt.NDArray[np.float64]
VALUES = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(VALUES, max_size=400), st.integers(8, 100))
def test_thinning_keeps_ends_extremes_and_every_kind_of_odd_value(values: list[float], most: int) -> None:
    spots = [(float(step), value) for step, value in enumerate(values)]
    kept = thin(spots, most)
    assert [step for step, _ in kept] == sorted({step for step, _ in kept})
    assert all(
        spots[int(step)] is spot or spots[int(step)] == spot
        for step, _ in kept
        for spot in [spots[int(step)]]
    )
    assert len(kept) <= max(most, 7 * max(1, most // 4))
    if spots:
        assert (kept[0][0], kept[-1][0]) == (0, len(spots) - 1)
        finite = [value for value in values if math.isfinite(value)]
        left = [value for _, value in kept if math.isfinite(value)]
        assert not finite or (min(left), max(left)) == (min(finite), max(finite))
        assert {str(v) for _, v in kept if not math.isfinite(v)} == {
            str(v) for v in values if not math.isfinite(v)
        }


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_ticks_are_few_round_and_cover_the_range(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    found = ticks(low, high)
    assert 1 <= len(found) <= 11
    assert found == sorted(found)
    slack = (high / 2 - low / 2) * 1e-6
    assert found[0] <= low + slack
    assert found[-1] >= high - slack or low == high


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
def test_powers_of_ten_cover_the_range(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    found = powers(low, high)
    assert found[0] <= low * (1 + 1e-9)
    assert found[-1] >= high * (1 - 1e-9)
    assert len(found) <= 9


@given(st.lists(st.tuples(st.integers(0, 2**62).map(float), VALUES), max_size=20))
def test_any_values_can_be_drawn(spots: list[tuple[float, float]]) -> None:
    svg = line_chart("loss", [Line("a", sorted(spots, key=lambda spot: spot[0]))])
    parse(svg)
    coordinates = [
        float(n) for path in re.findall(r' d="([^"]*)"', svg) for n in re.findall(r"-?[\d.]+|nan|inf", path)
    ]
    assert all(-1 <= n <= 361 for n in coordinates)


def test_a_wide_positive_range_is_drawn_on_a_log_scale() -> None:
    assert "log scale" in line_chart("loss", [Line("a", [(0, 1e-3), (1, 10.0)])])
    assert "log scale" not in line_chart("loss", [Line("a", [(0, 0.0), (1, 10.0)])])


def test_a_line_breaks_where_a_value_is_not_finite() -> None:
    svg = parse(
        line_chart("loss", [Line("a", [(0, 1.0), (1, 2.0), (2, math.nan), (3, 1.0), (4, -math.inf)])])
    )
    assert svg.all("path")[0].attributes["d"].count("M") == 2
    assert [sign.text for sign in svg.all("text", class_="sign")] == ["×", "▼"]


def test_a_scale_maps_its_ends_to_the_ends() -> None:
    scale = Scale(-1.7e308, 1.7e308, 0, 100)
    assert (scale(-1.7e308), scale(0.0), scale(1.7e308)) == (0, 50, 100)
    assert Scale(3, 3, 0, 100)(3) == 50


def test_a_class_without_examples_has_neither_recall_nor_precision() -> None:
    table = parse(heat_table(["a", "b"], [[3, 0], [0, 0]], caption="c"))
    assert table.one("tbody").all("tr")[1].all("td")[-1].text == "—"
    assert table.one("tfoot").all("td")[1].text == "—"


@pytest.mark.parametrize("name", ["light", "dark"])
def test_colours_are_told_apart_by_everybody(name: str) -> None:
    """With normal sight and three kinds of dichromacy (Machado et al., 2009, doi:10.1109/TVCG.2009.113)."""
    css = files("etm_lightning.share").joinpath("report.css").read_text(encoding="utf-8")
    root = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[("light", "dark").index(name)]
    colours = [_linear(re.findall(rf"--c{n}: #(\w{{6}})", root)[0]) for n in range(COLOURS)]
    paper = _linear({"fff": "ffffff"}.get(found := re.findall(r"--paper: #(\w+)", root)[0], found))
    assert all(_contrast(colour, paper) >= 3 for colour in colours)
    for sight in SIGHTS:
        seen = [_oklab(np.array(sight) @ colour) for colour in colours]
        near = min(float(np.linalg.norm(a - b)) for n, a in enumerate(seen) for b in seen[:n])
        assert near >= 0.08


SIGHTS = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
)


def _linear(colour: str) -> Floats:
    c = np.array([int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _contrast(a: Floats, b: Floats) -> float:
    light, dark = sorted((float(np.dot(one, [0.2126, 0.7152, 0.0722])) for one in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _oklab(rgb: Floats) -> Floats:
    lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    found: Floats = lab @ np.cbrt(lms @ np.clip(rgb, 0, 1))
    return found


@given(st.text())
def test_any_text_comes_out_of_the_page_as_it_went_in(text: str) -> None:
    fit = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
    node = parse(element("p", text, title=text)).one("p")
    assert node.text == fit
    assert node.attributes["title"] == fit


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.recursive(PLAIN, lambda some: st.lists(some) | st.dictionaries(st.text(), some), max_leaves=20))
def test_settings_are_written_as_yaml_that_others_read(value: object) -> None:
    reader = pytest.importorskip("yaml", reason="PyYAML comes with hydra-core")
    assert reader.safe_load(yaml(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "Yes",
        "1e5",
        "1.0",
        ".5",
        "a: b",
        "a #b",
        "- a",
        " a",
        "",
        "2020-01-01",
        "~",
        "=",
        "0x1f",
        "a:",
    ],
)
def test_texts_that_look_like_something_else_are_quoted(text: str) -> None:
    assert scalar(text).startswith('"')


@given(st.floats(-1e300, 1e300))
def test_a_number_keeps_four_digits(value: float) -> None:
    shown = number(value).replace("−", "-").replace(",", "")
    assert math.isclose(float(shown), value, rel_tol=5.1e-4, abs_tol=0)


@given(st.floats(0, 1e9))
def test_durations_never_show_sixty_of_anything(seconds: float) -> None:
    words = duration(seconds).split()
    assert not {("60", "s"), ("60", "min"), ("24", "h")} & set(zip(words[::2], words[1::2], strict=True))


@given(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15))
def test_tick_labels_are_told_apart(a: float, b: float) -> None:
    found = labels(ticks(min(a, b), max(a, b)))
    assert len(set(found)) == len(found)


@given(st.integers(1, 9), st.integers(-30, 30))
def test_labels_of_round_ticks_fit_beside_the_chart(digit: int, power: int) -> None:
    assert len(short(-float(f"{digit}e{power}"))) <= 7
