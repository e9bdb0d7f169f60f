"""No secret reaches the disk, whatever way it came; and nothing that is no secret is hidden."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from etm_lightning import Run
from etm_lightning.store.store import Store
from etm_lightning.track.outcome import outcome_of
from etm_lightning.track.plain import plain
from etm_lightning.track.provenance import command
from etm_lightning.track.redact import HIDDEN, redact
from tests import warm
from tests.track.secrets_in_text import INNOCENT, LOWER, Sample, draw, framed, pem, tokens

ROOT = Path(__file__).parents[2]
SAMPLES = [*tokens(), *framed()]
AMID = ("{}", "see {} there", "'{}'", "x\n+{}\ny", "({})")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
@pytest.mark.parametrize("amid", AMID)
def test_a_secret_is_hidden_wherever_it_stands(sample: Sample, amid: str) -> None:
    hidden = redact(amid.format(sample.text))
    assert sample.secret not in hidden
    assert HIDDEN in hidden
    assert redact(hidden) == hidden


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
    assert plain({"value": text, "list": [text]}) == {"value": text, "list": [text]}
    assert command([text]) == ["python", text]


def test_what_stands_around_a_secret_stays() -> None:
    samples = {sample.kind: redact(sample.text) for sample in SAMPLES}
    assert samples["password in a URL"] == "postgresql://ada:<hidden>@db.example.org:5432/runs"
    assert samples["connection string"] == "Server=db;User Id=ada;Password=<hidden>;Encrypt=yes"
    assert samples["option"] == "python train.py --hf-token <hidden> --lr 1"
    assert samples["argument of a call"] == "Namespace(lr=1, hf_token=<hidden>, seed=2)"
    assert samples["bearer"] == "Authorization: Bearer <hidden>"


@pytest.mark.parametrize(
    "kind", ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
)
def test_a_private_key_is_hidden_whole_cut_escaped_and_in_a_diff(kind: str) -> None:
    key, lines = pem(kind)
    shapes = {
        "whole": f"before\n{key}\nafter",
        "cut": key[:200],
        "escaped": json.dumps({"key": key}),
        "in a diff": "\n".join(f"+{line}" for line in key.splitlines()),
        "without its frame": "@@ -3,2 +3,2 @@\n" + "\n".join(f"-{line}" for line in lines),
    }
    for shape, text in shapes.items():
        hidden = redact(text)
        assert not any(line[:30] in hidden for line in lines), shape
    assert redact(shapes["whole"]) == "before\n<hidden>\nafter"


def test_a_value_of_a_secret_variable_is_hidden_in_every_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    word = 'correct horse/"battery"'
    monkeypatch.setenv("MY_SERVICE_TOKEN", word)
    for spelled in (word, "correct%20horse/%22battery%22", json.dumps(word), repr({"a": word})):
        hidden = redact(f"got {spelled} here")
        assert "horse" not in hidden, spelled
        assert "battery" not in hidden, spelled
    monkeypatch.delenv("MY_SERVICE_TOKEN")
    assert redact(f"got {word} here") == f"got {word} here"


@pytest.mark.parametrize(
    "name",
    ["WANDB_API_KEY", "PGPASSWORD", "MYSQL_PWD", "DB_PASS", "NPM_TOKEN", "CLIENT_SECRET", "SENTRY_DSN"],
)
def test_a_hash_is_hidden_only_if_a_secret_variable_holds_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "3fc1d3ce0a2c6e8c0cbbc3b0d0a4ab3b0a3e7a51"
    assert redact(f"commit {commit}") == f"commit {commit}"
    monkeypatch.setenv(name, commit)
    assert redact(f"commit {commit}") == "commit <hidden>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "parallel"),
        ("PWD", "/home/ada/project"),
        ("SSH_ASKPASS", "/usr/bin/ask-for-it"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/ada/key.json"),
        ("MONKEY", "val/f1_score"),
        ("SORT_KEY", "learning_rate"),
        ("DB_PASSWORD", "short"),
        ("CI_TOKEN", ""),
    ],
)
def test_a_variable_that_tells_no_secret_hides_nothing(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert redact(f"value is {value}.") == f"value is {value}."


def test_a_password_in_the_address_of_any_variable_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://ada:lovelace1815@db/runs")
    assert redact("login with lovelace1815 failed") == "login with <hidden> failed"


def test_settings_are_hidden_by_name_and_by_value() -> None:
    key = draw(LOWER, 40, "setting")
    settings = {
        "hf_token": "x",
        "db": {"password": ["a", "b"], "url": f"mysql://ada:{key}@db/x", "port": 3306},
        "token": "[MASK]",
        "auth_token": None,
        "mask_token": "[MASK]",
        "args": ["--api-key", "--lr"],
    }
    assert plain(settings) == {
        "hf_token": HIDDEN,
        "db": {"password": HIDDEN, "url": f"mysql://ada:{HIDDEN}@db/x", "port": 3306},
        "token": "[MASK]",
        "auth_token": None,
        "mask_token": "[MASK]",
        "args": ["--api-key", "--lr"],
    }


def test_arguments_are_hidden_by_name_and_by_value() -> None:
    typed = [
        "t.py",
        "lr=1",
        "+x.password=a,b;c d",
        "--hf-token",
        "y",
        "--use_auth_token",
        "--lr",
        "2",
        "-v",
        "z",
    ]
    assert command(typed) == [
        "python",
        "t.py",
        "lr=1",
        "+x.password=<hidden>",
        "--hf-token",
        "<hidden>",
        "--use_auth_token",
        "--lr",
        "2",
        "-v",
        "z",
    ]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
def test_an_error_tells_no_secret(sample: Sample) -> None:
    try:
        try:
            raise ConnectionError(sample.text)
        except ConnectionError as error:
            raise RuntimeError(f"failed with {sample.text}") from error
    except RuntimeError as error:
        outcome = outcome_of(error)
    assert sample.secret not in outcome.reason
    assert sample.secret not in outcome.traceback
    assert "in test_an_error_tells_no_secret" in outcome.traceback
    assert sample.secret not in outcome_of(SystemExit(sample.text)).reason


def test_what_people_say_about_a_run_and_its_id_tell_no_secret(tmp_path: Path) -> None:
    with Run(
        save_dir=tmp_path, name="hf_token=abc", notes="password: hunter22", tags=["api_key=abcdefg"]
    ) as run:
        run.alert("secret=tellnoone1", "secret=tellnoone2")
        run.log_table("t", ["a"], [["secret=tellnoone3"]])
    assert "abc" not in run.id
    stored = Store(tmp_path).run("latest")
    assert (stored.name, stored.notes, stored.tags) == (
        "hf_token=<hidden>",
        "password: <hidden>",
        ("api_key=<hidden>",),
    )
    assert leaks(tmp_path, ["abcdefg", "hunter22", "tellnoone1", "tellnoone2", "tellnoone3"]) == []


def leaks(folder: Path, secrets: list[str]) -> list[str]:
    """Which of the secrets stand in a file below the folder, or in its name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    everything = b"\n".join([str(files).encode(), *(path.read_bytes() for path in files)])
    everything += b"\n" + everything.replace(b'\\"', b'"').replace(b"\\/", b"/")
    return [secret for secret in secrets if secret.encode() in everything]


BY_HAND = """
import json, sys
from pathlib import Path
from etm_lightning import Run
texts = json.loads(Path("texts.json").read_text())
with Run("p", params={"about": texts, "nested": [{"deep": text} for text in texts]}, save_code=True) as run:
    run.log({"loss": 1.0}, step=0)
    run.log_params({text: 1 for text in texts}, about="data")
    for text in texts:
        run.log_text("said", text)
        run.alert("cannot go on", text)
    run.log_table("table", ["text"], [[text] for text in texts])
    raise ConnectionError("\\n".join(texts))
"""
WITH_LIGHTNING = """
import json, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from etm_lightning import ETMLogger
from tests.track.lines import Line, trainer
texts = json.loads(Path("texts.json").read_text())

class Broken(Line):
    def on_validation_end(self):
        raise ConnectionError("cannot reach " + " ".join(texts))

logger = ETMLogger("p", notes=" ".join(texts), save_code=True)
logger.log_hyperparams({"texts": texts})
trainer(logger).fit(Broken())
"""


def start(script: str, place: Path) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """Run a script with every secret in its arguments, its environment, its config, its code and its error.

    Returns:
        The secrets, and how the script ended.
    """
    key, lines = pem()
    texts = [sample.text for sample in SAMPLES]
    words = {
        f"SERVICE{n}_{end}": draw(LOWER, 12, end) for n, end in enumerate(("TOKEN", "PASSWORD", "API_KEY"))
    }
    (place / "texts.json").write_text(json.dumps([*texts, key, *words.values()]))
    (place / "settings.py").write_text("before = 1\n")
    (place / "script.py").write_text(textwrap.dedent(script))
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")
    for arguments in (("init", "-q"), ("add", "settings.py"), ("commit", "-qm", "first")):
        subprocess.run([*git, *arguments], cwd=place, check=True)
    changed = [*texts, key, *words.values()]
    (place / "settings.py").write_text("\n".join(["before = 2", *changed, "after = 3"]) + "\n")
    done = subprocess.run(
        [warm.python(), "script.py", *texts, key, *(f"note={word}" for word in words.values())],
        cwd=place,
        env=os.environ
        | words
        | {f"NOTE_{n}": text for n, text in enumerate(texts)}
        | {"MLFLOW_TRACKING_URI": "http://ada:lovelace99@host:1", "NCCL_NOTE": texts[0]}
        | {"PYTHONPATH": str(ROOT), "ETM_STORE": str(place / "store"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return [*(sample.secret for sample in SAMPLES), *lines, *words.values(), "lovelace99"], done


@pytest.mark.parametrize("script", [BY_HAND, WITH_LIGHTNING], ids=["Run", "ETMLogger"])
def test_no_byte_of_a_run_tells_a_secret(script: str, tmp_path: Path) -> None:
    secrets, done = start(script, tmp_path)
    assert "ConnectionError" in done.stderr
    assert leaks(tmp_path / "store", secrets) == []
    run = Store(tmp_path / "store").run("latest")
    assert run.status == "failed"
    assert "ConnectionError" in run.traceback
    facts: dict[str, Any] = run.info("start")
    assert facts["environment"]["MLFLOW_TRACKING_URI"] == "http://ada:<hidden>@host:1"
    assert len(facts["command"]) == len(SAMPLES) + 6
    [diff] = [text.text for text in run.texts if text.name == "code.diff"]
    assert "+before = 2" in diff
    assert "+after = 3" in diff
