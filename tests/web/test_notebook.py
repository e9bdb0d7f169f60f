"""What a cell of a notebook shows."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from etm_lightning import show
from etm_lightning.store.store import Store
from etm_lightning.web.notebook import Shown
from tests.store.building import Training, finished
from tests.web.test_export import NASTY


def test_a_run_shows_itself_as_a_table_of_texts(tmp_path: Path) -> None:
    run = Training(tmp_path / "etm_runs", name=NASTY, tags=("bert",), notes=NASTY).start()
    run.log(1, {f"metric{n}": n / 3 for n in range(20)}).log(1, {NASTY: 1.0}).end()
    shown = Store(tmp_path / "etm_runs").run("latest")._repr_html_()
    assert set(re.findall(r"<(\w+)", shown)) == {"table", "tr", "th", "td"}
    assert html.escape(NASTY) in shown
    assert "<td>0.333333</td>" in shown
    assert "and 9 more: run.headline" in shown


def test_a_page_is_shown_in_a_frame_that_reaches_nothing() -> None:
    frame = Shown("<!doctype html><p title='\"'>é & ü</p>", 300)._repr_html_()
    assert frame.isascii()
    assert 'sandbox="allow-scripts"' in frame
    srcdoc = re.search(r'srcdoc="([^"]*)"', frame)
    assert srcdoc
    assert html.unescape(srcdoc[1]) == "<!doctype html><p title='\"'>é & ü</p>"


def test_only_runs_of_one_store_are_shown_together(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        finished(tmp_path / name / "etm_runs", "20231114-221320-same-0001", 0.5)
        runs.append(Store(tmp_path / name / "etm_runs").run("same"))
    for wrong in (runs, []):
        with pytest.raises(ValueError, match="`runs` must be runs of one store"):
            show(wrong)
