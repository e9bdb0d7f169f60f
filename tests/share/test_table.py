"""Tables in the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_lightning.share.table import _width, _wrapped, show


@given(
    st.text(st.sampled_from("ab 损\u0301é\n"), max_size=60),
    st.integers(2, 30),
)
@settings(max_examples=300)
def test_a_wrapped_text_fits_and_loses_nothing(text: str, width: int) -> None:
    lines = _wrapped(text, width)
    assert all(_width(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("width", [5, 20, 37, 80])
def test_a_table_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    show(("run", "损失"), [("x" * 50, "y" * 40), ("z", "损" * 10)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(_width, lines)) <= width
    assert "".join(lines).count("x") == 50
    assert "".join(lines).count("损") == 11


def test_a_pipe_gets_whole_lines_and_heads_cannot_steer(capsys: pytest.CaptureFixture[str]) -> None:
    show(("run\x1b", "v"), [("x" * 300, "a\nb"), ("y", "")], title="All")
    assert capsys.readouterr().out.splitlines() == [
        "All",
        f"{'run�':302}v",
        f"{'x' * 300}  a",
        f"{'':302}b",
        "y",
    ]
