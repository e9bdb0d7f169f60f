"""The command line: what it prints for people and programs, and how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etm_lightning.cli import app
from etm_lightning.native import lines as native
from etm_lightning.store.store import Store
from tests.store.building import BASE, Training, finished

ROOT = Path(__file__).parents[1]


def etm(*arguments: object, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def as_json(*arguments: object, code: int = 0) -> Any:
    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is not JSON")

    return json.loads(etm(*arguments, "--json", code=code)[0], parse_constant=refuse)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two settings with two seeds in one group, and a run on its own."""
    root = tmp_path / "etm_runs"
    for number in range(4):
        params = {"lr": (1e-5, 3e-5)[number // 2], "seed": number % 2, "name": f"n{number}"}
        id = f"20251123-10000{number}-lr-{number}{number}{number}a"
        finished(root, id, 0.5 + number / 10, params=params, group="sweep", created=BASE + number)
    alone = Training(root, "20251123-110000-alone-abcd", project="q", created=BASE + 9).start()
    alone.log(1, {"loss": float("nan")}).log(2, {"loss": 2.0}, epoch=1).end("failed", reason="bad luck")
    return root


def test_help_is_light(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from etm_lightning.cli import main
        try:
            main()
        except SystemExit as end:
            heavy = {"torch", "lightning", "pandas", "pyarrow", "numpy", "rich", "psutil", "transformers"}
            loaded = heavy & set(sys.modules)
            sys.exit(end.code or (f"loaded {loaded}" if loaded else 0))
    """
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    for command in ["ls", "show", "leaderboard", "tag", "note", "rm", "report", "export", "doctor", "init"]:
        assert f"\n  {command} " in done.stdout
    assert len(done.stdout.splitlines()) < 40


def test_a_list_loads_little(store: Path) -> None:
    code = """if True:
        import sys
        from etm_lightning.cli import main
        try:
            main()
        except SystemExit as end:
            heavy = {"numpy", "rich", "psutil", "pydantic", "etm_lightning.store.run"}
            loaded = heavy & set(sys.modules)
            sys.exit(end.code or (f"loaded {loaded}" if loaded else 0))
    """
    command = [sys.executable, "-c", code, "ls", "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6


def test_looking_loads_no_torch(store: Path) -> None:
    code = """if True:
        import sys
        from click.testing import CliRunner
        from etm_lightning.cli import app
        for words in (["ls"], ["show"], ["leaderboard", "sweep"], ["doctor"], ["export"]):
            assert CliRunner().invoke(app, [*words, "--store", sys.argv[1]]).exit_code == 0, words
        assert not {"torch", "lightning", "transformers", "pandas"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code, str(store)], cwd=ROOT, check=True)


def test_ls_shows_runs_and_says_which_store(store: Path) -> None:
    out, err = etm("ls", "--store", store)
    assert err == f"store: {store}\n"
    assert out.splitlines()[1].split()[:3] == ["20251123-110000-alone-abcd", "failed", "q"]
    assert len(out.splitlines()) == 6
    assert "\x1b" not in out
    assert [run["id"][-4:] for run in as_json("ls", "--store", store)] == [
        "abcd",
        "333a",
        "222a",
        "111a",
        "000a",
    ]
    assert [run["id"][-4:] for run in as_json("ls", "--project", "q", "--store", store)] == ["abcd"]
    assert [run["id"][-4:] for run in as_json("ls", "--status", "failed", "--store", store)] == ["abcd"]
    assert len(as_json("ls", "--group", "sweep", "--store", store)) == 4


def test_ls_shows_the_fifty_newest(tmp_path: Path) -> None:
    for number in range(52):
        Training(tmp_path, f"r{number:02}", created=BASE + number)
    out, err = etm("ls", "--store", tmp_path)
    assert len(out.splitlines()) == 51
    assert "--all" in err
    assert len(as_json("ls", "--all", "--store", tmp_path)) == 52


def test_an_empty_store_is_no_mistake(tmp_path: Path) -> None:
    assert etm("ls", "--store", tmp_path)[0] == "no runs\n"
    assert as_json("ls", "--store", tmp_path) == []
    assert "empty" in etm("doctor", "--store", tmp_path)[0]
    assert "no run in" in etm("show", "--store", tmp_path, code=1)[1]


def test_the_store_is_found_upward(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv("ETM_STORE", raising=False)
    assert etm("ls")[1] == f"store: {store}\n"


def test_show_tells_all(store: Path) -> None:
    out, _ = etm("show", "333a", "--store", store)
    for text in ("20251123-100003-lr-333a", "val/f1 = 0.8 at step 2", "3e-05", "finished", "train/loss"):
        assert text in out
    assert "bad luck" in etm("show", "--store", store)[0]


def test_json_is_stable(store: Path) -> None:
    run = as_json("show", "alone", "--store", store)
    assert list(run) == [
        *("id", "project", "name", "group", "status", "reason", "created", "started", "ended", "duration"),
        *("attempts", "tags", "notes", "archived", "trashed", "forked_from", "evaluates", "objective"),
        *("headline", "folder", "question", "method", "exit_code", "signal", "traceback", "params", "info"),
        *("metrics", "checkpoints", "alerts", "artifacts", "media", "texts", "gaps", "edits", "damage"),
    ]
    assert run["metrics"] == {
        "loss": {
            "stage": "train",
            "axis": "step",
            "rank": 0,
            "count": 2,
            "nonfinite": 1,
            "latest": {"step": 2, "epoch": 1, "time": BASE + 3, "value": 2.0},
            "min": {"step": 2, "epoch": 1, "time": BASE + 3, "value": 2.0},
            "max": {"step": 2, "epoch": 1, "time": BASE + 3, "value": 2.0},
            "metric": "loss",
        }
    }
    assert (run["status"], run["reason"], run["headline"]) == ("failed", "bad luck", {"loss": 2.0})
    lines = etm("export", "alone", "--format", "jsonl", "--store", store)[0].splitlines()
    assert json.loads(lines[0])["value"] == "nan"


def test_the_leaderboard_ranks_settings(store: Path) -> None:
    found = as_json("leaderboard", "sweep", "--store", store)
    assert list(found) == ["title", "objective", "winner", "varying", "rows", "unranked"]
    assert found["objective"] == {"metric": "val/f1", "mode": "max"}
    assert found["winner"] == "20251123-100003-lr-333a"
    assert found["varying"] == ["lr"]
    assert [(row["place"], row["n"], row["params"]["lr"]) for row in found["rows"]] == [
        (1, 2, 3e-05),
        (2, 2, 1e-05),
    ]
    assert found["rows"][0]["mean"] == pytest.approx(0.75)
    out, _ = etm("leaderboard", "sweep", "--store", store)
    assert "0.75 ± 0.071" in out
    assert out == etm("leaderboard", "p", "--store", store)[0].replace("project p", "group sweep")
    assert as_json("leaderboard", "333a", "--store", store)["title"] == "group sweep"
    assert as_json("leaderboard", "--store", store)["title"] == "project q"


def test_a_metric_that_no_run_has_is_named_with_the_nearest(store: Path) -> None:
    err = etm("leaderboard", "sweep", "--metric", "val/f2", "--store", store, code=1)[1]
    assert "`metric`" in err
    assert "did you mean `val/f1`" in err


def test_tags_notes_and_the_trash_are_edits(store: Path) -> None:
    assert as_json("tag", "333a", "x", "y", "--store", store)[0]["tags"] == ["x", "y"]
    assert as_json("tag", "333a", "x", "--remove", "--store", store)[0]["tags"] == ["y"]
    assert "notes: hello" in etm("note", "333a", "hello", "--store", store)[0]
    assert [one["trashed"] for one in as_json("rm", "333a", "222a", "--store", store)] == [True, True]
    assert len(as_json("ls", "--store", store)) == 3
    assert len(as_json("ls", "--trash", "--store", store)) == 2
    assert as_json("rm", "333a", "--restore", "--store", store)[0]["trashed"] is False
    run = Store(store).run("333a")
    assert (run.tags, run.notes, run.trashed) == (("y",), "hello", False)
    assert [run["id"][-4:] for run in as_json("ls", "--tag", "y", "--store", store)] == ["333a"]


def test_one_unknown_run_trashes_none(store: Path) -> None:
    etm("rm", "333a", "nothing", "--store", store, code=1)
    assert len(as_json("ls", "--store", store)) == 5


def test_exports_go_to_files_and_to_stdout(store: Path, tmp_path: Path) -> None:
    out, _ = etm("export", "sweep", "--store", store)
    assert len(out.splitlines()) == 9
    path = tmp_path / "x.parquet"
    found = as_json("export", "p", "-o", path, "--store", store)
    assert found == {"file": str(path), "rows": 8}
    assert path.exists()


def test_a_report_is_written(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("etm_lightning.share.report")
    path = tmp_path / "r.html"
    assert as_json("report", "sweep", "-o", path, "--store", store) == {"report": str(path)}
    assert "333a" in path.read_text("utf-8")


def test_init_lays_the_files_into_a_project(tmp_path: Path) -> None:
    pytest.importorskip("hydra")
    written = as_json("init", tmp_path / "new")["files"]
    assert str(tmp_path / "new" / "train.py") in written
    assert all(Path(path).exists() for path in written)
    assert "train.py" in etm("init", tmp_path / "new", code=1)[1]
    etm("init", tmp_path / "new", "--force")


def test_the_doctor_names_what_is_damaged(store: Path) -> None:
    found = as_json("doctor", "--store", store)
    assert list(found) == ["packages", "compiled", "why_not_compiled", "devices", "store"]
    assert found["packages"]["msgspec"]
    assert found["store"]["statuses"] == {"failed": 1, "finished": 4}
    assert found["store"]["damaged"] == []
    folder = Store(store).run("333a").folder
    (path,) = folder.journal.iterdir()
    path.write_bytes(path.read_bytes().replace(b'"train/loss"', b'"train/lass"'))
    (damage,) = as_json("doctor", "--store", store, code=1)["store"]["damaged"]
    assert (damage["file"], damage["reason"]) == (str(path), "checksum does not match")
    assert str(damage["offset"]) in etm("doctor", "--store", store, code=1)[0]


def test_the_doctor_says_whether_the_compiled_part_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ETM_STORE", raising=False)
    for why_not, how in (("", "compiled"), ("ETM_NATIVE=0", "in Python (ETM_NATIVE=0)")):
        monkeypatch.setattr(native, "WHY_NOT", why_not)
        found = as_json("doctor")
        assert (found["compiled"], found["why_not_compiled"]) == (not why_not, why_not)
        assert f"journals are written and read: {how}\n" in etm("doctor")[0]


def test_the_doctor_works_without_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ETM_STORE", raising=False)
    assert as_json("doctor")["store"] is None
    assert "no store" in etm("doctor")[0]
    etm("doctor", "--store", tmp_path / "x", code=1)


def test_what_is_missing_is_one_line_and_code_1(store: Path, tmp_path: Path) -> None:
    for words in (["show", "zzz"], ["leaderboard", "zzz"], ["tag", "zzz", "x"], ["note", "20251123", "x"]):
        out, err = etm(*words, "--store", store, code=1)
        assert out == ""
        assert len(err.splitlines()) == 2
        assert err.splitlines()[1].startswith("etm: `")
    assert "is a file" in etm("ls", "--store", __file__, code=1)[1]
    assert "is not there" in etm("ls", "--store", tmp_path / "none", code=1)[1]
    assert "csv, jsonl, parquet" in etm("export", "-o", "x.doc", "--store", store, code=1)[1]


def test_wrong_usage_is_code_2(store: Path) -> None:
    for words in (
        ["ls", "--status", "happy"],
        ["ls", "--colour"],
        ["show", "a", "b"],
        ["tag"],
        ["nothing"],
        ["leaderboard", "--mode", "up"],
        ["export", "--format", "doc"],
        ["export", "--format", "parquet"],
    ):
        etm(*words, code=2)


def test_names_are_never_cut_and_cannot_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = "x" * 180
    training = Training(tmp_path, f"20251123-{long}", name="[red]\x1b[31mred", project="long" * 20).start()
    training.params(lr="[bold]1[/bold]", text=long).log(1, {"[link]" + long: 1.0}).end()
    out, _ = etm("ls", "--store", tmp_path)
    assert long in out
    out, _ = etm("show", "--store", tmp_path)
    assert "\x1b" not in out
    assert "[red]\ufffd[31mred" in out
    assert "[bold]1[/bold]" in out
    assert "[link]" + long in out


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_narrow_terminal_wraps_the_id_and_keeps_short_words_whole(
    store: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in etm("ls", "--store", store)[0].splitlines()]
    assert all(len(line) <= width for line in plain)
    assert sum("finished" in line for line in plain) == 4
    assert ("created" in plain[0]) is (width >= 120)
    assert "20251123-110000-" in "".join(plain)


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    Training(tmp_path, "r").start().log(1, {f"n{i}": 1.0 for i in range(20_000)}).end()
    code = "from etm_lightning.cli import main; main()"
    command = [sys.executable, "-c", code, "export", "--store", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read().decode() == f"store: {tmp_path}\n"


def test_a_terminal_without_the_letters_still_gets_the_table(store: Path) -> None:
    code = "from etm_lightning.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "leaderboard", "sweep", "--store", str(store)],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"0.75 ? 0.071" in done.stdout


def test_ls_takes_queries_columns_and_orders(store: Path) -> None:
    found = as_json("ls", "lr > 2e-5 and val/f1 >= 0.7", "--sort", "val/f1", "--store", store)
    assert [run["id"][-4:] for run in found] == ["222a", "333a"]
    out, _ = etm(
        "ls", "group == sweep", "--columns", "status,lr,val/f1,tags", "--sort", "-lr", "--store", store
    )
    assert out.splitlines()[0].split() == ["run", "status", "lr", "val/f1", "tags"]
    assert out.splitlines()[1].split()[1:] == ["finished", "3e-05", "0.8"]
    assert as_json("ls", "alone", "--columns", "alerts,damage", "--store", store)[0]["alerts"] == 0
    both = as_json("ls", "sweep", "222a", "--store", store)
    assert [run["id"][-4:] for run in both] == ["222a"]
    assert etm("ls", "lr > 5", "--store", store)[0] == "no runs fit\n"
    err = etm("ls", "lrr > 5", "--store", store, code=1)[1]
    assert "did you mean lr?" in err
    assert "`columns` must name" in etm("ls", "--columns", "x", "--store", store, code=1)[1]


def test_a_leaderboard_of_the_runs_that_fit(store: Path) -> None:
    whole = as_json("leaderboard", "sweep", "--store", store)
    assert [row["n"] for row in whole["rows"]] == [2, 2]
    found = as_json("leaderboard", "sweep", "--runs", "seed == 0", "--store", store)
    assert [row["best"][-4:] for row in found["rows"]] == ["222a", "000a"]
    assert as_json("leaderboard", "--runs", "seed == 0", "--store", store)["rows"] == found["rows"]
    assert "did you mean" in etm("leaderboard", "--runs", "sed == 0", "--store", store, code=1)[1]


def test_runs_are_renamed_grouped_archived_and_deleted(store: Path) -> None:
    assert as_json("rename", "333a", "best one", "--store", store)[0]["name"] == "best one"
    assert [run["group"] for run in as_json("group", "new", "333a", "222a", "--store", store)] == [
        "new",
        "new",
    ]
    assert [run["id"][-4:] for run in as_json("ls", "--group", "new", "--store", store)] == ["333a", "222a"]
    assert as_json("ls", "'best one'", "--store", store)[0]["id"].endswith("333a")
    assert "archived" in etm("archive", "222a", "--store", store)[0]
    assert [run["id"][-4:] for run in as_json("ls", "--group", "new", "--store", store)] == ["333a"]
    etm("archive", "222a", "--undo", "--store", store)
    assert len(as_json("ls", "--group", "new", "--store", store)) == 2
    assert "comes first" in etm("rm", "222a", "--forever", "--store", store, code=1)[1]
    etm("rm", "222a", "--store", store)
    assert etm("rm", "222a", "--forever", "--store", store)[0].endswith("is deleted\n")
    assert not list(store.glob("p/*222a*"))
    assert as_json("ls", "--trash", "--store", store) == []


def test_sql_answers_as_a_table_and_as_json(store: Path) -> None:
    question = "SELECT value f1 FROM metrics WHERE name = 'val/f1' ORDER BY 1"
    assert etm("sql", question, "--store", store)[0].split() == ["f1", "0.5", "0.6", "0.7", "0.8"]
    assert as_json("sql", question, "--runs", "lr > 2e-5", "--store", store) == [{"f1": 0.7}, {"f1": 0.8}]
    assert "not understood" in etm("sql", "SELEC", "--store", store, code=1)[1]
