from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.curves import SPIKE, STEPS, long, seeds
from tests.browser.site import Site, served
from tests.store.building import Training

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    store = tmp_path_factory.mktemp("charts") / "etm_runs"
    seeds(store)
    long(store)
    with served(store) as site:
        yield site


def address(site: Site, project: str = "seeds", view: str = "") -> str:
    return f"#/charts?keys={','.join(site.keys(project))}{view}"


def chart(page: Page, label: str) -> Locator:
    """A chart that has its curves."""
    found = page.locator(f'figure[data-metric="{label}"]').last
    found.scroll_into_view_if_needed()
    expect(found.locator(".hidden").last).to_contain_text("values")
    return found


def summary(found: Locator) -> Locator:
    """What is told to who does not see the chart."""
    return found.locator("> .hidden")


def titles(page: Page, section: str) -> Locator:
    return page.locator("section", has=page.get_by_role("heading", name=section)).locator("h3")


def expect_painted(canvas: Locator, least: int = 500) -> None:
    """Waits until so many pixels of a canvas are not paper."""
    canvas.page.wait_for_function(
        """([c, least]) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 100; return n > least; }""",
        arg=[canvas.element_handle(), least],
    )


def test_every_metric_has_a_chart_and_seeds_are_one_curve_with_a_band(site: Site, page: Page) -> None:
    site.open(page, address(site))
    found = chart(page, "val/f1")
    expect(summary(found)).to_contain_text("val/f1 over step, 2 curves. lr 0.1 × 3: last 0.90")
    expect_painted(found.locator("canvas").first)
    expect(titles(page, "val")).to_have_text(["f1", "loss"])
    expect(titles(page, "train")).to_have_text(["grad", "loss"])
    page.get_by_label("Runs that are one curve").select_option("")
    expect(summary(found)).to_contain_text("6 curves")
    expect(page).to_have_url(re.compile("by=none"))


WATCH = """{
  const [fetched, later] = [window.fetch, window.setTimeout];
  // on a slow machine the page would stop waiting, and draw without what it asked for
  window.setTimeout = (then, ms, ...of) => later(then, ms >= 300 ? 30_000 : ms, ...of);
  window.asked = [];
  window.fetch = (...of) => {
    const parts = ["header.top", "figure.chart", ".chart figcaption button", ".side-run"];
    const counts = parts.map((one) => document.querySelectorAll(one).length);
    window.asked.push([String(of[0]), String(of[1]?.body), ...counts]);
    return fetched(...of);
  };
}"""


def test_runs_and_first_curves_are_asked_for_once_and_before_they_are_drawn(site: Site, page: Page) -> None:
    page.add_init_script(WATCH)
    site.open(page, address(site))
    expect(page.locator(".side-run").first).to_be_visible()
    asked = page.evaluate("window.asked")
    assert not any("session" in address for address, *_ in asked)  # it came within the page
    (runs,) = [parts for address, _, *parts in asked if "runs?keys" in address]
    curves = [(body, parts) for address, body, *parts in asked if "series" in address]
    assert runs[0] == 0, "there is a page already"
    (charts, buttons, names), others = curves[0][1][1:], [parts[1:] for _, parts in curves[1:3]]
    assert (charts, buttons, names) == (0, 0, 0), "the first curves could have been asked for sooner"
    assert all(0 < charts <= 3 and buttons == names == 0 for charts, buttons, names in others), "no row first"
    assert len({body for body, _ in curves}) == len(curves), "something was asked for twice"
    expect(page.get_by_role("button", name="Enlarge val/f1")).to_have_count(1)


def test_one_value_per_run_is_shown_as_dots(site: Site, page: Page) -> None:
    site.open(page, address(site, view="&by=none&find=test"))
    rows = chart(page, "test/f1").locator(".dot-row")
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("1.001")


def test_what_is_not_finite_is_counted_and_a_hostile_name_is_only_text(site: Site, page: Page) -> None:
    site.open(page, address(site, view="&by=none"))
    expect(chart(page, "train/loss")).to_contain_text("1 NaN/∞")
    expect(page.locator("aside")).to_contain_text("<img src=x onerror=")
    assert page.evaluate("window.hurt") is None


def test_a_drag_zooms_the_address_keeps_it_and_a_double_click_ends_it(site: Site, page: Page) -> None:
    site.open(page, address(site))
    area = chart(page, "train/loss").locator(".chart-over")
    drag(page, area, 0.25, 0.5)
    expect(page).to_have_url(re.compile(r"zoom=train(/|%2F)loss"))
    page.reload()
    found = chart(page, "train/loss")
    expect(found.get_by_label("Show all of train/loss")).to_be_visible()
    found.locator(".chart-over").dblclick()
    expect(page).not_to_have_url(re.compile("zoom="))


def drag(page: Page, area: Locator, start: float, end: float) -> None:
    box = area.bounding_box()
    assert box
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 44, steps=4)
    page.mouse.up()


def test_a_zoom_asks_for_more_points_and_the_spike_of_one_point_is_always_there(
    site: Site, page: Page
) -> None:
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    site.open(page, address(site, "long"))
    found = chart(page, "train/loss")
    assert 50 <= highest(page, found) <= 60
    site.open(page, address(site, "long", f"&zoom=train/loss:{SPIKE - 20}~{SPIKE + 20}"))
    found = chart(page, "train/loss")
    expect(found.get_by_label("Show all of train/loss")).to_be_visible()
    expect(summary(found)).to_contain_text("last 0.03")  # the finer points are here; the whole ends with 0.02
    curve = found.locator(".curve")
    curve.focus()
    said = found.locator("[aria-live]")
    curve.press("ArrowRight")
    expect(said).to_contain_text(f"at step {SPIKE - 20}")
    curve.press("ArrowRight")
    expect(said).to_contain_text(f"at step {SPIKE - 19}")
    bodies = [request.post_data or "" for request in asked if request.url.endswith("/api/series")]
    begins = [json.loads(body)["from"] for body in bodies]
    assert begins[0] is None
    assert SPIKE - 60 < begins[-1] < SPIKE - 20


def highest(page: Page, found: Locator) -> float:
    """The largest value in the table of the enlarged chart."""
    found.get_by_label(re.compile("^Enlarge")).click()
    text = page.locator("dialog tbody td").nth(3).inner_text()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    return float(text)


def test_a_chart_is_used_by_keys_alone(site: Site, page: Page) -> None:
    site.open(page, address(site, view="&by=none"))
    curve = chart(page, "train/loss").locator(".curve")
    curve.focus()
    curve.press("End")
    said = chart(page, "train/loss").locator("[aria-live]")
    expect(said).to_contain_text(f"at step {STEPS}")
    curve.press("ArrowLeft")
    expect(said).to_contain_text(f"at step {STEPS - 1}")
    curve.press("+")
    expect(page).to_have_url(re.compile("zoom="))
    curve.press("0")
    expect(page).not_to_have_url(re.compile("zoom="))
    curve.press("Alt+ArrowLeft")
    expect(
        page.locator("section", has=page.get_by_role("heading", name="train")).locator("h3").first
    ).to_have_text("loss")
    curve.press("p")
    expect(page.get_by_role("heading", name="Pinned")).to_be_visible()
    chart(page, "train/loss").locator(".curve").press("f")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Pinned")).to_be_visible()


def test_charts_are_put_in_another_order_by_dragging(site: Site, page: Page) -> None:
    site.open(page, address(site))
    chart(page, "train/loss").hover()
    chart(page, "train/loss").locator(".grip").drag_to(chart(page, "train/grad"))
    expect(
        page.locator("section", has=page.get_by_role("heading", name="train")).locator("h3").first
    ).to_have_text("loss")
    expect(page).to_have_url(re.compile("order=train"))


def test_the_pointer_is_in_all_charts_at_once_and_tells_each_run(site: Site, page: Page) -> None:
    site.open(page, address(site, view="&by=none"))
    chart(page, "val/loss")
    area = chart(page, "val/f1").locator(".chart-over")
    area.hover()
    expect(page.locator(".readout tr")).to_have_count(6)
    expect(page.locator(".readout")).to_have_count(1)
    expect(page.locator(".readout b")).to_contain_text("step 1")
    expect_painted(chart(page, "val/loss").locator(".chart-over canvas"), 0)


def test_smoothing_axes_and_metrics_as_x_are_in_the_address(site: Site, page: Page) -> None:
    site.open(page, address(site, view="&by=none"))
    found = chart(page, "train/loss")
    page.get_by_label("Smoothing", exact=True).select_option("ema")
    expect(page).to_have_url(re.compile("smooth=ema"))
    page.get_by_label("x axis").select_option("epoch")
    expect(summary(found)).to_contain_text("over epoch")
    page.get_by_label("x axis").select_option("metric:train/grad")
    expect(summary(found)).to_contain_text("train/loss over train/grad")
    page.get_by_role("button", name="log y").click()
    page.get_by_role("button", name="outliers").click()
    expect(page).to_have_url(re.compile("log=y&robust=1"))
    expect_painted(chart(page, "train/loss").locator("canvas").first)


def test_runs_and_metrics_are_left_out_and_found_again(site: Site, page: Page) -> None:
    site.open(page, address(site, view="&by=none"))
    found = chart(page, "val/f1")
    page.get_by_label("Show lr=0.1 seed=1").uncheck()
    expect(summary(found)).to_contain_text("5 curves")
    page.get_by_label("Find metrics").fill("val f1")
    expect(page.locator("figure")).to_have_count(1)
    page.get_by_label("Find metrics").fill("nothing like it")
    expect(page.get_by_text("No metric fits")).to_be_visible()


def test_a_chart_is_saved_as_a_picture_and_as_a_table(site: Site, page: Page, tmp_path: Path) -> None:
    site.open(page, address(site, view="&by=none"))
    found = chart(page, "val/f1")
    picture = saved(page, found, "Picture (PNG)", tmp_path / "a.png")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    rows = list(csv.reader(saved(page, found, "Values (CSV)", tmp_path / "a.csv").read_text().splitlines()))
    assert rows[0] == ["run", "key", "step", "val/f1"]
    assert len(rows) == 1 + 6 * 4
    assert {row[2] for row in rows[1:]} == {"50", "100", "150", "200"}


def saved(page: Page, found: Locator, what: str, path: Path) -> Path:
    found.hover()
    found.get_by_label(re.compile("^More for")).click()
    with page.expect_download() as download:
        found.get_by_text(what).click()
    download.value.save_as(path)
    return path


def test_a_page_is_left_while_the_menu_of_a_chart_is_open(site: Site, page: Page) -> None:
    site.open(page, address(site))
    chart(page, "val/f1").get_by_label("More for val/f1").click()
    expect(page.get_by_role("menu")).to_be_visible()
    page.evaluate("location.hash = '#/runs'")  # the menu has the focus, which goes with it
    expect(page.get_by_role("grid")).to_be_visible()


def test_what_is_logged_appears_without_a_reload(site: Site, page: Page) -> None:
    run = Training(site.store, "20231115-000000-live-0001", "live", name="live").start()
    run.log(1, {"train/loss": 1.0})
    site.open(page, address(site, "live"))
    found = chart(page, "train/loss")
    expect(summary(found)).to_contain_text("last 1, 1 values")
    run.log(2, {"train/loss": 0.25})
    expect(summary(found)).to_contain_text("last 0.25, 2 values")
    run.log(3, {"train/loss": 0.125, "train/new": 5.0})
    expect(summary(found)).to_contain_text("last 0.125, 3 values")
    expect(page.locator('figure[data-metric="train/new"]')).to_be_visible()
    run.end()


def test_a_server_that_fails_says_so_in_the_chart_and_is_asked_again(site: Site, page: Page) -> None:
    broken = re.compile("/api/series$")
    page.route(broken, lambda route: route.fulfill(status=503, json={"error": "the disk is away"}))
    site.open(page, address(site))
    note = page.locator('figure[data-metric="val/f1"]').get_by_role("alert")
    expect(note).to_contain_text("the disk is away")
    page.unroute(broken)
    note.get_by_role("button").click()
    chart(page, "val/f1")
