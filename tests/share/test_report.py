from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.evaluate.leaderboard import leaderboard
from etm_lightning.journal import Journal
from etm_lightning.records import Alert, Edit
from etm_lightning.share.report import render_report, write_report
from etm_lightning.share.report_board import spread
from etm_lightning.share.report_html import number
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests.share.report_page import Node, parse
from tests.share.report_sweep import COUNTS, LABELS, QUESTION, config, confusion, run_id, sweep
from tests.store.building import BASE, Training, finished

HOSTILE = "</style></script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>]]>&amp;<!--\x00$title"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRun]:
    return Store(sweep(tmp_path_factory.mktemp("store"))).runs()


@pytest.fixture(scope="module")
def text(runs: list[StoredRun]) -> str:
    return render_report(runs, now=BASE)


@pytest.fixture(scope="module")
def page(text: str) -> Node:
    return parse(text)


def the(runs: list[StoredRun], rate: float, seed: int) -> StoredRun:
    return next(run for run in runs if run.id == run_id(rate, seed))


def sections(page: Node) -> list[str]:
    return [section.attributes["id"] for section in page.all("section") if "id" in section.attributes]


def test_a_sweep_is_told_from_question_to_troubles(page: Node) -> None:
    assert page.one("h1").text == "lr-sweep"
    assert page.one("p", class_="question").text == QUESTION
    assert [tag.text for tag in page.one("ul", class_="tags").all("li")] == ["bert", "bbc"]
    assert sections(page) == [
        "result", "leaderboard", "curves", "confusion", "config",
        "again", "data", "model", "runs", "troubles",
    ]  # fmt: skip
    assert "Written 2023-11-14 22:13 UTC" in page.one("footer").text


def test_the_leaderboard_has_the_values_of_the_store(page: Node, runs: list[StoredRun]) -> None:
    board = leaderboard(runs)
    head, *_ = page.one("section", id="leaderboard").all("tr")
    names = [cell.text for cell in head.all("th")]
    assert names == ["Place", "lr", "val/f1", "Each run", "n", "val/accuracy", "val/loss", "test/f1"]
    rows = page.one("section", id="leaderboard").rows()
    assert [row[1] for row in rows] == ["3e-05", "0.0001", "1e-05"]
    assert [row[2] for row in rows] == [spread(row.score) for row in board.rows]
    assert rows[0][2] == "0.9645 ± 0.0049"
    assert [row[4] for row in rows] == ["2", "1", "2"]
    assert [row[6] for row in rows] == [number(row.metrics["val/loss"]) for row in board.rows]
    assert [row[7] for row in rows] == ["0.9571", "not tested", "not tested"]
    assert rows[0][0].endswith("winner")
    assert "winner" not in rows[1][0] + rows[2][0]


def test_it_says_that_validation_ranks_and_that_only_the_winner_was_tested(page: Node) -> None:
    note = page.one("section", id="leaderboard").all("p")[0].text
    assert note.startswith("Ranked on validation: val/f1 of each run’s best checkpoint, higher is better")
    assert note.endswith("Only the winner was tested, once.")


def test_it_does_not_claim_what_the_runs_did_not_do(tmp_path: Path) -> None:
    for seed, times in ((1, 1), (2, 2)):
        run = Training(tmp_path, f"20231114-221320-run-000{seed}").start().params(lr=seed)
        run.log(1, {"val/f1": 0.5 + seed / 10}, "validate")
        run.checkpoint("b", 1, monitor="val/f1", mode="max", score=0.5 + seed / 10, best=True)
        for step in range(times):
            run.log(step, {"test/f1": 0.4}, "test")
        run.end()
    found = parse(render_report(Store(tmp_path).runs())).one("section", id="leaderboard").text
    assert "2 of 2 runs were tested, up to 2 times; test values took no part in the ranking." in found
    assert "Only the winner" not in found


def test_every_curve_has_the_points_of_the_store(page: Node, runs: list[StoredRun]) -> None:
    charts = {svg.one("title").text.partition(" by ")[0]: svg for svg in page.all("svg", class_="chart")}
    assert set(charts) == {name for run in runs if not run.evaluates for name in run.metrics}
    drawn = {line.attributes["data-run"]: line.attributes["data-p"] for line in charts["train/loss"].all("g")}
    legend = page.one("ul", class_="legend").all("li")
    best = next(item for item in legend if "winner" in item.text)
    points = the(runs, 3e-05, 1).series("train/loss")
    assert drawn[best.attributes["data-run"]] == " ".join(f"{p.step}:{p.value:.6g}" for p in points)
    assert len(drawn) == len(legend) == 6


def test_replicates_share_a_colour_and_differ_by_dashes(page: Node) -> None:
    styles = {
        item.attributes["data-label"]: item.one("g").classes[1:]
        for item in page.one("ul", class_="legend").all("li")
    }
    assert styles["lr=3e-05 seed=1"] == ["c0", "d0"]
    assert styles["lr=3e-05 seed=2"] == ["c0", "d1"]
    assert styles["lr=0.0001 seed=2"] == ["c1", "d1"]
    assert styles["lr=1e-05 seed=1"] == ["c2", "d0"]


def test_values_that_are_not_finite_are_marked_where_they_were(page: Node) -> None:
    figure = next(one for one in page.all("figure") if one.one("span", class_="metric").text == "train/loss")
    assert figure.one("span", class_="odd").text == "1 not finite: × NaN"
    (sign,) = figure.all("text", class_="sign")
    assert sign.text == "×"
    assert "130:nan" in next(g.attributes["data-p"] for g in figure.all("g") if g.all("text", class_="sign"))


def test_a_failed_run_is_shown_with_all_that_is_wrong_with_it(page: Node) -> None:
    rows = {row[0]: row for row in page.one("section", id="runs").rows()}
    failed = next(row for name, row in rows.items() if run_id(1e-04, 2) in name)
    assert failed[1] == "failed"
    assert failed[-1] == "1 alert; 12 records lost; 2 values not finite"
    box = page.one("section", id="troubles").one("details").text
    for words in ("RuntimeError: CUDA error", "exit code 1", "loss is not finite", "disk full", "Traceback"):
        assert words in box
    assert "1 failed" in page.one("section", id="result").text


def test_damage_is_told(tmp_path: Path) -> None:
    folder = finished(tmp_path, "20231114-221320-run-0001", 0.5)
    (segment,) = folder.journal.glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"train/loss", b"train/lost")
    segment.write_bytes(b"".join(lines))
    found = parse(render_report(Store(tmp_path).runs()))
    assert "damaged in 1 place" in found.one("section", id="runs").text
    assert "checksum does not match" in found.one("section", id="troubles").text


def test_clean_runs_are_said_to_be_clean(tmp_path: Path) -> None:
    folder = finished(tmp_path, "20231114-221320-run-0001", 0.5)
    companion = Journal(folder.journal, run=folder.path.name, attempt=1, role="shipper")
    companion.append(Alert(time=1_700_000_000.0, title="finished", level="info"))
    companion.close()
    found = parse(render_report(Store(tmp_path).runs())).one("section", id="troubles").text
    assert "No error, alert, lost record or damaged file" in found


def test_a_run_that_goes_on_is_called_unfinished(tmp_path: Path) -> None:
    Training(tmp_path).start().log(1, {"train/loss": 1.0})
    assert "still going" in parse(render_report(Store(tmp_path).runs())).one("p", class_="warning").text


def test_the_confusion_matrices_are_those_of_the_best_checkpoint(page: Node) -> None:
    test, validation = page.all("table", class_="heat")
    assert [row[:-1] for row in test.rows()] == [
        [label, *map(str, line)] for label, line in zip(LABELS, COUNTS, strict=True)
    ]
    at_best = [[n * 250 // 100 for n in line] for line in COUNTS]
    assert [row[1:-1] for row in validation.rows()] == [list(map(str, line)) for line in at_best]
    diagonal = [line.all("td", class_="hit")[0] for line in test.one("tbody").all("tr")]
    assert [cell.text for cell in diagonal] == [str(COUNTS[n][n]) for n in range(5)]
    assert test.rows()[0][-1] == f"{98 / 102:.1%}"
    assert (
        test.one("tfoot").all("td")[-1].text
        == f"{sum(COUNTS[n][n] for n in range(5)) / sum(map(sum, COUNTS)):.1%}"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"labels": ["a"], "counts": [[1, 2]]}', b'{"labels": ["a"], "counts": [["x"]]}', None],
)
def test_a_confusion_matrix_that_cannot_be_read_is_reported(tmp_path: Path, content: bytes | None) -> None:
    run = Training(tmp_path).start()
    confusion(run, "val/confusion_matrix", [[1]], "validate", 1)
    run.end()
    (file,) = run.folder.media.iterdir()
    file.unlink() if content is None else file.write_bytes(content)
    found = parse(render_report(Store(tmp_path).runs())).one("section", id="confusion")
    assert "cannot be shown" in found.one("p", class_="warning").text


def test_the_winning_config_is_whole_and_valid_yaml(page: Node) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with hydra-core")
    shown = page.one("section", id="config").one("pre").text
    assert yaml.safe_load(shown) == config(3e-05, 1)


def test_it_tells_how_to_run_the_winner_again(page: Node) -> None:
    again = page.one("section", id="again")
    assert again.one("pre").text.splitlines() == [
        "cd '/home/ada/bbc study'",
        "git checkout 4f2c9e1b7a   # main",
        "python train.py experiment=bbc lr=3e-05 seed=1 'notes=it'\"'\"'s fine'",
    ]
    assert "Tracked files had changes" in again.one("p", class_="warning").text
    assert "checkpoints/best.ckpt is no longer there" in again.text
    assert "step 250, epoch 2, val/f1 0.968" in again.text


def test_facts_about_data_and_model_are_told(page: Node) -> None:
    rows = {row[0]: row[1:] for row in page.one("section", id="data").rows()}
    assert rows["rows"] == ["1,400", "380", "444"]
    assert rows["labels · sport"] == ["280", "76", "88"]
    assert rows["token lengths · p95"] == ["402"] * 3
    assert "22,718,597" in page.one("section", id="model").text


def test_a_single_run_has_no_leaderboard(runs: list[StoredRun]) -> None:
    found = parse(render_report([the(runs, 1e-05, 2)]))
    assert found.one("h1").text == run_id(1e-05, 2)
    assert "leaderboard" not in sections(found)
    assert not found.all("ul", class_="legend")
    assert "It was not tested." in found.one("header").text
    assert "started before lunch" in found.one("header").text


def test_a_run_that_recorded_nothing_has_a_report(tmp_path: Path) -> None:
    Training(tmp_path).start().end("crashed")
    found = parse(render_report(Store(tmp_path).runs(), title="Nothing"))
    assert found.one("h1").text == found.one("title").text == "Nothing"
    assert sections(found) == ["result", "config", "again", "runs", "troubles"]


def test_no_runs_make_no_report() -> None:
    with pytest.raises(ValueError, match="`runs` must hold a run"):
        render_report([])


def test_runs_without_a_best_checkpoint_are_not_ranked(tmp_path: Path) -> None:
    for n in (1, 2):
        Training(tmp_path, f"20231114-221320-run-000{n}").start().log(1, {"train/loss": 1.0}).end()
    found = parse(render_report(Store(tmp_path).runs()))
    assert "nothing is ranked" in found.one("section", id="leaderboard").text


def test_the_file_is_written_whole_and_replaces_an_old_one(tmp_path: Path, runs: list[StoredRun]) -> None:
    path = tmp_path / "new" / "report.html"
    assert write_report(runs, path, now=BASE) == path
    assert write_report(runs[:1], path, now=BASE) == path
    assert path.read_text(encoding="utf-8") == render_report(runs[:1], now=BASE)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


# nothing from outside, nothing let in


def test_the_page_refers_to_nothing_outside_itself(page: Node, text: str) -> None:
    for node in page.all():
        for name, value in node.attributes.items():
            assert name not in ("src", "href", "style", "srcset", "action", "background"), (node.tag, name)
            assert not name.startswith("on"), (node.tag, name)
            assert "//" not in value or node.tag == "meta", (node.tag, name, value)
    assert not re.search(r"https?:|@import|url\(", text)


def test_the_policy_admits_the_own_style_and_script_alone(page: Node) -> None:
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    for tag in ("style", "script"):
        content = page.one(tag).text.encode()
        assert (
            rules.pop(f"{tag}-src")
            == f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"
        )
    assert rules == {"img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two runs whose every text tries to get out of its place."""
    store = tmp_path_factory.mktemp("hostile")
    for n in (1, 2):
        run = _hostile(store, n)
        run.end("failed", reason=HOSTILE, traceback=HOSTILE) if n == 2 else run.end()
    return render_report(Store(store).runs(), title=HOSTILE)


def _hostile(store: Path, n: int) -> Training:
    identity: dict[str, Any] = dict.fromkeys(("name", "group", "notes", "question", "method"), HOSTILE)
    identity["notes"] += str(n)
    run = Training(store, f"20231114-221320-'<b>\"-000{n}", HOSTILE, tags=(HOSTILE,), **identity).start()
    settings: dict[str, Any] = {HOSTILE: HOSTILE + str(n), "nested": {HOSTILE: [HOSTILE, n]}}
    run.params(**settings)
    data: dict[str, Any] = {HOSTILE: HOSTILE, "splits": {HOSTILE: {HOSTILE: HOSTILE}}}
    run.params("data", **data).params("model", a=HOSTILE)
    for step in (1, 2):
        run.log(step, {f"{HOSTILE}/{HOSTILE}": 0.5, HOSTILE: math.inf}, HOSTILE, axis=HOSTILE)
        run.log(step, {"val/" + HOSTILE: n / 4}, "validate")
    run.log(1, {"test/" + HOSTILE: 0.5}, "test")
    run.checkpoint(HOSTILE, 2, monitor="val/" + HOSTILE, mode="max", score=n / 4, best=True, path=HOSTILE[1:])
    run.write(Alert(time=run.now(), title=HOSTILE, text=HOSTILE, level=HOSTILE))
    run.write(Edit(time=run.now(), op="tag", value=HOSTILE))
    confusion(run, HOSTILE, [[n * 7] * 5] * 5, HOSTILE, 1)
    for file in run.folder.media.iterdir():
        content = json.loads(file.read_text())
        file.write_text(json.dumps(content | {"labels": [HOSTILE + str(k) for k in range(5)]}))
    return run


def test_hostile_texts_stay_texts(hostile: str) -> None:
    found = parse(hostile)
    assert len(found.all("script")) == len(found.all("style")) == 1
    assert not found.all("img")
    assert not found.all("b", onerror="alert(1)")
    assert all(not name.startswith("on") for node in found.all() for name in node.attributes)
    assert "\x00" not in hostile
    shown = HOSTILE.replace("\x00", "\ufffd")
    assert found.one("h1").text == found.one("head").one("title").text == shown
    for tag in ("li", "code", "pre", "td", "th", "dd", "dt", "figcaption", "details", "caption"):
        assert any("<script>alert(1)</script>" in node.text for node in found.all(tag)), tag


# size and speed


def test_a_sweep_of_a_hundred_runs_stays_below_five_megabytes(tmp_path: Path) -> None:
    for n in range(100):
        run = (
            Training(tmp_path, f"20231114-221320-run-{n:04}", group="g").start().params(lr=n // 2, seed=n % 2)
        )
        for step in range(400):
            run.log(step, {f"train/m{k}": math.sin(step * (n + k + 1)) for k in range(8)})
        run.log(400, {"val/f1": n / 100}, "validate").checkpoint(
            "b", 400, monitor="val/f1", score=n / 100, best=True
        )
        run.end()
    stored = Store(tmp_path).runs()
    text = render_report(stored)
    assert len(text.encode()) <= 5_000_000
    found = parse(text)
    assert len(found.one("section", id="runs").rows()) == 100
    assert "84 other runs" in found.one("ul", class_="legend").text


def test_more_metrics_than_charts_are_listed_with_their_values(tmp_path: Path) -> None:
    run = Training(tmp_path).start()
    for step in (1, 2):
        run.log(step, {f"train/m{k:03}": float(k * step) for k in range(100)})
    run.end()
    found = parse(render_report(Store(tmp_path).runs()))
    assert len(found.all("svg", class_="chart")) == 60
    listed = found.one("section", class_="curves").rows()
    assert len(listed) == 40
    assert listed[-1] == ["train/m099", run.folder.path.name, "2", "198", "99", "198", "2"]


# what anybody must be able to read


def test_tables_and_charts_have_names_for_those_who_do_not_see_them(page: Node) -> None:
    for table in page.all("table"):
        assert table.one("caption").text
        assert all(cell.attributes.get("scope") in ("row", "col") for cell in table.all("th"))
    for svg in page.all("svg"):
        assert svg.attributes.get("aria-hidden") == "true" or (
            svg.attributes.get("role") == "img" and svg.all("title")[0].text
        )
    loss = next(svg for svg in page.all("svg", class_="chart") if "val/f1" in svg.text)
    assert "highest 0.968 at 250 (lr=3e-05 seed=1)" in loss.one("title").text
    assert page.one("html").attributes["lang"] == "en"
