from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etm_lightning.evaluate.leaderboard import leaderboard
from etm_lightning.share.report import write_report
from etm_lightning.share.report_board import spread
from etm_lightning.store.store import Store
from tests.share.report_sweep import sweep

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = sweep(tmp_path_factory.mktemp("store"))
    return write_report(Store(store).runs(), store / "report.html")


@pytest.fixture(
    params=[(True, "light"), (True, "dark"), (False, "light")], ids=["light", "dark", "no script"]
)
def opened(
    request: pytest.FixtureRequest, bare_chromium: Browser, report: Path
) -> Iterator[tuple[Page, list[str]]]:
    """The page from its file, and all the browser complained about or asked for."""
    script, scheme = request.param
    context = bare_chromium.new_context(java_script_enabled=script, color_scheme=scheme, offline=True)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda asked: said.append(f"request: {asked.url}"))
    page.goto(report.as_uri())
    yield page, said
    context.close()


def test_the_file_opens_without_a_complaint_and_asks_for_nothing(
    opened: tuple[Page, list[str]], report: Path
) -> None:
    page, said = opened
    assert said == [f"request: {report.as_uri()}"]
    board = leaderboard(Store(report.parent).runs())
    shown = page.locator("#leaderboard tbody tr td:nth-child(3)").all_inner_texts()
    assert shown == [spread(row.score) for row in board.rows]
    assert page.locator("#leaderboard tr.winner").inner_text().startswith("1")
    assert page.locator("#curves svg.chart").first.is_visible()


def test_the_style_is_applied_and_nothing_runs_out_of_a_narrow_window(
    opened: tuple[Page, list[str]],
) -> None:
    page, _ = opened
    page.set_viewport_size({"width": 390, "height": 844})
    frame = page.locator("main").bounding_box()
    tables = [box for table in page.locator(".scroll").all() if (box := table.bounding_box())]
    assert frame
    assert frame["width"] == 390
    assert all(box["x"] + box["width"] <= 390 for box in tables)


def test_values_are_read_off_the_curves(bare_chromium: Browser, report: Path) -> None:
    page = bare_chromium.new_page()
    page.goto(report.as_uri())
    chart = page.locator("svg.chart", has_text="val/f1 by step")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    # step 250 of 50 to 300, on a drawing 360 wide whose axis goes from 50 to 350
    page.mouse.move(box["x"] + box["width"] * (50 + 300 * 0.8) / 360, box["y"] + 60)
    readout = page.locator(".readout:visible").inner_text().split("\n")
    assert readout[0] == "step 250"
    best = next(n for n, line in enumerate(readout) if line.endswith("lr=3e-05 seed=1"))
    assert readout[best + 1] == "0.968"
    chart.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".readout:visible b").first.inner_text() == "step 300"
    page.close()


def test_a_run_lights_up_with_its_name(bare_chromium: Browser, report: Path) -> None:
    page = bare_chromium.new_page()
    page.goto(report.as_uri())
    page.locator(".legend li", has_text="lr=1e-05 seed=2").hover()
    lit = page.locator("#curves.lit .line.on").evaluate_all("lines => lines.map(line => line.dataset.run)")
    assert len(set(lit)) == 1
    assert len(lit) == 6
    page.close()


def test_it_prints_with_every_box_open(bare_chromium: Browser, report: Path) -> None:
    page = bare_chromium.new_page()
    page.goto(report.as_uri())
    page.locator("details summary").first.click()
    page.emulate_media(media="print")
    page.pdf(format="A4")
    assert page.locator("details[open]").count() == page.locator("details").count() == 1
    page.close()
