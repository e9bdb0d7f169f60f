"""What exists is documented, and what is documented exists."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from omegaconf import OmegaConf

import etm_lightning
from etm_lightning.cli import app
from etm_lightning.design.config import Config, RayConfig, SlurmConfig
from etm_lightning.execute.conf import conf_folder
from etm_lightning.records import KINDS, STATUSES

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
COMMANDS = (ROOT / "docs" / "commands.md").read_text()


def commands() -> dict[str, Any]:
    """Every command by what one types, those of groups too."""
    found: dict[str, Any] = {}
    for name, command in app.commands.items():
        inner = getattr(command, "commands", None)
        found |= {f"{name} {one}": it for one, it in inner.items()} if inner else {name: command}
    return found


@pytest.mark.parametrize("launcher", [SlurmConfig, RayConfig])
def test_every_setting_of_a_launcher_is_documented(launcher: type[SlurmConfig | RayConfig]) -> None:
    page = (ROOT / "docs" / "search.md").read_text()
    for field in dataclasses.fields(launcher):
        assert field.name == "_target_" or f"`{field.name}`" in page, field.name


def test_every_command_and_option_is_documented() -> None:
    assert len(commands()) >= 10
    for name, command in commands().items():
        row = next((line for line in COMMANDS.splitlines() if line.startswith(f"| `etm {name}")), "")
        assert row, f"etm {name} has no row"
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                common = option in ("--json", "--store", "--help") or not option.startswith("-")
                assert common or f"`{option}`" in row, f"etm {name} {option}"


def test_every_documented_command_and_option_exists() -> None:
    known = commands()
    for name, row in re.findall(r"^\| `etm ([a-z]+(?: [a-z]+)?)[^|]*\| (.*)", COMMANDS, re.MULTILINE):
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert set(re.findall(r"`(--?[\w-]+)", row)) <= options, name
    first = {name.partition(" ")[0] for name in known}
    for page in PAGES:
        for name in re.findall(r"^etm (\w+)", page.read_text(), re.MULTILINE):
            assert name in first, f"{page.name}: etm {name}"


def test_every_key_of_the_config_is_documented() -> None:
    for name in OmegaConf.structured(Config):
        assert f"`{name}`" in COMMANDS, name


@pytest.mark.parametrize("group", sorted(path.name for path in conf_folder().iterdir() if path.is_dir()))
def test_every_choice_of_a_group_is_documented(group: str) -> None:
    row = next(line for line in COMMANDS.splitlines() if line.startswith(f"| `{group}=`"))
    for path in (conf_folder() / group).glob("*.yaml"):
        assert f"`{path.stem}`" in row, f"{group}={path.stem}"


def test_every_choice_documented_exists() -> None:
    for group, row in re.findall(r"^\| `(\w+)=` \| ([^:(\n]*)", COMMANDS, re.MULTILINE):
        for choice in re.findall(r"`(\w+)`", row):
            assert (conf_folder() / group / f"{choice}.yaml").exists(), f"{group}={choice}"


def test_every_kind_of_record_and_field_is_documented() -> None:
    text = (ROOT / "docs" / "format.md").read_text()
    for kind, struct in KINDS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{kind}` |"))
        for field in msgspec.structs.fields(struct):
            assert f"`{field.encode_name}`" in row, f"{kind} {field.name}"


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_documented(status: str) -> None:
    assert f"`{status}`" in COMMANDS.split("## Status of a run")[1]


def test_every_variable_of_the_environment_is_documented() -> None:
    code = "".join(path.read_text() for path in (ROOT / "etm_lightning").rglob("*.py"))
    for name in set(re.findall(r"\b(?:ETM_[A-Z]+|XDG_CACHE_HOME|HYDRA_FULL_ERROR)\b", code)):
        assert re.search(rf"^\| `{name}(=1|=0)?` \|", COMMANDS, re.MULTILINE), name


def test_every_public_name_is_in_a_page_or_explains_itself() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for name in etm_lightning.__all__:
        assert f"`{name}`" in text or f"{name}(" in text, name
        assert getattr(etm_lightning, name).__doc__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_names_targets_and_experiments_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", text, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for name in re.findall(r"experiment=(\w+)", text):
        assert (conf_folder() / "experiment" / f"{name}.yaml").exists()
    for command in re.findall(r"^etm (\w+)", text, re.MULTILINE):
        assert f"| `etm {command}" in COMMANDS


def test_a_screen_of_readme() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 72
