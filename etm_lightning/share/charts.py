"""Charts as SVG, readable without a script: lines over steps, and the heat table of a confusion matrix."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etm_lightning.share.report_html import Html, element, number

Spot = tuple[float, float]
"""Where something was measured, and the value; the value may be NaN or infinite."""

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 14, 34
COLOURS = 8
DASHES = 4
_DOTS = 12
_FAR = 1e300  # values beyond are drawn at the edge
SIGNS = {"nan": "×", "inf": "▲", "-inf": "▼"}


@dataclass(frozen=True)
class Line:
    """One run's curve. `colour` counts from 0, and None puts it in the background; `dash` 0 is solid."""

    label: str
    spots: Sequence[Spot]
    colour: int | None = 0
    dash: int = 0
    key: int = 0


@dataclass(frozen=True)
class Scale:
    """Maps values to a stretch of the drawing."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        # halves, so that the distance between the largest floats stays finite
        share = (at / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between `low` and `high`, both included: multiples of 1, 2 or 5 times a power of ten.

    >>> ticks(0.03, 0.98)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(0, 300)
    [0.0, 100.0, 200.0, 300.0]
    """
    if not high > low:
        return [low]
    rough = high / most - low / most
    if rough < max(abs(low), abs(high)) * 1e-10 or rough < 1e-300:  # less than what round numbers tell apart
        return [low, high]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10, 20) if power * n >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{n * step:.12g}") for n in range(first, last + 1)]


def powers(low: float, high: float, most: int = 5) -> list[float]:
    """Powers of ten from the one below `low` to the one above `high`.

    >>> powers(0.002, 30)
    [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, math.ceil((last - first) / (most + 1)))
    return [10.0**n for n in range(first, last + stride, stride) if -307 <= n <= 308]


def thin(spots: Sequence[Spot], most: int) -> list[Spot]:
    """About `most` spots that draw the same curve: of each bucket the first, last, lowest and highest one.

    Each kind of non-finite value a bucket holds is kept too, so no spike is lost.
    (M4 aggregation: Jugel et al., 2014, doi:10.14778/2732951.2732953.)

    >>> thin([(step, float(step == 700)) for step in range(1000)], 8)
    [(0, 0.0), (499, 0.0), (500, 0.0), (700, 1.0), (999, 0.0)]
    """
    if len(spots) <= most:
        return list(spots)
    buckets = max(1, most // 4)
    bounds = [len(spots) * n // buckets for n in range(buckets + 1)]
    keep = sorted({at for pair in itertools.pairwise(bounds) for at in _telling(spots, range(*pair))})
    return [spots[at] for at in keep]


def _telling(spots: Sequence[Spot], bucket: range) -> Iterator[int]:
    if not bucket:
        return
    yield from (bucket[0], bucket[-1])
    finite = [at for at in bucket if math.isfinite(spots[at][1])]
    if finite:
        yield min(finite, key=lambda at: spots[at][1])
        yield max(finite, key=lambda at: spots[at][1])
    yield from {str(spots[at][1]): at for at in bucket if not math.isfinite(spots[at][1])}.values()


def line_chart(title: str, lines: Sequence[Line], *, x_label: str = "step", summary: str = "") -> Html:
    """Curves over one axis, with round ticks; gaps and signs where a value is not finite.

    The vertical axis is logarithmic, and says so, if all values are positive and span a factor of 1,000.

    Args:
        title: what is measured.
        lines: background lines are drawn first, earlier lines over later ones.
        x_label: what the horizontal axis counts.
        summary: what a person who cannot see the chart should hear.
    """
    x, y, x_ticks, y_ticks = _scales(lines)
    back = [line for line in lines if line.colour is None]
    front = [line for line in lines if line.colour is not None][::-1]
    return element(
        "svg",
        element("title", f"{title} by {x_label}. {summary}".strip()),
        _grid(x, y, x_ticks, y_ticks),
        element(
            "text",
            f"{x_label}{' · log scale' if y.log else ''}",
            class_="axis",
            x=WIDTH - RIGHT,
            y=HEIGHT - 4,
            text_anchor="end",
        ),
        [_curve(line, x, y) for line in (*back, *front)],
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="chart",
        data_left=f"{x.low:.17g}",
        data_right=f"{x.high:.17g}",
        data_x=x_label,
    )


def _scales(lines: Sequence[Line]) -> tuple[Scale, Scale, list[float], list[float]]:
    steps = [step for line in lines for step, _ in line.spots] or [0.0]
    values = [value for line in lines for _, value in line.spots if math.isfinite(value)] or [0.0, 1.0]
    left, right = min(steps), max(steps)
    low, high = (min(max(end, -_FAR), _FAR) for end in (min(values), max(values)))
    log = low > 0 and high / low >= 1000
    if low == high:
        low, high = low - (abs(low) / 10 or 1.0), high + (abs(high) / 10 or 1.0)
    y_ticks = powers(low, high) if log else ticks(low, high)
    low, high = min(low, y_ticks[0]), max(high, y_ticks[-1])
    x_ticks = [tick for tick in ticks(left, right) if left <= tick <= right]
    x = Scale(left, right, LEFT, WIDTH - RIGHT)
    return x, Scale(low, high, HEIGHT - BOTTOM, TOP, log), x_ticks, y_ticks


def _grid(x: Scale, y: Scale, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> Iterator[Html]:
    for tick, label in zip(y_ticks, labels(y_ticks), strict=True):
        at = f"{y(tick):.1f}"
        yield element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at)
        yield element("text", label, x=LEFT - 6, y=at, dy="0.32em", text_anchor="end")
    for tick, label in zip(x_ticks, labels(x_ticks), strict=True):
        at = f"{x(tick):.1f}"
        base = HEIGHT - BOTTOM
        yield element("line", class_="tick", x1=at, x2=at, y1=base, y2=base + 4)
        anchor = "end" if tick == x_ticks[-1] and x(tick) > WIDTH - 24 else "middle"
        yield element("text", label, x=at, y=base + 15, text_anchor=anchor)


def labels(ticks: Sequence[float]) -> list[str]:
    """Short labels for ticks, or longer ones where short ones would be the same.

    >>> labels([0.0, 5e4, 1e5]), labels([1000010.0, 1000020.0])
    (['0', '50k', '100k'], ['1000010', '1000020'])
    """
    texts = [short(tick) for tick in ticks]
    same = len(set(texts)) < len(texts)
    return [f"{tick:.17g}".replace("-", "−", 1) for tick in ticks] if same else texts


def short(value: float) -> str:
    """A round number in few letters.

    >>> [short(value) for value in (0.0, 0.25, 1500.0, 20000.0, 3e6, 1e-05, -0.5)]
    ['0', '0.25', '1,500', '20k', '3M', '1e-5', '−0.5']
    """
    size = abs(value)
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit * 10 <= size < 1e12 or (unit >= 1e6 and unit <= size < 1e12):
            return f"{value / unit:.4g}{letter}".replace("-", "−")
    if size and (size < 1e-3 or size >= 1e12):
        mantissa, _, exponent = f"{value:.3g}".partition("e")
        if exponent:
            return f"{mantissa}e{int(exponent)}".replace("-", "−", 1 if value < 0 else 0)
    return number(value, 5)


def _curve(line: Line, x: Scale, y: Scale) -> Html:
    """The path of a line, its signs, and what the hover read-out needs."""
    style = "back" if line.colour is None else f"c{line.colour % COLOURS} d{line.dash % DASHES}"
    spots = [(x(step), y(value)) for step, value in line.spots if math.isfinite(value)]
    data = {}
    if line.colour is not None:
        data["data_p"] = " ".join(f"{step:.10g}:{value:.6g}" for step, value in line.spots)
    inner = [element("path", d=_path(line.spots, x, y), class_="stroke")]
    if line.colour is not None and len(spots) <= _DOTS:
        inner.append(element("path", d="".join(f"M{a:.1f} {b:.1f}h0" for a, b in spots), class_="dots"))
    inner.extend(_signs(line.spots, x, y))
    return element("g", inner, class_=f"line {style}", data_run=line.key, **data)


def _path(spots: Iterable[Spot], x: Scale, y: Scale) -> str:
    """Straight lines from spot to spot, broken where a value is not finite."""
    words, pen = [], "M"
    for step, value in spots:
        if math.isfinite(value):
            words.append(f"{pen}{x(step):.1f} {y(value):.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(words)


def _signs(spots: Iterable[Spot], x: Scale, y: Scale) -> Iterator[Html]:
    for step, value in spots:
        if not math.isfinite(value):
            at = y.start - 2 if value < 0 else y.end + 6
            yield element("text", SIGNS[str(value)], class_="sign", x=f"{x(step):.1f}", y=at)


def swatch(colour: int | None, dash: int = 0) -> Html:
    """A short piece of a line for a legend."""
    style = "back" if colour is None else f"c{colour % COLOURS} d{dash % DASHES}"
    path = element("path", d="M1 5H27", class_="stroke")
    return element(
        "svg",
        element("g", path, class_=f"line {style}"),
        viewBox="0 0 28 10",
        class_="swatch",
        aria_hidden="true",
    )


def heat_table(labels: Sequence[str], counts: Sequence[Sequence[float]], *, caption: str) -> Html:
    """A confusion matrix: rows are true classes, columns predicted ones, shade is the share of its row."""
    head = element(
        "tr",
        element("td", "true ↓ · predicted →", class_="corner"),
        [element("th", element("span", label), scope="col") for label in labels],
        element("th", element("span", "recall"), scope="col", class_="sum"),
    )
    body = [_heat_row(at, label, row) for at, (label, row) in enumerate(zip(labels, counts, strict=True))]
    inner = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", body),
        element("tfoot", _precision(counts)),
        class_="heat",
    )
    return element("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _heat_row(at: int, label: str, counts: Sequence[float]) -> Html:
    total = sum(counts)
    shares = [count / total if total else 0.0 for count in counts]
    cells = [
        element(
            "td",
            number(count),
            class_=f"h{round(share * 20)}{' hit' if column == at else ''}",
            title=f"{share:.1%} of {label}",
        )
        for column, (count, share) in enumerate(zip(counts, shares, strict=True))
    ]
    recall = f"{shares[at]:.1%}" if total else "—"
    return element("tr", element("th", label, scope="row"), cells, element("td", recall, class_="sum"))


def _precision(counts: Sequence[Sequence[float]]) -> Html:
    cells = []
    for at, column in enumerate(zip(*counts, strict=True)):
        total = sum(column)
        cells.append(element("td", f"{column[at] / total:.1%}" if total else "—", class_="sum"))
    hits, total = sum(row[at] for at, row in enumerate(counts)), sum(map(sum, counts))
    overall = f"{hits / total:.1%}" if total else "—"
    title = "share of all that lies on the diagonal"
    return element(
        "tr",
        element("th", "precision", scope="row", class_="sum"),
        cells,
        element("td", overall, class_="sum all", title=title),
    )
