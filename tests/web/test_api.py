"""What the API says is what the store says."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from etm_lightning.layout import RunFolder
from etm_lightning.records import Artifact, Media, Text
from etm_lightning.store.store import Store
from etm_lightning.web.events import difference, look
from etm_lightning.web.rows import Filter, page
from etm_lightning.web.stores import Stores
from tests.share.report_sweep import COUNTS, LABELS
from tests.store.building import Training, finished
from tests.web.ground import application, built_page, client, key


def test_a_row_says_what_the_run_says(reader: TestClient, sweep_store: Path) -> None:
    found = reader.get("/api/runs", params={"sort": "metric.val/f1", "limit": 2}).json()
    assert found["total"] == 7
    run = Store(sweep_store).run(found["runs"][1]["id"])
    row = found["runs"][1]
    assert row["metrics"]["val/f1"] == run.headline["val/f1"]
    assert (row["status"], row["duration"], row["seed"]) == (run.status, run.duration, run.params["seed"])
    assert row["params"]["model.lr"] == run.params["model"]["lr"]


def test_runs_without_a_value_come_last_whichever_way(reader: TestClient) -> None:
    for sort in ("metric.val/f1", "-metric.val/f1"):
        rows = reader.get("/api/runs", params={"sort": sort}).json()["runs"]
        assert "test" in rows[-1]["id"]
        values = [row["metrics"]["val/f1"] for row in rows[:-1]]
        assert values == sorted(values, reverse=sort.startswith("-"))


def test_runs_are_narrowed_and_paged(reader: TestClient) -> None:
    every = reader.get("/api/runs").json()["runs"]
    found = reader.get("/api/runs", params={"offset": 2, "limit": 3}).json()
    assert (found["total"], found["runs"]) == (7, every[2:5])
    assert reader.get("/api/runs", params={"project": "bbc"}).json()["total"] == 7
    assert reader.get("/api/runs", params={"project": "none"}).json()["total"] == 0
    two = [row["key"] for row in every[:2]]
    chosen = reader.get("/api/runs", params={"keys": ",".join([*two, "0" * 16])}).json()
    assert {row["key"] for row in chosen["runs"]} == set(two)


def test_rows_have_only_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    for number in range(3):
        store = tmp_path / f"{number % 2}" / "etm_runs"
        params = {"lr": number, "seed": 1}
        finished(store, f"20231114-22132{number}-a-000{number}", number / 10, params=params)
    for stores in ([tmp_path / "0" / "etm_runs"], [tmp_path / "0" / "etm_runs", tmp_path / "1" / "etm_runs"]):
        browser = client(application(*stores))
        asked = {"columns": "param.lr,metric.none", "sort": "-metric.val/f1"}
        found = browser.get("/api/runs", params=asked).json()["runs"]
        whole = browser.get("/api/runs", params={"sort": "-metric.val/f1"}).json()["runs"]
        assert [row["key"] for row in found] == [row["key"] for row in whole]
        assert [row["params"] for row in found] == [{"lr": row["params"]["lr"]} for row in whole]


def test_what_is_known_is_told_without_a_look(tmp_path: Path) -> None:
    finished(tmp_path / "etm_runs", "20231114-221320-a-0001", 0.5)
    stores = Stores([Store(tmp_path / "etm_runs")])
    assert page(stores, Filter(known=True))["total"] == 1  # the first question is a look
    finished(tmp_path / "etm_runs", "20231114-221321-b-0002", 0.6)
    assert page(stores, Filter(known=True))["total"] == 1
    before = look(stores, known=True)
    (came,) = difference(before, look(stores))["added"]
    assert page(stores, Filter(known=True))["runs"][0]["key"] == came


def test_the_replicates_of_a_setting_share_a_hash(reader: TestClient) -> None:
    rows = [row for row in reader.get("/api/runs").json()["runs"] if row["params"]]
    by_rate = {row["params"]["model.lr"]: set[str]() for row in rows}
    for row in rows:
        by_rate[row["params"]["model.lr"]].add(row["replicates"])
    assert len(set.union(*by_rate.values())) == len(by_rate) == 3


def test_columns_and_sparks(reader: TestClient) -> None:
    columns = reader.get("/api/columns").json()
    rate = next(one for one in columns["params"] if one["name"] == "model.lr")
    assert rate == {"name": "model.lr", "count": 6, "numeric": True, "values": [1e-05, 3e-05, 1e-04]}
    score = next(one for one in columns["metrics"] if one["name"] == "val/f1")
    assert score["max"] == 0.968
    run = key(reader, "3e-05_seed=1")
    sparks = reader.get("/api/sparks", params={"metric": "train/loss", "keys": f"{run},none"}).json()
    assert list(sparks) == [run]
    assert 3 < len(sparks[run]) <= 40


def test_a_run_is_told_with_all_that_is_wrong_with_it(reader: TestClient) -> None:
    found = reader.get(f"/api/runs/{key(reader, '0.0001_seed=2')}").json()
    assert found["reason"] == "RuntimeError: CUDA error"
    assert found["traceback"].startswith("Traceback")
    assert found["exit_code"] == 1
    assert [one["title"] for one in found["alerts"]] == ["loss is not finite"]
    assert found["gaps"][0]["lost"] == 12
    assert found["attempts"][0]["status"] == "failed"
    loss = next(one for one in found["series"] if one["name"] == "train/loss")
    assert loss["nonfinite"] == 1
    assert found["reproduce"][-1].startswith("python train.py experiment=bbc lr=0.0001")


def test_a_run_of_two_attempts_tells_both(tmp_path: Path) -> None:
    run = Training(tmp_path / "etm_runs").start().log(1, {"a": 1.0}).checkpoint("c", 1)
    run.end("preempted")
    run.start(parent=1, checkpoint="c").log(2, {"a": 2.0}).end()
    browser = client(application(tmp_path / "etm_runs"))
    found = browser.get(f"/api/runs/{key(browser)}").json()
    assert [one["status"] for one in found["attempts"]] == ["preempted", "finished"]
    assert found["attempts"][1] | {"parent": 1, "checkpoint": "c"} == found["attempts"][1]


def test_a_run_with_a_file_that_cannot_be_read_is_shown(tmp_path: Path) -> None:
    run = Training(tmp_path / "etm_runs").start().log(1, {"a": 1.0}).end()
    unread = _unreadable(run.folder)
    browser = client(application(tmp_path / "etm_runs"))
    found = browser.get(f"/api/runs/{key(browser)}").json()
    assert [one["file"] for one in found["damage"]] == [f"journal/{unread.name}"]
    assert found["attempts"] == []


def _unreadable(folder: RunFolder) -> Path:
    """The file of a journal, in its place something that not even root can read as one."""
    (path,) = folder.journal.iterdir()
    path.unlink()
    path.mkdir()
    return path


def test_tables_and_matrices_are_sent_as_they_lie(reader: TestClient) -> None:
    where = f"/api/runs/{key(reader, 'test')}"
    (medium,) = reader.get(where).json()["media"]
    answer = reader.get(f"{where}/media/{medium['id']}")
    assert answer.json() == {"labels": LABELS, "counts": COUNTS}
    assert answer.headers["content-type"] == "application/json"
    assert reader.get(f"{where}/media/{medium['id'][::-1]}").status_code == 404
    assert reader.get(f"{where}/table/{medium['id']}").status_code == 404


@pytest.fixture
def filed(tmp_path: Path) -> tuple[TestClient, str, RunFolder]:
    """A run with files of all kinds, in its folder and elsewhere."""
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    run = Training(tmp_path / "etm_runs").start()
    folder = run.folder
    for part in ("media", "logs", "artifacts"):
        (folder.path / part).mkdir()
    contents = {
        "media/a.html": "<script>parent.document</script>",
        "media/a.svg": "<svg onload='alert(1)'/>",
        "media/a.png": "\x89PNG",
        "media/a.json": json.dumps({"columns": ["a"], "rows": [[n] for n in range(9)]}),
        "media/a.wav": "0123456789",
        "artifacts/vocab.txt": "words",
        "logs/train.log": "".join(f"line {n}\n" for n in range(1000)),
        "logs/.hidden": "no",
    }
    for name, content in contents.items():
        (folder.path / name).write_text(content)
    (folder.path / "media" / "link.png").symlink_to(outside)
    (folder.path / "artifacts" / "linked").symlink_to(tmp_path)
    (folder.path / "logs" / "link.log").symlink_to(outside)
    os.mkfifo(folder.path / "media" / "pipe.png")
    types = {"html": "html", "svg": "image", "png": "image", "json": "table", "wav": "audio"}
    for suffix, kind in types.items():
        run.write(_medium(run, suffix, kind, f"media/a.{suffix}"))
    hostile = [
        "media/link.png",
        "media/pipe.png",
        "../../../secret.txt",
        str(outside),
        "media",
        "media/none.png",
    ]
    hostile += ["media/../../../../secret.txt", "media/\x00.png", "media\\..\\a.png", ""]
    for number, file in enumerate(hostile):
        run.write(_medium(run, f"hostile{number}", "image", file))
    paths = [
        "artifacts/vocab.txt", str(folder.artifacts / "vocab.txt"), "artifacts/linked/secret.txt",
        str(outside), "/etc/passwd", "../run.json", "artifacts", ".", "~/.ssh/id_rsa",
    ]  # fmt: skip
    for number, path in enumerate(paths):
        run.write(Artifact(time=run.now(), name=f"file{number}", type="file", path=path))
    run.write(Text(time=run.now(), name="note", text="<img src=x onerror=alert(1)>"))
    run.end()
    browser = client(application(tmp_path / "etm_runs"))
    return browser, f"/api/runs/{key(browser)}", folder


def _medium(run: Training, name: str, kind: str, file: str) -> Media:
    return Media(time=run.now(), name=name, type=kind, file=file, sha256="0" * 64, size=1, step=1)


Filed = tuple[TestClient, str, RunFolder]


def test_a_recorded_page_is_shown_in_an_origin_of_its_own(filed: Filed) -> None:
    browser, where, _ = filed
    ids = {one["name"]: one["id"] for one in browser.get(where).json()["media"]}
    page = browser.get(f"{where}/media/{ids['html']}")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy
    picture = browser.get(f"{where}/media/{ids['svg']}")
    assert picture.headers["content-disposition"].startswith("attachment")
    assert picture.headers["content-type"] == "application/octet-stream"
    assert picture.headers["content-security-policy"].startswith("sandbox;")
    plain = browser.get(f"{where}/media/{ids['png']}")
    assert plain.headers["content-type"] == "image/png"
    assert plain.headers["x-content-type-options"] == "nosniff"


def test_no_record_leads_out_of_the_folder_of_its_run(filed: Filed) -> None:
    browser, where, _ = filed
    found = browser.get(where).json()
    hostile = [one for one in found["media"] if one["name"].startswith("hostile")]
    assert len(hostile) == 10
    for one in hostile:
        answer = browser.get(f"{where}/media/{one['id']}")
        assert answer.status_code == 404, one
        assert "secret" not in answer.text
    served = {one["name"]: one["served"] for one in found["artifacts"]}
    assert [name for name, known in served.items() if known] == ["file0", "file1"]
    for one in found["artifacts"]:
        answer = browser.get(f"{where}/artifacts/{one['id']}")
        assert answer.status_code == (200 if one["name"] in ("file0", "file1") else 404), one
        assert answer.status_code == 404 or answer.text == "words"


def test_a_file_is_kept_under_its_own_name(filed: Filed) -> None:
    browser, where, _ = filed
    first = browser.get(where).json()["artifacts"][0]
    answer = browser.get(f"{where}/artifacts/{first['id']}")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''vocab.txt"


def test_the_end_of_a_log_begins_with_a_whole_line(filed: Filed) -> None:
    browser, where, folder = filed
    (log,) = browser.get(where).json()["logs"]
    assert (log["name"], log["size"]) == ("train.log", (folder.logs / "train.log").stat().st_size)
    answer = browser.get(f"{where}/logs/{log['id']}", params={"tail": 30})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "line 997\nline 998\nline 999\n"


def test_logs_whose_names_are_no_text_are_shown_too(filed: Filed) -> None:
    browser, where, folder = filed
    for number, name in enumerate((b"\xfe.log", b"\xff.log")):
        try:
            (folder.logs / os.fsdecode(name)).write_text(f"{number}\n")
        except OSError as error:
            pytest.skip(f"this file system has no such names: {error}")
    found = {one["name"]: one["id"] for one in browser.get(where).json()["logs"]}
    odd = r"\udcff.log"
    assert found.keys() == {"train.log", r"\udcfe.log", odd}
    assert browser.get(f"{where}/logs/{found[odd]}").text == "1\n"


def test_a_table_comes_in_pages(filed: Filed) -> None:
    browser, where, _ = filed
    id = next(one["id"] for one in browser.get(where).json()["media"] if one["name"] == "json")
    found = browser.get(f"{where}/table/{id}", params={"offset": 2, "limit": 3}).json()
    assert found == {"columns": ["a"], "rows": [[2], [3], [4]], "total": 9}


def test_a_part_of_a_film_is_sent_alone(filed: Filed) -> None:
    browser, where, _ = filed
    id = next(one["id"] for one in browser.get(where).json()["media"] if one["name"] == "wav")
    for asked, status, content in (
        ("bytes=2-4", 206, "234"), ("bytes=7-", 206, "789"), ("bytes=-2", 206, "89"),
        ("bytes=9-2", 200, "0123456789"), ("bytes=99-", 200, "0123456789"), ("lines=1-2", 200, "0123456789"),
    ):  # fmt: skip
        answer = browser.get(f"{where}/media/{id}", headers={"range": asked})
        assert (answer.status_code, answer.text) == (status, content), asked


def test_several_stores_are_shown_as_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        finished(tmp_path / name / "etm_runs", "20231114-221320-same-0001", 0.5, params={"lr": 1})
    browser = client(application(tmp_path / "a" / "etm_runs", tmp_path / "b" / "etm_runs"))
    session = browser.get("/api/session").json()
    assert [(one["id"], one["name"], one["projects"]) for one in session["stores"]] == [
        ("0", "a", ["p"]), ("1", "b", ["p"]),
    ]  # fmt: skip
    rows = browser.get("/api/runs").json()["runs"]
    assert len({row["key"] for row in rows}) == 2
    assert browser.get("/api/runs", params={"store": "1"}).json()["total"] == 1
    assert browser.get("/api/groups/7/p/g").status_code == 404


def test_hostile_names_come_out_as_they_went_in(tmp_path: Path) -> None:
    name = "</script><img src=x onerror=alert(1)>\u2028\u202e\x00'\""
    run = Training(
        tmp_path / "etm_runs", project="../../etc", name=name, tags=(name,), group=name, notes=name
    )
    run.start().params(**{name: name}).log(1, {name: 1.0}).end()
    browser = client(application(tmp_path / "etm_runs"))
    (row,) = browser.get("/api/runs").json()["runs"]
    assert (row["project"], row["name"], row["tags"]) == ("../../etc", name, [name])
    assert row["metrics"] == {name: 1.0}
    answer = browser.get(f"/api/runs/{row['key']}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["config"] == {name: name}


def test_the_groups_and_their_trials(reader: TestClient) -> None:
    (group,) = reader.get("/api/groups").json()
    assert (group["group"], group["runs"], group["status"]) == ("lr-sweep", 7, {"finished": 6, "failed": 1})
    found = reader.get("/api/groups/0/bbc/lr-sweep").json()
    assert found["objective"] == {"name": "val/f1", "direction": "maximize"}
    assert found["params"] == ["model.lr"]
    assert found["best"] == key(reader, "3e-05_seed=1")
    assert [trial["value"] for trial in found["trials"]][:2] == [0.941, 0.968]
    assert reader.get("/api/groups/0/bbc/none").status_code == 404


def test_the_name_of_a_group_may_be_longer_than_that_of_a_file(tmp_path: Path) -> None:
    long = "g" * 300
    Training(tmp_path / "etm_runs", group=long).start().end()
    browser = client(application(tmp_path / "etm_runs"))
    (group,) = browser.get("/api/groups").json()
    assert (group["group"], group["study"]) == (long, False)
    assert browser.get(f"/api/groups/0/p/{long}").json()["trials"][0]["status"] == "finished"


def test_the_page_is_compressed_for_whom_understands_that(sweep_store: Path, tmp_path: Path) -> None:
    app = client(application(sweep_store, static=built_page(tmp_path, "let one = 1;" * 1000)))
    packed = app.get("/", headers={"accept-encoding": "br, gzip"})
    plain = app.get("/", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 2000 < 12_000 < len(plain.content)
    assert packed.text == plain.text
    built_page(tmp_path, "let two = 22;")  # it was built anew
    assert "let two = 22;" in app.get("/").text


def test_the_page_is_one_answer_with_the_session_in_it_as_data(tmp_path: Path) -> None:
    store = tmp_path / "</script><b>"
    finished(store / "etm_runs", "20231114-221320-a-0001", 0.5)
    script = 'const end = "</script>";'
    app = client(application(store / "etm_runs", static=built_page(tmp_path, script)))
    page = app.get("/")
    _, _, rest = page.text.partition('<script type="application/json" id="etm-session">')
    told, _, rest = rest.partition("</script>")
    assert json.loads(told) == app.get("/api/session").json()
    assert page.headers["cache-control"] == "no-store"
    _, _, rest = rest.partition('<script type="module" blocking="render">')
    code, _, rest = rest.partition("</script>")
    assert code == script.replace("</", "\\x3c/")
    assert "<script" not in rest
    assert rest.endswith("</body></html>")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert f"script-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert app.get("/app.js").status_code == 404


def test_long_answers_of_text_are_compressed_and_nothing_else(reader: TestClient) -> None:
    assert reader.get("/api/runs").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in reader.get("/api/session").headers
    run = key(reader, "3e-05_seed=1")
    names = ("train/loss", "train/grad_norm", "lr-AdamW")
    series = reader.post("/api/series", json={"series": [{"run": run, "name": name} for name in names]})
    assert len(series.content) > 2048
    assert "content-encoding" not in series.headers


def test_without_a_built_page_it_is_told_how_to_build_it(sweep_store: Path, tmp_path: Path) -> None:
    answer = client(application(sweep_store, static=tmp_path)).get("/")
    assert answer.status_code == 503
    assert "python -m etm_lightning.web.build" in answer.text
