"""The compiled part is built where it can be; where it cannot, the installation goes on without it."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from etm_lightning.native.build import BUILT, FOLDER, BuildError, build, compiler

ROOT = FOLDER.parents[1]
COMPILER = """#!/bin/sh
[ -e "{place}/broken" ] && echo "row.cpp: expected ;" >&2 && exit 1
while [ "$1" != -o ]; do shift; done
echo made >> "{place}/calls"; cp "{module}" "$2"
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources, and a program in the place of a compiler, which takes the module that is built for them."""
    folder = tmp_path / "native"
    folder.mkdir()
    (folder / "row.cpp").write_text("first")
    program = tmp_path / "fake-c++"
    program.write_text(COMPILER.format(place=tmp_path, module=FOLDER / BUILT))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", f"{program} -pthread")
    return folder


@pytest.mark.skipif(not (FOLDER / BUILT).exists(), reason="nothing is compiled")
def test_what_is_up_to_date_is_not_built_again(sources: Path, tmp_path: Path) -> None:
    assert build(sources)
    assert not build(sources)
    later = (sources / BUILT).stat().st_mtime + 1
    os.utime(sources / "row.cpp", (later, later))
    assert build(sources)
    assert (tmp_path / "calls").read_text().split() == ["made", "made"]
    assert sorted(path.name for path in sources.iterdir()) == [BUILT, "row.cpp"]


@pytest.mark.skipif(not (FOLDER / BUILT).exists(), reason="nothing is compiled")
def test_another_way_to_build_builds_it_again(sources: Path) -> None:
    assert build(sources)
    before = (FOLDER / "build.py").stat().st_mtime - 1
    for name in ("row.cpp", BUILT):
        os.utime(sources / name, (before, before))
    assert build(sources)


def test_a_compiler_that_fails_says_why_and_leaves_nothing_old(sources: Path, tmp_path: Path) -> None:
    (sources / BUILT).write_text("of older sources")
    os.utime(sources / BUILT, (1, 1))
    (tmp_path / "broken").touch()
    with pytest.raises(BuildError, match="expected ;"):
        build(sources)
    assert [path.name for path in sources.iterdir()] == ["row.cpp"]


def test_what_cannot_be_loaded_is_not_kept(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CXX", f"{_program(sources.parent, 'while [ $1 != -o ]; do shift; done; echo no > $2')}"
    )
    with pytest.raises(BuildError, match=BUILT):
        build(sources)
    assert [path.name for path in sources.iterdir()] == ["row.cpp"]


def test_the_compiler_is_the_one_asked_for_or_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "gone --fast")
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: "gone-too -shared")
    with pytest.raises(BuildError, match=r"no C\+\+ compiler"):
        compiler()
    _program(tmp_path, "exit 0", "clang++")
    assert compiler() == ["clang++"]


def _program(folder: Path, text: str, name: str = "program") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The build hook, with the interface that hatchling has for it, and what it says."""
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")

    class BuildHookInterface:
        root, target_name = str(ROOT), "wheel"

        def __init__(self) -> None:
            self.said: list[str] = []
            self.app = SimpleNamespace(display_info=self.said.append, display_warning=self.said.append)

    interface.BuildHookInterface = BuildHookInterface  # type: ignore[attr-defined]  # as hatchling's
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.Parts()
    parts = {
        "web/build.py": SimpleNamespace(build=lambda: False, BuildError=BuildError),
        "native/build.py": SimpleNamespace(build=lambda: True, BuildError=BuildError, BUILT=BUILT),
    }
    monkeypatch.setattr(found, "_module", parts.__getitem__)
    found.parts = parts
    return found


def _initialized(hook: Any, version: str = "standard") -> dict[str, Any]:
    data: dict[str, Any] = {"force_include": {}, "pure_python": True}
    hook.initialize(version, data)
    return data


def test_a_wheel_with_the_compiled_part_is_of_this_machine(hook: Any) -> None:
    place = f"etm_lightning/native/{BUILT}"
    assert _initialized(hook) == {
        "force_include": {str(ROOT / place): place},
        "pure_python": False,
        "tag": f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}",
    }


def test_an_editable_installation_has_it_in_place(hook: Any) -> None:
    assert _initialized(hook, "editable") == {"force_include": {}, "pure_python": True}
    assert hook.said == ["The compiled part was built."]


def test_an_sdist_has_its_sources_only(hook: Any) -> None:
    hook.target_name = "sdist"
    assert _initialized(hook)["force_include"] == {}
    assert hook.said == []


def test_without_a_compiler_the_wheel_is_pure_and_a_warning_says_so(hook: Any) -> None:
    def fail() -> bool:
        raise BuildError("no C++ compiler was found")

    hook.parts["native/build.py"].build = fail
    assert _initialized(hook) == {"force_include": {}, "pure_python": True}
    assert len(hook.said) == 1
    assert "no C++ compiler was found" in hook.said[0]


TRACK = """
import sys
from etm_lightning import Run
from etm_lightning.native import lines
with Run("p", save_dir=sys.argv[1], id="r", shipper=False) as run:
    run.log({"loss": 0.5}, step=0)
print(lines.WHY_NOT)
"""


@pytest.mark.parametrize(
    ("file", "content", "variable", "reason"),
    [
        ("", "", "1", "it was not built"),
        (BUILT, "of another machine", "1", BUILT),
        ("_lines.py", "rows = None  # of older sources", "1", "has no attribute"),
        ("", "", "0", "ETM_NATIVE=0"),
    ],
)
def test_a_package_works_whose_compiled_part_is_missing_or_cannot_be_used(
    tmp_path: Path, file: str, content: str, variable: str, reason: str
) -> None:
    package = tmp_path / "etm_lightning"
    ignored = shutil.ignore_patterns("frontend", "static", "__pycache__", BUILT)
    shutil.copytree(FOLDER.parent, package, ignore=ignored)
    if file:
        (package / "native" / file).write_text(content)
    env = os.environ | {"PYTHONPATH": str(tmp_path), "ETM_NATIVE": variable}
    command = [sys.executable, "-c", TRACK, str(tmp_path / "store")]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert reason in done.stdout
    [segment] = (tmp_path / "store" / "p" / "r" / "journal").iterdir()
    assert [json.loads(line)["v"] for line in segment.read_text().splitlines() if '"scalars"' in line] == [
        {"loss": 0.5}
    ]


@pytest.mark.soak
def test_random_bytes_touch_no_memory_that_is_not_theirs(tmp_path: Path) -> None:
    """Under the address and undefined-behaviour sanitizers."""
    module, sources = tmp_path / BUILT, sorted(map(str, FOLDER.glob("*.cpp")))
    flags = shlex.split("-std=c++17 -O1 -g -fPIC -shared -fsanitize=address,undefined -fno-sanitize-recover")
    include = f"-I{sysconfig.get_path('include')}"
    made = subprocess.run([*compiler(), *flags, include, *sources, "-o", str(module)], check=False)
    names = "libasan.so", "libstdc++.so"  # exceptions go through the sanitizer: it needs the library
    asked = [[*compiler(), f"-print-file-name={name}"] for name in names]
    found = [subprocess.check_output(command, text=True).strip() for command in asked]
    if made.returncode or not all(os.path.isabs(path) for path in found):
        pytest.skip("this compiler has no sanitizers")
    env = os.environ | {
        "LD_PRELOAD": " ".join(found),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    seconds = os.environ.get("SOAK_SECONDS", "60")
    command = [sys.executable, "-m", "tests.native.fuzz", str(module), seconds]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
