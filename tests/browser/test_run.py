from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from etm_lightning.store.store import Store
from tests.browser.sample import TRACE, rich
from tests.browser.site import Site, served
from tests.store.building import Training

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    store = tmp_path_factory.mktemp("run") / "etm_runs"
    rich(store)
    run = Training(store, "20231114-221320-again-0001", "resumed", name="twice").start()
    run.log(1, {"train/loss": 1.0}).checkpoint("c1", 1, path="checkpoints/1.ckpt").log(2, {"train/loss": 9.0})
    run.end("preempted")
    run.start(parent=1, checkpoint="c1").log(2, {"train/loss": 0.5})
    run.end("failed", reason="RuntimeError: CUDA out of memory", exit_code=1, traceback=TRACE)
    with served(store) as site:
        yield site


def opened(site: Site, page: Page, tab: str = "", project: str = "news") -> None:
    (key,) = site.keys(project)
    site.open(page, f"#/run/{key}{'?tab=' * bool(tab)}{tab}")
    expect(page.get_by_role("tab", selected=True)).to_be_visible()


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("figure", name=name, exact=True)


def test_the_overview_has_values_notes_origin_and_how_to_run_it_again(site: Site, page: Page) -> None:
    opened(site, page)
    watched = page.get_by_role("row").filter(has_text="higher is better")
    expect(watched).to_contain_text("val/f1")
    expect(page.get_by_role("row").filter(has_text="train/loss")).to_contain_text("1 not finite")
    expect(page.locator(".markdown strong")).to_have_text("with")
    expect(page.get_by_text("Validation got worse")).to_be_visible()
    (run,) = Store(site.store).runs(project="news")
    commit = run.info("start")["git"]["commit"]
    expect(page.locator(".facts-list")).to_contain_text(commit[:12])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the commands").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[0].startswith("git ")
    assert copied == page.locator(".commands").inner_text()


def test_the_charts_are_of_the_experiment_and_the_machine_has_its_own(site: Site, page: Page) -> None:
    opened(site, page, "charts")
    sections = page.locator(".chart-section h2")
    expect(sections).to_contain_text(["val", "train", "metrics"])
    expect(sections).to_have_count(3)
    opened(site, page, "system")
    expect(sections).to_contain_text(["system"])
    expect(sections).to_have_count(1)


def test_a_failure_and_its_attempts_are_told(site: Site, page: Page) -> None:
    opened(site, page, project="resumed")
    expect(page.locator(".trouble")).to_contain_text("RuntimeError: CUDA out of memory")
    expect(page.locator(".traceback")).to_contain_text("trainer.fit(model, data)")
    attempts = page.locator("section", has=page.get_by_role("heading", name="Attempts")).locator("tbody tr")
    expect(attempts).to_have_count(2)
    expect(attempts.nth(1)).to_contain_text("attempt 1, checkpoint c1")


def test_one_slider_moves_every_picture_and_matrix_through_the_steps(site: Site, page: Page) -> None:
    opened(site, page, "media")
    matrix, picture = card(page, "val/confusion"), card(page, "val/attention")
    expect(matrix.locator("tbody tr").first.locator("td").first).to_have_text("98")
    expect(picture.locator("img")).to_have_count(2)
    last = picture.locator("img").first.get_attribute("src")
    matrix.get_by_role("slider").press("ArrowLeft")
    expect(matrix.locator("tbody tr").first.locator("td").first).to_have_text(str(98 * 250 // 300))
    expect(picture.locator("figcaption")).to_contain_text("step 250")
    expect(picture.locator("img").first).not_to_have_attribute("src", last or "")
    assert (
        picture.locator("img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 96
    )
    picture.get_by_role("button").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_curves_histograms_tables_and_texts_are_drawn(site: Site, page: Page) -> None:
    opened(site, page, "media")
    expect(card(page, "test/pr")).to_contain_text("AP 0.9")
    expect(card(page, "test/roc")).to_contain_text("AUC 0.9")
    expect(card(page, "weights/encoder")).to_contain_text("2,000 values")
    expect(card(page, "weights/encoder").locator("rect")).to_have_count(64)
    table = card(page, "test/errors")
    expect(table).to_contain_text("1 to 50 of 250")
    table.get_by_role("button", name="On").click()
    expect(table).to_contain_text("headline 50 of the news")
    expect(card(page, "sample").locator("strong")).to_have_text("takes")


def test_a_logged_page_runs_in_a_sandbox(site: Site, page: Page) -> None:
    opened(site, page, "media")
    frame = card(page, "test/page").locator("iframe")
    expect(frame).to_have_attribute("sandbox", "allow-scripts")
    expect(frame.content_frame.get_by_role("heading", name="A page")).to_be_visible()
    assert "taken" not in page.title()
    (inner,) = [one for one in page.frames if "/media/" in one.url]
    assert inner.evaluate("window.origin") == "null"


def test_logs_are_found_in_and_artifacts_are_sent(site: Site, page: Page) -> None:
    opened(site, page, "logs")
    expect(page.locator(".log")).to_contain_text("step 399: fine")
    page.get_by_label("Find lines").fill("step 37:")
    expect(page.locator(".log")).to_have_text("epoch 0 step 37: fine")
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_role("row").filter(has_text="checkpoints/300.ckpt")).to_contain_text("best")
    with page.expect_download() as sent:
        page.get_by_role("link", name="Download").click()
    assert sent.value.path().read_text().startswith("business")


def test_settings_are_found_at_any_depth(site: Site, page: Page) -> None:
    opened(site, page, "config")
    page.get_by_label("Find a setting or fact").fill("bf16")
    expect(page.locator(".tree .leaf")).to_have_count(1)
    expect(page.locator(".tree .leaf")).to_have_text(re.compile(r"precision\s*bf16-mixed"))


def test_tabs_go_by_arrow_keys_and_live_in_the_address(site: Site, page: Page) -> None:
    opened(site, page)
    page.get_by_role("tab", name="Overview").press("ArrowRight")
    expect(page.get_by_role("tab", name="Charts")).to_be_focused()
    expect(page).to_have_url(re.compile("tab=charts"))
    page.go_back()
    expect(page.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")


def test_notes_are_written_and_a_run_is_renamed_trashed_and_restored(site: Site, page: Page) -> None:
    opened(site, page, project="resumed")
    page.get_by_role("button", name="+ Write").click()
    page.get_by_label("Notes", exact=True).fill("It died **twice**")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".markdown strong")).to_have_text("twice")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name", exact=True).fill("twice dead")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("twice dead")
    page.get_by_role("button", name="Trash").click()
    expect(page.get_by_text("in the trash", exact=True)).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("in the trash", exact=True)).to_have_count(0)
