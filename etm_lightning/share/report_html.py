"""Markup that cannot be broken out of: every text is escaped unless it is already `Html`."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

_VOID = frozenset({"br", "col", "hr", "img", "link", "meta"})
# what HTML has no place for: control characters and halves of surrogate pairs
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PLAIN = re.compile(r"[A-Za-z_/][\w./@+ -]*", re.ASCII)
# what YAML wants escaped between quotes, beyond what JSON does
_UNPRINTED = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_RESERVED = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"})


class Html(str):
    """Markup, to be put into a page as it stands."""

    __slots__ = ()


Child = str | Iterable[str] | None


def escape(text: object) -> Html:
    """The text as markup, safe inside an element and inside a quoted attribute.

    >>> escape('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    if isinstance(text, Html):
        return text
    return Html(html.escape(_UNFIT.sub("\ufffd", str(text)), quote=True))


def join(*children: Child) -> Html:
    """Children in a row: texts escaped, None left out, lists flattened."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, str):
            parts.append(escape(child))
        elif child is not None:
            parts.extend(escape(part) for part in child)
    return Html("".join(parts))


def element(tag: str, *children: Child, **attributes: object) -> Html:
    """An element; ``class_`` is written ``class`` and ``data_x`` is ``data-x``; None and False are left out.

    >>> element("td", "a < b", class_="name", data_n=3)
    '<td class="name" data-n="3">a &lt; b</td>'
    """
    words = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        words.append(name if value is True else f'{name}="{escape(value)}"')
    start = f"<{' '.join(words)}>"
    return Html(start if tag in _VOID else f"{start}{join(*children)}</{tag}>")


def table(head: Sequence[Child], rows: Iterable[Html], *, caption: str, class_: str = "") -> Html:
    """A table that scrolls by itself when it is wide; its first column names the row."""
    columns = [element("th", cell, scope="col") for cell in head]
    inner = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", columns)),
        element("tbody", rows),
        class_=class_ or None,
    )
    return element("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def row(name: Child, cells: Iterable[Child], *, class_: str | None = None) -> Html:
    """A row whose first cell is its header."""
    return element(
        "tr", element("th", name, scope="row"), [element("td", cell) for cell in cells], class_=class_
    )


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Names and values as a list of definitions."""
    return element(
        "dl",
        [element("div", element("dt", name), element("dd", value)) for name, value in pairs],
        class_="facts",
    )


def number(value: float | None, digits: int = 4) -> str:
    """A value for people: significant digits, a real minus, words for what is not finite.

    >>> number(0.123456), number(-2.5e-05), number(120000), number(float("nan")), number(None)
    ('0.1235', '−2.5e-05', '120,000', 'NaN', '—')
    """
    if value is None:
        return "—"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{int(value):,}" if value == int(value) and abs(value) < 1e15 else f"{value:.{digits}g}"
    return text.replace("-", "−", 1) if value < 0 else text


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units.

    >>> duration(0.42), duration(75), duration(7384), duration(200000), duration(None)
    ('0.4 s', '1 min 15 s', '2 h 3 min', '2 d 7 h', '—')
    """
    if seconds is None:
        return "—"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    for size, unit, small, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {part}"
    raise AssertionError(whole)


def moment(seconds: float | None) -> Html:
    """A time of day in UTC, readable by people and machines.

    >>> moment(0.0)
    '<time datetime="1970-01-01T00:00:00Z">1970-01-01 00:00 UTC</time>'
    >>> moment(-1e30)
    '-1e+30'
    """
    if seconds is None:
        return escape("—")
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):  # no calendar has it, as a damaged file may tell
        return escape(f"{seconds:g}")
    return element("time", f"{at:%Y-%m-%d %H:%M} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def scalar(value: object) -> str:
    """One setting as YAML writes it, such that YAML 1.1 and 1.2 readers get the same value back.

    >>> scalar(1e-05), scalar("16"), scalar("bert-base"), scalar(None), scalar(True), scalar([])
    ('1.0e-05', '"16"', 'bert-base', 'null', 'true', '[]')
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        mantissa, e, exponent = repr(value).partition("e")
        if e and exponent[0].isdigit():
            exponent = "+" + exponent
        return f"{mantissa}{'' if '.' in mantissa or not e else '.0'}{e}{exponent}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    text = str(value)
    if _PLAIN.fullmatch(text) and text == text.strip() and text.lower().lstrip(".") not in _RESERVED:
        return text
    return _UNPRINTED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def yaml(value: object, indent: int = 0) -> str:
    r"""Nested settings in YAML, one key a line.

    >>> yaml({"model": {"lr": 1e-05, "layers": [1, 2]}, "seed": 3})
    'model:\n  lr: 1.0e-05\n  layers:\n    - 1\n    - 2\nseed: 3\n'
    """
    pad = "  " * indent
    lines: list[str] = []
    if isinstance(value, Mapping) and value:
        entries = [(f"{pad}{scalar(key)}:", item) for key, item in value.items()]
    elif isinstance(value, list | tuple) and value:
        entries = [(f"{pad}-", item) for item in value]
    else:
        return f"{pad}{scalar(value)}\n"
    for start, item in entries:
        if isinstance(item, Mapping | list | tuple) and item:
            lines.append(f"{start}\n{yaml(item, indent + 1)}")
        else:
            lines.append(f"{start} {scalar(item)}\n")
    return "".join(lines)
