"""Who may import whom, as `docs/architecture.md` says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import etm_lightning

PACKAGE = Path(etm_lightning.__file__).parent
FACTS = (
    "native",
    *("records", "process", "disk", "journal", "lines", "packing", "reading"),
    *("arrow", "columns", "column_writer"),
    *("layout", "attempts", "params"),
    *("naming", "tail", "headline"),
)
TIERS = (
    FACTS,
    ("design", "store", "track"),
    ("evaluate", "execute", "text"),
    ("share",),
    ("optimize",),
    ("web",),
    ("commands",),
    ("cli",),
)
HEAVY = {"torch", "lightning", "pytorch_lightning", "transformers", "torchmetrics"}
LIGHTNING_FACING = {f"track/on_{what}.py" for what in ("lightning", "pytorch_lightning", "torch", "device")}
LATE = {"pyarrow", "duckdb", "scipy", "optuna", "pandas", "polars", "rich", "ray", "submitit"}
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def tier(part: str) -> int:
    return next(number for number, parts in enumerate(TIERS) if part in parts)


def imports(path: Path, *, top: bool = False) -> Iterator[str]:
    """Modules that a file imports; with `top` only those imported when the file is."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    if part in ("__init__", "__main__"):
        return
    for module in imports(path):
        first, _, rest = module.partition(".")
        other = rest.partition(".")[0]
        if first != "etm_lightning" or other in ("", part) or not any(other in parts for parts in TIERS):
            continue
        allowed = tier(other) < tier(part) or (part in FACTS and other in FACTS)
        assert allowed, f"{part} must not import {other}, which is not below it: {module}"


def test_the_facts_do_not_import_in_a_circle() -> None:
    order = dict.fromkeys(("process", "records", "params", "naming"), 0) | {"journal": 1, "lines": 1}
    order |= {"arrow": 1, "columns": 2, "layout": 2, "reading": 3, "column_writer": 3, "packing": 4}
    order |= {"attempts": 4, "tail": 5, "headline": 5}
    for name in FACTS:
        path = PACKAGE / f"{name}.py"
        for module in imports(path) if path.exists() else ():
            other = module.removeprefix("etm_lightning.").partition(".")[0]
            if module.startswith("etm_lightning.") and other in order and other != name:
                assert order[other] < order[name], f"{name} imports {other}"


def test_the_store_does_not_import_in_a_circle() -> None:
    names = {path.stem for path in (PACKAGE / "store").glob("*.py")}
    needs: dict[str, set[str]] = {}
    for name in names:
        found = set(imports(PACKAGE / "store" / f"{name}.py"))
        needs[name] = {
            module.split(".")[2] for module in found if module.startswith("etm_lightning.store.")
        } & names
    assert list(TopologicalSorter(needs).static_order())  # raises CycleError


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_torch_stays_where_training_is(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    if part_of(path) in ("execute", "text") or where in LIGHTNING_FACING:
        return
    found = {module.partition(".")[0] for module in imports(path)} & HEAVY
    assert not found, f"{where} imports {', '.join(found)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    found = {module.partition(".")[0] for module in imports(path, top=True)} & LATE
    assert not found, f"{path.name} imports {', '.join(found)} at its top"


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py" and p.parent != PACKAGE])
def test_a_package_init_holds_a_docstring_only(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    assert len(body) == 1
    assert ast.get_docstring(ast.parse(path.read_text()))
