"""Pictures of the dashboard for the README: a sample store is made, served and photographed in Chromium.

    python benchmarks/pages.py [--into docs/pictures] [--store FOLDER]

Each page is taken in light and in dark, at twice the size.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, sync_playwright

from etm_lightning.web.build import build
from tests.browser.sample import sample
from tests.browser.site import Site, served

SIZE = (1280, 720)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pages(site: Site, project: str) -> dict[str, str]:
    """The pages by the names of their pictures."""
    keys = site.keys(project)
    some = ",".join(keys[-10:-1])
    return {
        "runs": f"#/runs?sort=-metric.val/f1&sel={','.join(keys[-4:-1])}",
        "seeds": "#/runs?fold=settings&sort=-metric.val/f1",
        "charts": f"#/charts?keys={some}",
        "run": f"#/run/{keys[-1]}",
        "media": f"#/run/{keys[-1]}?tab=media",
        "compare": f"#/compare?keys={some}",
    }


def settled(page: Page) -> None:
    """Wait until nothing is being fetched or drawn any more."""
    page.locator("main").wait_for()
    for _ in range(3):
        page.wait_for_timeout(600)
        page.locator(".loading").wait_for(state="hidden")


def take(site: Site, project: str, into: Path) -> None:
    """Photograph every page in both themes."""
    build()
    into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM)
        for scheme in SCHEMES:
            context = browser.new_context(color_scheme=scheme, device_scale_factor=2)
            page = context.new_page()
            page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
            for name, address in pages(site, project).items():
                site.open(page, address)
                settled(page)
                page.screenshot(path=into / f"{name}-{scheme}.png")
                print(into / f"{name}-{scheme}.png")
            context.close()
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--store", type=Path, help="a store of your own, instead of the sample")
    parser.add_argument("--project", default="news")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = asked.store or sample(Path(folder) / "etm_runs")
        with served(store) as site:
            take(site, asked.project, asked.into)


if __name__ == "__main__":
    main()
