from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.curves import trials
from tests.browser.site import Site, served
from tests.store.building import BASE, Training

STUDY = "#/group/0/search/tuning"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    store = tmp_path_factory.mktemp("study") / "etm_runs"
    trials(store)
    with served(store) as site:
        yield site


def rows(page: Page) -> Locator:
    return page.locator(".trials tbody tr")


def test_a_study_tells_its_best_trial_and_how_it_came_to_it(site: Site, page: Page) -> None:
    site.open(page, STUDY)
    expect(page.get_by_text("12 trials: 11 finished, 1 pruned · maximize val/f1")).to_be_visible()
    expect(page.locator(".study-best")).to_contain_text("0.9trial 7")
    history = page.get_by_role("img", name=re.compile("val.f1 of 12 trials one after the other; best 0.9"))
    expect(history.locator("circle")).to_have_count(12)
    expect(history.locator("circle.pruned")).to_have_count(1)
    expect(page.locator(".importance tbody tr").first).to_contain_text("lr")


def test_a_stretch_of_an_axis_chooses_trials_by_drag_and_by_keys(site: Site, page: Page) -> None:
    site.open(page, STUDY)
    expect(rows(page)).to_have_count(12)
    axis = page.get_by_role("slider", name="lr")
    box = axis.locator(".grab").bounding_box()
    assert box
    x, top, height = box["x"] + box["width"] / 2, box["y"], box["height"]
    page.mouse.move(x, top + height * 0.02)
    page.mouse.down()
    page.mouse.move(x, top + height * 0.49, steps=4)
    page.mouse.up()
    expect(rows(page)).to_have_count(5)  # the places of 7 to 10 of 12; the ends are outside
    expect(page.get_by_text("5 of 12 trials chosen")).to_be_visible()
    page.reload()
    expect(rows(page)).to_have_count(5)
    axis = page.get_by_role("slider", name="lr")
    axis.focus()
    axis.press("Escape")
    expect(rows(page)).to_have_count(12)
    axis.press("ArrowUp")
    expect(axis).to_have_attribute("aria-valuetext", "from 50 to 100 percent of its range")
    expect(rows(page)).to_have_count(6)


def test_trials_are_sorted_and_chosen_for_the_charts(site: Site, page: Page) -> None:
    site.open(page, STUDY)
    page.locator(".trials").get_by_role("button", name=re.compile("^val.f1")).click()
    expect(rows(page).first).to_contain_text("7finished best0.9")
    page.get_by_label("Choose trial 7").check()
    page.get_by_label("Choose trial 8").check()
    keys = site.keys("search")
    page.get_by_role("link", name="Charts of 2").click()
    expect(page).to_have_url(re.compile(f"#/charts\\?keys={keys[7]},{keys[8]}$"))


def test_two_results_have_a_pareto_front(site: Site, page: Page) -> None:
    site.open(page, f"{STUDY}?sx=latency")
    front = page.get_by_role("img", name=re.compile("val.f1 against latency; Pareto front: trials 7, 9, 11$"))
    expect(front).to_be_visible()
    front.locator("circle").first.hover()
    expect(page.locator(".plane .readout").last).to_contain_text("latency")


def test_each_trial_shows_how_it_came_to_its_result(site: Site, page: Page) -> None:
    site.open(page, STUDY)
    curves = page.get_by_role("img", name="val/f1 of 12 trials over epochs")
    curves.scroll_into_view_if_needed()
    expect(curves.locator(".trial-line")).to_have_count(12)
    expect(curves.locator(".trial-line.pruned")).to_have_count(1)
    assert curves.locator(".trial-line.best").get_attribute("d").count("L") == 2  # type: ignore[union-attr]
    page.locator(".trials tbody tr").first.hover()
    expect(curves.locator(".trial-line.pointed")).to_have_count(1)


def test_a_new_trial_appears_without_a_reload(site: Site, page: Page) -> None:
    site.open(page, STUDY)
    expect(rows(page)).not_to_have_count(0)
    before = rows(page).count()
    number = f"20231114-240000-t{before}-{before:04d}"
    run = Training(site.store, number, "search", name="late", group="tuning", created=BASE + 99).start()
    run.params(lr=1.0, model="minilm", seed=1).log(10, {"val/f1": 0.2}, "validate")
    expect(rows(page)).to_have_count(before + 1)
    expect(page.get_by_text("1 running")).to_be_visible()
    run.end()
