"""How soon a browser shows charts, how smoothly they move, and how soon a logged value is on the screen.

    python benchmarks/ui.py [--runs 50] [--metrics 30] [--points 10000] [--keep DIR] [--times 7]
                            [--peers tensorboard mlflow trackio aim]
    python benchmarks/ui.py --install --peers trackio aim

The same values go to each tracker. A page is opened in a new Chromium with an empty cache; the clock stops
when the first chart has curves, for ours also when it has those of all runs. A round opens ours with a server
that has just started and nothing derived on the disk, again, and then the peer's, whose server has read all
that it reads beforehand; told are medians over rounds, and as ratio the median of those of each round. Peers
that take hours to write what is asked for get fewer points, and ours is measured with these too. Aim shows
what is searched for: told is how long its page takes until one can choose a metric, and how long the search,
without the choice itself. Peers that need an environment of their own have it in .venv/peers, which
`--install` makes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Error as PlaywrightError
from tracking_watch import install
from ui_peers import PEERS, Sizes, values

CHART = "first chart"
REST = 5
"""Seconds before a round: TensorBoard's server computes for 2.5 more, for the page that was closed."""
TOKEN = "benchmark-of-the-dashboard"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def write_ours(folder: Path, runs: int, metrics: int, points: int) -> None:
    from etm_lightning import Run

    for number in range(runs):
        with Run("bench", save_dir=folder, name=f"run {number}", shipper=False) as run:
            for step, row in values(number, metrics, points):
                run.log(row, step=step, epoch=step // 1000)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def served(command: list[str], port: int, **env: str) -> Iterator[str]:
    """A server, once it answers."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **env}, start_new_session=True
        )
        try:
            for _ in range(1200):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                if process.poll() is not None:
                    output.seek(0)
                    raise RuntimeError(
                        f"{command[:4]} ended: {output.read()[-2000:].decode(errors='replace')}"
                    )
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # some have servers of their own below them
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def browser_page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(300_000)
        yield page
        browser.close()


def opened(page: Any, address: str, ready: str) -> float:
    """Seconds until `ready`, a condition in the page's words, holds."""
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    wait(page, ready)
    return time.perf_counter() - began


def wait(page: Any, ready: str, seconds: float = 300) -> None:
    """Until it holds. The page itself looks: to be asked from outside takes of the time that is measured."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        try:
            if page.evaluate(LOOK % (1000 * (end - time.perf_counter()), ready)):
                return
        except PlaywrightError as error:  # the page has led on to another one
            if "context was destroyed" not in str(error):
                raise
    raise TimeoutError(f"not within {seconds:.0f} s: {ready}")


LOOK = """async () => {
  const end = performance.now() + %f;
  while (performance.now() < end) {
    if (%s) return true;
    await new Promise((on) => setTimeout(on, 5));
  }
  return false;
}"""
FIRST_CHART = "performance.getEntriesByName('etm-chart').length > 0"
WHOLE_CHART = "performance.getEntriesByName('etm-whole').length > 0"
COUNT_FRAMES = """() => {
  window.frames_ = []; let last = performance.now();
  const tick = (now) => {
    window.frames_.push(now - last);
    last = now;
    window.ticking_ = requestAnimationFrame(tick);
  };
  window.ticking_ = requestAnimationFrame(tick);
}"""
END_FRAMES = "() => { cancelAnimationFrame(window.ticking_); return window.frames_.slice(1); }"


@contextmanager
def our_server(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "etm_lightning", "ui", "--store", str(folder), "--port", str(port)]
    with served([*command, "--no-open"], port, ETM_UI_TOKEN=TOKEN) as base:
        yield base


def charts(base: str, sizes: Sizes) -> str:
    """The address of our charts of all runs."""
    known = asked(base, "runs?limit=1000")["runs"]
    keys = [run["key"] for run in known if run["name"] != "live"][: sizes[0]]
    return f"{base}/?token={TOKEN}#/charts?keys={','.join(keys)}"


def open_ours(folder: Path, sizes: Sizes) -> dict[str, float]:
    """One round: with a server that has just started, and again."""
    found: dict[str, float] = {}
    for derived in folder.glob("*/*/cache"):
        shutil.rmtree(derived)
    with our_server(folder) as base:
        address = charts(base, sizes)
        for word in ("first", "again"):
            with browser_page() as page:
                began = time.perf_counter()
                found[f"{CHART}, opened {word} (s)"] = opened(page, address, FIRST_CHART)
                wait(page, WHOLE_CHART)
                found[f"{CHART} with all runs, opened {word} (s)"] = time.perf_counter() - began
    return found


def used(folder: Path, sizes: Sizes) -> dict[str, float]:
    with our_server(folder) as base, browser_page() as page:
        opened(page, charts(base, sizes), FIRST_CHART)
        wait(page, WHOLE_CHART)
        return moving(page) | live(page, folder, base)


def asked(base: str, path: str) -> Any:
    request = urllib.request.Request(f"{base}/api/{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def moving(page: Any) -> dict[str, float]:
    """Frames per second while a chart is dragged, and while it is zoomed by the wheel."""
    page.wait_for_timeout(3000)
    box = page.locator(".chart-over").first.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    found: dict[str, float] = {}
    page.keyboard.down("Shift")
    page.mouse.down()
    page.evaluate(COUNT_FRAMES)
    began = time.perf_counter()
    step = 0
    while time.perf_counter() - began < 3:
        step += 1
        page.mouse.move(middle[0] + 60 * np.sin(step / 8), middle[1])
    found |= frames("pan", page.evaluate(END_FRAMES))
    page.mouse.up()
    page.keyboard.up("Shift")
    page.keyboard.down("Control")
    page.evaluate(COUNT_FRAMES)
    began = time.perf_counter()
    while time.perf_counter() - began < 3:
        step += 1
        page.mouse.wheel(0, -40 if step % 40 < 20 else 40)
        page.wait_for_timeout(8)
    found |= frames("zoom", page.evaluate(END_FRAMES))
    page.keyboard.up("Control")
    return found


def frames(name: str, lengths: list[float]) -> dict[str, float]:
    return {
        f"{name} (frames/s)": 1000 * len(lengths) / sum(lengths),
        f"{name}, slowest of 20 frames (ms)": float(np.quantile(lengths, 0.95)),
    }


def live(page: Any, folder: Path, base: str) -> dict[str, float]:
    """Seconds from `log` until the page tells of the value."""
    from etm_lightning import Run

    waits = []
    with Run("bench", save_dir=folder, name="live", shipper=False) as run:
        run.log({"train/live": 1.0}, step=0)
        for _ in range(100):
            key = next(
                (row["key"] for row in asked(base, "runs?limit=1000")["runs"] if row["id"] == run.id), None
            )
            if key:
                break
            time.sleep(0.1)
        page.goto(f"{base}/#/charts?keys={key}")
        shown = "!!document.querySelector('figure > .hidden')?.textContent.includes(', {} values')"
        wait(page, shown.format(1))
        page.wait_for_timeout(2000)
        for step in range(1, 16):
            time.sleep(0.37 + step % 5 / 7)
            began = time.perf_counter()
            run.log({"train/live": 1 / step}, step=step)
            wait(page, shown.format(step + 1))
            waits.append(time.perf_counter() - began)
    return {"live point, median (s)": float(np.median(waits)), "live point, slowest of 15 (s)": max(waits)}


@contextmanager
def peer_server(name: str, python: Path, folder: Path, sizes: Sizes) -> Iterator[str]:
    """A peer's server that has read what it reads beforehand."""
    peer, port = PEERS[name], free_port()
    path = os.pathsep.join((str(python.parent), os.environ["PATH"]))
    began = time.perf_counter()
    with served(peer.command(python, folder, port), port, PATH=path, **peer.env(folder, port)) as base:
        peer.settled(base, sizes)
        show(name, {"server is ready (s)": time.perf_counter() - began})
        yield base


def open_peer(name: str, base: str) -> float:
    """Seconds until a peer's page shows a chart, without those in which somebody chooses it."""
    peer = PEERS[name]
    with browser_page() as page:
        page.route(lambda url: not url.startswith(base), lambda route: route.abort())
        took = opened(page, base + peer.path, peer.usable or peer.ready)
        if peer.before and peer.press:
            peer.before(page)
            began = time.perf_counter()
            peer.press(page)
            wait(page, peer.ready)
            took += time.perf_counter() - began
        return took


def python_of(peers: Path, name: str) -> Path:
    """The interpreter of a peer: one of its own if there is one."""
    own = peers / name / "bin" / "python"
    return own.absolute() if own.exists() else Path(sys.executable)


def written(root: Path, name: str, sizes: Sizes, write: Callable[[Path], object]) -> Path:
    """The folder with the data, which is made if it is not there."""
    folder = root / f"{name}-{'-'.join(map(str, sizes))}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        began = time.perf_counter()
        write(part)
        part.rename(folder)
        print(f"{name}: {sizes[0]} runs written in {time.perf_counter() - began:.1f} s", flush=True)
    return folder


def show(name: str, found: dict[str, float], after: str = "") -> None:
    for what, figure in found.items():
        print(f"{name:12} {what:42} {figure:10.3f}{after}", flush=True)


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {what: statistics.median(found[what] for found in rounds) for what in rounds[0]}


def beside(root: Path, peers: Path, name: str, sizes: Sizes, own: Path, times: int) -> None:
    """Rounds of ours and a peer's page."""
    python = python_of(peers, name)
    script = Path(__file__).with_name("ui_peers.py")

    def write(folder: Path) -> None:
        command = [str(python), str(script), name, str(folder), *map(str, sizes)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    try:
        folder = written(root, name, sizes, write)
        with peer_server(name, python, folder, sizes) as base:
            rounds = []
            for _ in range(times):
                time.sleep(REST)
                rounds.append((open_ours(own, sizes), open_peer(name, base)))
    except subprocess.CalledProcessError as error:
        print(f"{name}: left out: {error.stderr.strip().splitlines()[-1:]}", flush=True)
    except (OSError, RuntimeError, PlaywrightError) as error:
        print(f"{name}: left out: {type(error).__name__}: {str(error)[:300]}", flush=True)
    else:
        show("ours", medians([ours for ours, _ in rounds]))
        ratios = [
            statistics.median(theirs / ours[f"{CHART}, opened {word} (s)"] for ours, theirs in rounds)
            for word in ("first", "again")
        ]
        theirs = statistics.median(theirs for _, theirs in rounds)
        show(name, {f"{CHART} (s)": theirs}, "  {:.1f} and {:.1f} times ours".format(*ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--metrics", type=int, default=30)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--peers", nargs="*", default=["tensorboard"], choices=list(PEERS))
    parser.add_argument("--times", type=int, default=7, help="rounds")
    parser.add_argument(
        "--environments", type=Path, default=Path(".venv/peers"), help="of peers of their own"
    )
    parser.add_argument("--install", action="store_true", help="make the environments of these peers")
    parser.add_argument("--keep", type=Path, help="a folder for the data, which is used again")
    asked_for = parser.parse_args()
    if asked_for.install:
        install(asked_for.environments, [name for name in asked_for.peers if name != "tensorboard"])
        return
    runs, metrics, points = asked_for.runs, asked_for.metrics, asked_for.points
    with tempfile.TemporaryDirectory() as scratch:
        root = asked_for.keep or Path(scratch)
        groups: dict[int, list[str]] = {points: []}
        for name in asked_for.peers:
            groups.setdefault(min(points, PEERS[name].most), []).append(name)
        for count, names in groups.items():
            sizes = runs, metrics, count
            print(f"{runs} runs x {metrics} metrics x {count} points", flush=True)
            folder = written(root, "etm", sizes, lambda folder, sizes=sizes: write_ours(folder, *sizes))
            for name in names:
                beside(root, asked_for.environments, name, sizes, folder, asked_for.times)
            if not names:
                show("ours", medians([open_ours(folder, sizes) for _ in range(asked_for.times)]))
            if count == points:
                show("ours", used(folder, sizes))


if __name__ == "__main__":
    main()
