"""What machines and their C++ libraries do differently comes out the same."""

from __future__ import annotations

import ctypes
import math
import platform
import subprocess
import sys
import sysconfig
from array import array
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.native import lines as native
from etm_lightning.native.build import BUILT, FLAGS, FOLDER, LINKED, compiler
from tests.native.fuzz import loaded
from tests.native.test_lines import NUMBERS, both
from tests.native.ways import AWKWARD, Appended, line_of, sealed

pytestmark = pytest.mark.skipif(native.Appender is None, reason=f"nothing is compiled: {native.WHY_NOT}")
ROOT = FOLDER.parents[1]
VISIBLE = 'extern "C" __attribute__((visibility("default"))) '


def test_a_product_is_rounded_before_something_is_added(tmp_path: Path) -> None:
    """As in Python, also where one instruction does both: ARM has it, others are asked for all they have."""
    source, made = tmp_path / "sum.cpp", tmp_path / "sum.so"
    source.write_text(f"{VISIBLE}double sum(double a, double b, double c) {{ return a * b + c; }}")
    all_it_has = ["-march=native"] if platform.machine() == "x86_64" else []
    command = [*compiler(), *all_it_has, *FLAGS, str(source), "-o", str(made), *LINKED]
    subprocess.run(command, check=True)
    compiled = ctypes.CDLL(str(made)).sum
    compiled.argtypes, compiled.restype = [ctypes.c_double] * 3, ctypes.c_double
    assert compiled(0.1, 10.0, -1.0) == 0.1 * 10.0 - 1.0


def test_times_and_sums_of_the_compiled_part_are_rounded_so() -> None:
    assert native.add is not None
    sums = array("d", [-1.0])
    native.add(sums, [0.1], 10.0)
    assert sums[0] == 0.1 * 10.0 - 1.0
    row = 1779996859.557999, 3, "step", None, "train", {"a": 1.0}  # else of the next millisecond
    assert Appended(iter([7])).append(*row) == line_of(7, *row)


@pytest.fixture(scope="module")
def without_from_chars(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module as it is built where the library reads no doubles, and nothing is inlined."""
    made = tmp_path_factory.mktemp("without") / BUILT
    flags = *FLAGS, "-O0", "-DETM_WITHOUT_FROM_CHARS", f"-I{sysconfig.get_path('include')}"
    units = sorted(map(str, FOLDER.glob("*.cpp")))
    subprocess.run([*compiler(), *flags, *units, "-o", str(made), *LINKED], check=True)
    assert b"strtod_l" in made.read_bytes()
    # apart, for it may crash
    subprocess.run([sys.executable, "-m", "tests.native.fuzz", str(made), "1"], cwd=ROOT, check=True)
    return loaded(made)


def test_doubles_are_read_alike_by_a_library_that_lacks_it(
    without_from_chars: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "rows", without_from_chars.rows)
    values = {str(n): value for n, value in enumerate([*AWKWARD, math.nan, math.inf, -math.inf, math.pi])}
    line = line_of(7, 1.5, 3, "step", None, "train", values)
    assert without_from_chars.rows(line) is not None
    odd = [sealed(b'{"k":"scalars","n":1,"t":1.5,"s":3,"v":{"a":%b}}' % text.encode()) for text in NUMBERS]
    for data in (line, *odd):
        compiled, python = both(data)
        assert compiled == python
