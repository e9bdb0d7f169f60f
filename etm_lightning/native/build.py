"""Builds `_lines`: `python -m etm_lightning.native.build`. Imports nothing of the package.

One call of a C++17 compiler. The module asks Python for its limited interface only: it fits 3.11 and later.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
BUILT = "_lines.abi3.so"
# without contraction: ARM would round a product and a sum once, where Python rounds twice
FLAGS = (
    *("-std=c++17", "-O2", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-shared"),
)
# the machine that it is built on may have a newer C++ library than the one that loads it
LINKED = (
    ("-undefined", "dynamic_lookup")
    if sys.platform == "darwin"
    else ("-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-s")
)
_TRY = """
import importlib.machinery, importlib.util, sys
spec = importlib.util.spec_from_file_location("_lines", sys.argv[1])
importlib.util.module_from_spec(spec)
"""


class BuildError(Exception):
    """Why it could not be built."""


def build(folder: Path = FOLDER) -> bool:
    """Build the module in its folder if its sources, or this file, changed since it was last built.

    Returns:
        Whether there was something to do.

    Raises:
        BuildError: There is no compiler, it does not take the sources, or what it made cannot be loaded; an
            older module is gone then.
    """
    target = folder / BUILT
    sources = [*folder.glob("*.cpp"), *folder.glob("*.h")]
    changed = max(path.stat().st_mtime for path in (*sources, Path(__file__)))
    if target.is_file() and changed <= target.stat().st_mtime:
        return False
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build", dir=folder) as place:
        fresh = Path(place) / BUILT
        units = sorted(str(source) for source in sources if source.suffix == ".cpp")
        _run([*compiler(), *FLAGS, f"-I{sysconfig.get_path('include')}", *units, "-o", str(fresh), *LINKED])
        _run([sys.executable, "-c", _TRY, str(fresh)])
        fresh.replace(target)  # in one step: who uses the older one keeps it
    return True


def compiler() -> list[str]:
    """The command: that of the variable ``CXX``, the one that Python was built with, or what there is.

    Raises:
        BuildError: There is none.
    """
    built_with = sysconfig.get_config_var("CXX") or ""
    for words in map(shlex.split, (os.environ.get("CXX", ""), built_with, "c++", "g++", "clang++")):
        if words and shutil.which(words[0]):
            return words
    raise BuildError("no C++ compiler was found")


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"`{command[0]}` did not work: {error}") from error
    if done.returncode:
        raise BuildError(f"`{shlex.join(command)}` did not work:\n{done.stderr.strip()[:1000]}")


if __name__ == "__main__":
    try:
        print("the compiled part was built" if build() else "the compiled part is up to date")
    except BuildError as problem:
        # everything works without it
        print(f"Python does without the compiled part: {problem}")
