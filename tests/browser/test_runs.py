from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.store import Store
from tests.browser.sample import live, sample
from tests.browser.site import Site, served
from tests.store.building import Training

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("pages") / "etm_runs")


@pytest.fixture(scope="module")
def site(store: Path) -> Iterator[Site]:
    with served(store) as site:
        yield site


def lines(page: Page) -> Locator:
    return page.locator(".line")


def line(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def grid(page: Page) -> Locator:
    return page.get_by_role("grid", name="Runs")


def test_the_table_has_each_run_with_its_best_value_its_curve_and_its_settings(
    site: Site, page: Page
) -> None:
    site.open(page, "#/runs")
    expect(grid(page)).to_have_attribute("aria-rowcount", "29")
    best = {run.name: run.headline["val/f1"] for run in Store(site.store).runs(project="news")}
    row = line(page, "roberta-base lr=0.0001 seed=3")
    cell = row.locator('[data-column="metric.val/f1"]')
    expect(cell).to_have_text(f"{best['roberta-base lr=0.0001 seed=3']:.4g}")
    expect(cell.locator("polyline")).to_be_visible()
    expect(row.locator('[data-column="param.model.encoder"]')).to_have_text("roberta-base")
    assert {"param.data.batch_size", "param.trainer.max_epochs"}.isdisjoint(
        row.locator("[data-column]").evaluate_all("cells => cells.map((cell) => cell.dataset.column)")
    )


def test_runs_that_differ_by_seed_fold_into_mean_and_deviation(site: Site, page: Page) -> None:
    site.open(page, "#/runs?fold=settings")
    name = "minilm lr=3e-05"
    values = [
        run.headline["val/f1"]
        for run in Store(site.store).runs(project="news")
        if run.name.startswith(name + " ")
    ]
    row = lines(page).filter(has=page.get_by_text(name, exact=True))
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    assert 0.001 <= deviation < 0.01, "the sample's values have changed: the digits below have to"
    expect(row.locator('[role="gridcell"]').nth(3)).to_have_text(f"{mean:.4f} ± {deviation:.4f} n=3")
    row.get_by_role("button", name="Open").click()
    expect(line(page, "minilm lr=3e-05 seed=2")).to_be_visible()


def test_the_address_holds_filter_columns_order_and_selection(site: Site, page: Page) -> None:
    site.open(page, "#/runs")
    page.get_by_label("Filter runs").fill("minilm")
    expect(page.locator(".count")).to_have_text("9 runs")
    page.get_by_role("columnheader", name="val/f1").get_by_role("button").click()
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Find a column").fill("batch")
    page.get_by_label("data.batch_size").click()
    page.keyboard.press("Escape")
    line(page, "minilm lr=3e-05 seed=3").get_by_role("checkbox").click()
    expect(page).to_have_url(re.compile("sel="))
    page.reload()
    expect(page.locator(".count")).to_have_text("9 runs")
    expect(page.get_by_label("Filter runs")).to_have_value("minilm")
    expect(page.get_by_role("columnheader", name="data.batch_size")).to_be_visible()
    expect(page.get_by_role("columnheader", name="val/f1")).to_have_attribute("aria-sort", "descending")
    runs = [run for run in Store(site.store).runs(project="news") if "minilm" in run.name]
    best = max(runs, key=lambda run: run.headline["val/f1"])
    expect(lines(page).first).to_contain_text(best.name)
    expect(line(page, "minilm lr=3e-05 seed=3")).to_have_attribute("aria-selected", "true")


def test_a_search_that_cannot_be_read_says_where_and_the_table_stays(site: Site, page: Page) -> None:
    site.open(page, "#/runs")
    expect(lines(page).first).to_be_visible()
    page.get_by_label("Filter runs").fill("lr >> 1")
    expect(page.get_by_role("alert")).to_contain_text("expected a value but got '>'")
    expect(page.locator(".filter-error mark")).to_have_text(">")
    expect(page.get_by_label("Filter runs")).to_have_attribute("aria-invalid", "true")
    expect(lines(page).first).to_be_visible()
    page.get_by_label("Filter runs").fill('lr > 3e-5 and "baseline" in tags')
    expect(page.locator(".count")).to_have_text("3 runs")
    expect(page.locator(".filter-error")).to_have_count(0)


def test_names_are_offered_while_a_search_is_typed(site: Site, page: Page) -> None:
    site.open(page, "#/runs")
    expect(lines(page).first).to_be_visible()
    page.get_by_label("Filter runs").press_sequentially("f1")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Filter runs")).to_have_value("val/f1")


def test_keys_alone_move_choose_edit_and_open(site: Site, page: Page) -> None:
    site.open(page, "#/runs?sort=name")
    expect(lines(page).first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Filter runs")).to_be_focused()
    page.keyboard.press("Escape")
    grid(page).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".actions b")).to_have_text("2 runs chosen")
    assert grid(page).get_attribute("aria-activedescendant") == "line-2"
    expect(page.locator("#line-2")).to_have_class(re.compile("active"))
    page.keyboard.press("t")
    expect(page.get_by_label("Add a tag")).to_be_focused()
    page.keyboard.press("Escape")
    expect(grid(page)).to_be_focused()
    page.keyboard.press("Control+a")
    expect(page.locator(".actions b")).to_have_text("28 runs chosen")
    page.keyboard.press("Escape")
    expect(page.locator(".actions")).to_have_count(0)
    page.keyboard.press("End")
    expect(page.locator("#line-27")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("roberta-base lr=3e-05 seed=3")


def test_tags_and_notes_are_edited_in_their_cells(site: Site, page: Page) -> None:
    name = "bert-base lr=1e-05 seed=1"
    site.open(page, "#/runs?cols=tags,notes&sort=name")
    row = line(page, name)
    row.hover()
    row.get_by_role("button", name="Edit tags").click()
    page.get_by_label("Add a tag").fill("kept")
    page.keyboard.press("Enter")
    expect(row.locator('[data-column="tags"]')).to_contain_text("kept")
    page.get_by_role("button", name="Remove tag baseline").click()
    expect(row.locator('[data-column="tags"]')).not_to_contain_text("baseline")
    page.keyboard.press("Escape")
    row.locator('[data-column="notes"]').dblclick()
    page.get_by_label("Notes", exact=True).fill("# Better than it looks")
    page.keyboard.press("Control+Enter")
    expect(row.locator('[data-column="notes"]')).to_contain_text("Better than it looks")
    (run,) = [run for run in Store(site.store).runs(project="news") if run.name == name]
    assert (set(run.tags), run.notes) == ({"bbc", "kept"}, "# Better than it looks")


def test_what_is_chosen_is_tagged_and_archived_together(site: Site, page: Page) -> None:
    site.open(page, "#/runs?sort=name")
    for seed in (1, 2):
        line(page, f"bert-base lr=3e-05 seed={seed}").get_by_role("checkbox").click()
    page.get_by_role("button", name="Tag…").click()
    page.get_by_label("Add a tag").fill("pair")
    page.keyboard.press("Enter")
    expect(page.locator(".toasts")).to_contain_text("2 runs tagged pair")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Archive").click()
    expect(page.locator(".toasts")).to_contain_text("2 runs archived")
    archived = Store(site.store).runs(project="news", archived=True)
    tagged = {run.name for run in archived if "pair" in run.tags and run.archived}
    assert tagged == {"bert-base lr=3e-05 seed=1", "bert-base lr=3e-05 seed=2"}


def test_a_run_that_starts_and_ends_elsewhere_shows_it_without_a_reload(site: Site, page: Page) -> None:
    site.open(page, "#/runs")
    expect(lines(page).first).to_be_visible()
    run = live(site.store)
    row = line(page, "warmup-long")
    expect(row.locator('[data-column="status"]')).to_contain_text("running")
    run.log(400, {"val/f1": 0.999}, "validate")
    run.end()
    expect(row.locator('[data-column="status"]')).to_contain_text("finished")


def test_ten_thousand_runs_scroll_with_few_lines_in_the_page(site: Site, page: Page) -> None:
    """The server's own row, ten thousand times: how it finds them is not asked here."""

    def many(route: Route) -> None:
        url = route.request.url
        offset, limit = (
            int(found[1]) if (found := re.search(rf"{n}=(\d+)", url)) else d
            for n, d in (("offset", 0), ("limit", 500))
        )
        first = json.loads(route.fetch(url=re.sub(r"&?(offset|limit)=\d+", "", url) + "&limit=1").text())[
            "runs"
        ][0]
        runs = [
            {**first, "key": f"k{i}", "name": f"run {i}"} for i in range(offset, min(10_000, offset + limit))
        ]
        route.fulfill(json={"total": 10_000, "runs": runs})

    page.route("**/api/runs?*", many)
    page.route("**/api/sparks*", lambda route: route.fulfill(json={}))
    site.open(page, "#/runs")
    expect(grid(page)).to_have_attribute("aria-rowcount", "10001")
    grid(page).focus()
    page.keyboard.press("End")
    expect(line(page, "run 9999")).to_be_visible()
    assert lines(page).count() < 80
    grid(page).evaluate("at => { at.scrollTop = at.scrollHeight / 2 }")
    expect(line(page, "run 5000")).to_be_attached()


HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


def test_names_that_want_to_be_code_are_only_text(tmp_path: Path, page: Page) -> None:
    run = Training(
        tmp_path, "20231114-221320-run-0001", "a&b<i>", name=HOSTILE, group='../"><script>', tags=(HOSTILE,),
        notes=f"{HOSTILE}\n\n[x](javascript:document.title='taken')", question=HOSTILE, created=-1e30,
    )  # fmt: skip
    run.start().params(**{HOSTILE: HOSTILE, "url": "javascript:1"}).log(1, {f"val/{HOSTILE}": 1.0})
    run.end("failed", reason=HOSTILE, traceback=HOSTILE)
    with served(tmp_path) as site:
        site.open(page, "#/runs")
        link = page.get_by_role("link", name=HOSTILE, exact=True)
        expect(link).to_be_visible()
        page.get_by_label("Fold").select_option("group")
        expect(link).to_be_visible()
        link.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
        expect(page.locator(".markdown")).to_contain_text(HOSTILE)
        for tab in page.get_by_role("tab").all():
            tab.click()
            expect(tab).to_have_attribute("aria-selected", "true")
        page.get_by_role("link", name="Groups").click()
        page.get_by_role("link", name='../"><script>').click()
        expect(page.locator("main")).to_contain_text('../"><script>')
        assert page.locator("main img, main script, a[href^=javascript]").count() == 0
        assert "taken" not in page.title()
        page.goto("about:blank")  # before the server ends


def test_without_a_connection_what_was_loaded_stays_and_it_goes_on_by_itself(site: Site, page: Page) -> None:
    site.open(page, "#/runs")
    expect(lines(page).first).to_be_visible()
    page.context.set_offline(True)
    page.get_by_label("Filter runs").fill("minilm")
    expect(page.locator(".banner")).to_contain_text("The server is gone: showing what was loaded")
    expect(lines(page).first).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator(".count")).to_have_text("9 runs")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_somebody_chooses(site: Site, chromium: Browser, scheme: str) -> None:
    context = chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    site.open(page, "#/runs")

    def dark() -> bool:
        red = page.evaluate("getComputedStyle(document.documentElement).backgroundColor").split("(")[1]
        return int(red.split(",")[0]) < 128

    assert dark() == (scheme == "dark")
    button = page.get_by_role("button", name=re.compile("^Colours"))
    button.click()
    assert not dark()
    expect(button).to_have_accessible_name("Colours: light")
    # at once: what is drawn next has the new colours already
    assert button.evaluate("(it) => { it.click(); return document.documentElement.dataset.theme }") == "dark"
    assert dark()
    page.reload()
    expect(button).to_have_accessible_name("Colours: dark")
    assert dark()
    context.close()


def test_an_empty_store_says_how_to_begin(tmp_path: Path, page: Page) -> None:
    with served(tmp_path) as site:
        site.open(page, "#/runs")
        expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
        site.open(page, "#/groups")
        expect(page.get_by_role("heading", name="No groups yet")).to_be_visible()
        page.goto("about:blank")  # before the server ends


def test_a_page_whose_token_has_expired_says_what_to_do(site: Site, page: Page) -> None:
    site.open(page, "#/runs")
    expect(lines(page).first).to_be_visible()
    page.context.clear_cookies()
    # the page itself is refused as well: this is one that was open when the server was started anew
    page.get_by_role("link", name="Groups").click()
    expect(page.get_by_role("alert")).to_contain_text("open the one that it printed")


@pytest.mark.parametrize("elsewhere", ["http://elsewhere.example/", "http://127.0.0.1:9/"])
def test_a_page_from_elsewhere_cannot_open_it_in_a_window_that_it_holds(
    site: Site, page: Page, elsewhere: str
) -> None:
    site.open(page, "#/runs")
    expect(page.get_by_role("grid")).to_be_visible()
    page.context.route(elsewhere, lambda route: route.fulfill(content_type="text/html", body="hello"))
    page.goto(elsewhere)
    with page.expect_popup() as opened:
        page.evaluate(f"void window.open('{site.base}/#/runs')")
    expect(opened.value.locator("body")).to_contain_text("another page asked or led here")


def test_charts_beside_do_not_list_the_runs_again(site: Site, page: Page) -> None:
    site.open(page, "#/runs?beside=1&project=news")
    expect(page.locator(".runs-charts figure canvas").first).to_be_visible()
    expect(page.locator(".chart-side")).to_have_count(0)
    marked = page.locator('.line [data-column="name"][style*="box-shadow"]')
    expect(marked).to_have_count(10)
    page.get_by_label("Runs that are one curve").select_option("replicates")
    expect(page.locator(".chart-side")).to_be_visible()


def test_a_view_with_a_name_comes_back_in_another_browser(site: Site, page: Page, chromium: Browser) -> None:
    site.open(page, "#/runs?q=seed == 1")
    expect(lines(page).first).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of this view").fill("first seeds")
    page.get_by_label("Name of this view").press("Enter")
    expect(page.get_by_text("This view is kept as")).to_be_visible()
    context = chromium.new_context()
    other = context.new_page()
    site.open(other, "#/groups")
    other.get_by_role("button", name="Views").click()
    other.get_by_role("link", name="first seeds").click()
    expect(other.get_by_label("Filter runs")).to_have_value("seed == 1")
    other.get_by_role("button", name="Views").click()
    other.get_by_role("button", name="Forget first seeds").click()
    expect(other.get_by_text("No view has a name yet")).to_be_visible()
    context.close()


def test_a_fold_is_of_all_runs_and_sorted_by_the_mean(site: Site, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    site.open(page, "#/runs?fold=settings&sort=-metric.val/loss&project=news&cols=metric.val/loss")
    folds = page.locator(".line.fold")
    expect(folds.first).to_be_visible()
    assert any("limit=10000&columns=metric.val%2Floss" in url for url in asked)
    values: dict[str, list[float]] = {}
    for row in Catalogue(site.store).rows(project="news"):
        values.setdefault(row.replicates, []).append(float(row.metrics.get("val/loss", "nan")))
    means = sorted((statistics.fmean(some) for some in values.values() if len(some) > 1), reverse=True)
    shown = [float(text.split()[0]) for text in folds.locator(".num").all_inner_texts()]
    assert shown == pytest.approx(means, abs=6e-4)
