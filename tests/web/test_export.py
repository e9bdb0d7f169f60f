"""One file that shows runs from the disk, whatever they are called and however many they are."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etm_lightning.records import Media
from etm_lightning.store.store import Store
from etm_lightning.web.document import Document
from etm_lightning.web.embedded import LARGEST, gather
from etm_lightning.web.export import UnbuiltError, export, render
from etm_lightning.web.packing import pack
from etm_lightning.web.stores import Stores
from tests.store.building import Training
from tests.web.ground import application, built_page, client, key

SCRIPT = 'const a = "</script>", b = "<!--";\n'
NASTY = "</script><script>alert(1)</script><!--<script>\u2028&amp;'\""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_page(tmp_path_factory.mktemp("static"), SCRIPT)


class Elements(HTMLParser):
    """The elements of a page with their attributes and texts, as a browser finds them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("", {}, ""))

    def handle_data(self, data: str) -> None:
        if self.found:
            tag, attrs, text = self.found[-1]
            self.found[-1] = tag, attrs, text + data

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attrs, text) for name, attrs, text in self.found if name == tag]


def numbers(packed: Any) -> list[float]:
    """What `Packed` of the front end says, read by itself."""
    if isinstance(packed, str):
        kind = {"i4": "<i4", "f4": "<f4", "f8": "<f8"}[packed[:2]]
        return [float(one) for one in np.frombuffer(base64.b64decode(packed[3:]), kind)]
    if packed and packed[0] == "range":
        _, first, stride, n = packed
        return [first + i * stride for i in range(n)]
    return list(packed)


def data(text: str) -> dict[str, Any]:
    (content,) = [text for attrs, text in Elements(text).all("script") if attrs.get("id") == "etm-data"]
    found: dict[str, Any] = json.loads(content)
    return found


def keys(stores: Stores) -> list[str]:
    return stores.keys()


@pytest.fixture(scope="module")
def stores(sweep_store: Path) -> Stores:
    return Stores([Store(sweep_store)])


@pytest.fixture(scope="module")
def exported(stores: Stores, page: Path) -> str:
    return export(stores, keys(stores), static=page)


def test_the_file_refers_to_nothing_outside_itself(exported: str) -> None:
    for tag, attrs, _ in Elements(exported).found:
        assert not ({"src", "href"} & set(attrs)), tag
    assert exported.count("<script") == 2
    assert Elements(exported).all("title") == [({}, "lr-sweep")]


def test_only_the_built_script_and_style_may_run(exported: str) -> None:
    found = Elements(exported)
    ((policy, _),) = [one for one in found.all("meta") if "http-equiv" in one[0]]
    script = next(text for attrs, text in found.all("script") if attrs.get("type") == "module")
    style = found.all("style")[0][1]
    words = policy["content"] or ""
    assert words.startswith("default-src 'none'")
    assert "unsafe" not in words
    for text, name in ((script, "script-src"), (style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in words
    assert script == SCRIPT.replace("</script", "\\x3c/script").replace("<!--", "\\x3c!--")


def test_a_script_that_is_no_module_runs_first_and_after_the_data(tmp_path: Path) -> None:
    root = built_page(tmp_path, "later")
    page = (root / "index.html").read_text().replace("</body>", '<script src="./ahead.js"></script></body>')
    (root / "index.html").write_text(page)
    (root / "ahead.js").write_text("first")
    document = Document.read(root)
    scripts = Elements(document.filled("a & b", {"known": [1]})).all("script")
    assert scripts == [
        ({"type": "application/json", "id": "known"}, "[1]"),
        ({}, "first"),
        ({"type": "module", "blocking": "render"}, "later"),
    ]
    assert document.sources.count("'sha256-") == 3


def test_the_points_in_the_file_are_those_of_the_store(exported: str, sweep_store: Path) -> None:
    found = data(exported)
    run = Store(sweep_store).run("lr=3e-05_seed=1")
    where = next(one["row"]["key"] for one in found["runs"] if one["row"]["id"] == run.id)
    line = next(one for one in found["series"] if one["run"] == where and one["name"] == "val/f1")
    points = run.series("val/f1")
    assert line["complete"]
    assert numbers(line["x"]["step"]) == [point.step for point in points]
    assert numbers(line["y"]) == pytest.approx([point.value for point in points], rel=1e-6)
    assert set(line["x"]) == {"step", "epoch", "relative"}


def test_a_group_opens_at_its_page_and_a_run_at_its_own(stores: Stores, exported: str) -> None:
    assert data(exported)["view"] == "#/group/0/bbc/lr-sweep"
    assert data(exported)["studies"]["0/bbc/lr-sweep"]["objective"]["name"] == "val/f1"
    first = keys(stores)[0]
    assert gather(stores, [first])["view"] == f"#/run/{first}"


def test_values_that_are_not_finite_and_confusion_matrices_are_in_it(exported: str) -> None:
    found = data(exported)
    odd = [mark for line in found["series"] for mark in line["nonfinite"]]
    assert [(mark["x"]["step"], mark["value"]) for mark in odd] == [(130, "nan")] * 2
    assert {"labels", "counts"} == set(next(iter(found["media"].values())))


def test_the_places_on_this_machine_stay_here(exported: str, sweep_store: Path) -> None:
    assert str(sweep_store) not in exported


def test_hostile_texts_are_data_and_nothing_else(tmp_path: Path, page: Path) -> None:
    said = {"name": NASTY, "notes": NASTY, "group": NASTY}
    run = Training(tmp_path / "etm_runs", **said, tags=(NASTY,)).start()
    run.params(**{NASTY: NASTY}).log(1, {NASTY: 1.0})
    (run.folder.path / "media").mkdir()
    (run.folder.path / "media" / "a.html").write_text(NASTY)
    run.write(
        Media(time=run.now(), name=NASTY, type="html", file="media/a.html", sha256="0" * 64, size=9, step=1)
    )
    run.end()
    stores = Stores([Store(tmp_path / "etm_runs")])
    text = export(stores, keys(stores), static=page, title=NASTY)
    assert text.count("<script") == 2
    assert text.count("</script") == 2
    assert "<!--" not in text
    (row,) = [one["row"] for one in data(text)["runs"]]
    assert (row["name"], row["tags"], row["params"]) == (NASTY, [NASTY], {NASTY: NASTY})
    (held,) = data(text)["media"].values()
    assert held == "data:text/html;base64," + base64.b64encode(NASTY.encode()).decode()


def test_numbers_are_packed_without_loss_that_a_chart_shows() -> None:
    for values in ([1.5, 2.25, -1e30], [3.0, 1.0, 2.0], [1.0], [], [2.0**40, 1.0], [5.0, 5.0, 5.0]):
        assert numbers(pack(np.array(values))) == pytest.approx(values, rel=1e-6)
    assert numbers(pack(np.array([0.1, 1e300]), exact=True)) == [0.1, 1e300]


def many(store: Path, *, runs: int, steps: int) -> Stores:
    """Runs of twenty curves each, with a spike of one point in every curve."""
    packages = {f"package-{n}": f"1.{n}.0" for n in range(200)}
    for number in range(runs):
        run = Training(store, f"20231114-221320-run{number}-{number:04x}", group="big").start()
        run.params(model={"lr": number / 100, **{f"option{n}": n for n in range(60)}})
        run.params("start", packages=packages)
        for step in range(steps):
            value = 1 / (1 + step) + number / 1000 + (step == steps // 2) * 9
            run.log(step * 10, {f"train/metric{n}": value * (n + 1) for n in range(20)}, epoch=step // 50)
        run.end()
    return Stores([Store(store)])


def test_a_sweep_of_a_hundred_runs_stays_below_five_megabytes(tmp_path: Path, page: Path) -> None:
    stores = many(tmp_path / "etm_runs", runs=100, steps=12)
    text = export(stores, keys(stores), static=page)
    assert LARGEST + 500_000 < 5_000_000
    assert len(text.encode()) < LARGEST
    assert len(data(text)["series"]) == 2000


def test_curves_are_thinned_to_the_room_there_is_and_keep_their_spikes(tmp_path: Path) -> None:
    stores = many(tmp_path / "etm_runs", runs=2, steps=900)
    found = gather(stores, keys(stores), largest=200_000)
    assert 100_000 < len(json.dumps(found)) < 210_000
    for line in found["series"]:
        y = numbers(line["y"])
        assert line["total"] == 900
        assert not line["complete"]
        assert 24 <= len(y) < 900
        assert numbers(line["x"]["step"])[int(np.argmax(y))] == 4500


def test_the_api_sends_the_file_to_be_kept(
    sweep_store: Path, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etm_lightning.web.export.static_folder", lambda: page)
    browser = client(application(sweep_store))
    answer = browser.post("/api/export", json={"keys": [key(browser)], "title": "one"})
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"] == "sandbox"
    assert data(answer.text)["title"] == "one"
    assert browser.post("/api/export", json={"keys": []}).status_code == 400
    assert browser.post("/api/export", json={"keys": ["0" * 16]}).status_code == 404


def test_without_a_built_page_there_is_no_file(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(UnbuiltError, match=r"python -m etm_lightning\.web\.build"):
        export(stores, keys(stores), static=tmp_path)
    (tmp_path / "index.html").write_text("<p>something else</p>")
    with pytest.raises(UnbuiltError, match="cannot be exported"):
        render(gather(stores, keys(stores)[:1]), tmp_path)
