from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.curves import seeds
from tests.browser.site import Site, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    store = tmp_path_factory.mktemp("compare") / "etm_runs"
    seeds(store)
    with served(store) as site:
        yield site


def line(page: Page, name: str) -> Locator:
    """A line of the table of runs."""
    table = page.get_by_label("Runs side by side")
    return table.get_by_role("row").filter(
        has=page.get_by_role("rowheader", name=re.compile(rf"^{name.replace('/', '.')}\b"))
    )


def test_two_runs_stand_side_by_side_with_what_differs_and_on_demand_with_all(site: Site, page: Page) -> None:
    first, *_, last = site.keys("seeds")[:5]
    site.open(page, f"#/compare?keys={first},{last}")
    expect(line(page, "lr").locator("td")).to_have_text(["0.1", "0.01"])
    expect(line(page, "lr").locator("td").nth(1)).to_have_class(re.compile("other"))
    expect(line(page, "model")).to_have_count(0)
    page.get_by_label("only differences").uncheck()
    expect(line(page, "model").locator("td")).to_have_text(["bert", "bert"])
    expect(page).to_have_url(re.compile("all=1"))


def test_differences_are_against_the_baseline_and_say_whether_they_are_better(site: Site, page: Page) -> None:
    first, *_, last = site.keys("seeds")[:5]
    site.open(page, f"#/compare?keys={first},{last}")
    values = line(page, "test/f1").locator("td")
    expect(values).to_have_text(["1.001", "0.912−0.089"])
    expect(values.nth(1).locator(".delta")).to_have_class(re.compile("bad"))
    page.get_by_role("button", name="make baseline").click()
    expect(values).to_have_text(["1.001+0.089", "0.912"])
    expect(values.nth(0).locator(".delta")).to_have_class(re.compile("good"))
    expect(page).to_have_url(re.compile(f"baseline={last}"))


def test_seeds_are_put_together_as_mean_and_deviation(site: Site, page: Page) -> None:
    site.open(page, f"#/compare?keys={','.join(site.keys('seeds'))}")
    over = page.locator("section", has=page.get_by_role("heading", name="Over seeds"))
    expect(over.get_by_role("columnheader")).to_contain_text(["Metric", "lr 0.1 × 3", "lr 0.01 × 3"])
    cells = over.get_by_role("row").filter(has_text="test/f1").locator("td")
    expect(cells.nth(0)).to_contain_text("1.002 ± 0.001 n 3")
    expect(cells.nth(1)).to_contain_text("−0.09")
    expect(page.locator("thead")).to_contain_text(["", "<img src=x onerror="])
    assert page.evaluate("window.hurt") is None


def test_a_run_is_left_out_and_the_others_go_to_the_charts(site: Site, page: Page) -> None:
    keys = site.keys("seeds")[:3]
    site.open(page, f"#/compare?keys={','.join(keys)}")
    page.get_by_label("Leave lr=0.1 seed=2 out").click()
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    page.get_by_role("link", name="Charts").click()
    expect(page).to_have_url(re.compile(f"#/charts\\?keys={keys[0]},{keys[2]}$"))
    expect(page.locator("aside")).to_contain_text("2 runs")
