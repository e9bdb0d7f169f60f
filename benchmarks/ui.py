"""How soon a browser shows charts, how smoothly they move, and how soon a logged value is on the screen.

    python benchmarks/ui.py [--runs 50] [--metrics 30] [--points 10000] [--peers tensorboard] [--keep DIR]

The same values go to each tracker. A page is opened in Chromium with an empty cache; the clock stops when the
first chart has its curves. Ours is opened twice: with a server that has read nothing yet, and again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
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

TOKEN = "benchmark-of-the-dashboard"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
Values = Iterator[tuple[int, dict[str, float]]]


def values(run: int, metrics: int, points: int) -> Values:
    """Noisy falling curves, a spike in each."""
    noise = np.random.default_rng(run)
    names = [f"{'val' if i % 3 else 'train'}/metric_{i:02d}" for i in range(metrics)]
    falling = np.exp(-np.arange(points)[:, None] / (points / 5)) * (1 + run / 100)
    table = falling + noise.normal(0, 0.03, (points, metrics))
    table[noise.integers(points, size=metrics), np.arange(metrics)] = 3
    for step, row in enumerate(table.tolist()):
        yield step, dict(zip(names, row, strict=True))


def write_ours(folder: Path, runs: int, metrics: int, points: int) -> None:
    from etm_lightning import Run

    for number in range(runs):
        with Run("bench", save_dir=folder, name=f"run {number}", shipper=False) as run:
            for step, row in values(number, metrics, points):
                run.log(row, step=step, epoch=step // 1000)


def write_tensorboard(folder: Path, runs: int, metrics: int, points: int) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for number in range(runs):
        writer = EventFileWriter(str(folder / f"run-{number}"), max_queue_size=10_000)
        for step, row in values(number, metrics, points):
            scalars = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
            writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=scalars)))
        writer.close()


def write_mlflow(folder: Path, runs: int, metrics: int, points: int) -> None:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("bench", artifact_location=f"{folder}/artifacts")
    for number in range(runs):
        run = client.create_run(experiment, run_name=f"run {number}").info.run_id
        waiting: list[Metric] = []
        for step, row in values(number, metrics, points):
            waiting += [Metric(name, value, 1_700_000_000_000 + step, step) for name, value in row.items()]
            if len(waiting) + metrics > 1000:
                client.log_batch(run, waiting, synchronous=True)
                waiting = []
        client.log_batch(run, waiting, synchronous=True)
        client.set_terminated(run)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def served(command: list[str], port: int, **env: str) -> Iterator[str]:
    """A server, once it answers."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **env})
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
            process.terminate()
            process.wait(20)


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
    """Ask until it holds; a page's own policy may forbid it to wait for a text."""
    end = time.perf_counter() + seconds
    while not page.evaluate(ready):
        if time.perf_counter() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {ready}")
        time.sleep(0.005)


FIRST_CHART = "performance.getEntriesByName('etm-chart').length > 0"
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


def ours(folder: Path, sizes: tuple[int, int, int]) -> dict[str, float]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "etm_lightning",
        "ui",
        "--store",
        str(folder),
        "--port",
        str(port),
        "--no-open",
    ]
    found: dict[str, float] = {}
    with served(command, port, ETM_UI_TOKEN=TOKEN) as base:
        keys = [run["key"] for run in asked(base, "runs?limit=1000")["runs"]][: sizes[0]]
        address = f"{base}/?token={TOKEN}#/charts?keys={','.join(keys)}"
        for word in ("first", "again"):
            with browser_page() as page:
                found[f"first chart, opened {word} (s)"] = opened(page, address, FIRST_CHART)
                if word == "again":
                    found |= moving(page)
                    found |= live(page, folder, base)
    return found


def asked(base: str, path: str) -> Any:
    request = urllib.request.Request(f"{base}/api/{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def moving(page: Any) -> dict[str, float]:
    """Frames per second while a chart is dragged, and while it is zoomed by the wheel."""
    page.wait_for_timeout(3000)
    box = page.locator(".u-over").first.bounding_box()
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
                (row["key"] for row in asked(base, "runs?limit=1000")["runs"] if row["name"] == "live"), None
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


def tensorboard(folder: Path, sizes: tuple[int, int, int]) -> dict[str, float]:
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    began = time.perf_counter()
    with served(command, port) as base, browser_page() as page:
        until_read(base, sizes)
        read = time.perf_counter() - began
        ready = (
            "[...document.querySelectorAll('line-chart canvas, line-chart svg path')]"
            ".some(e => e.clientWidth > 50 || e.getTotalLength?.() > 50)"
        )
        first = opened(page, f"{base}/#timeseries", ready)
        page.wait_for_timeout(2000)
    return {"server has read all (s)": read, "first chart, opened again (s)": first}


def until_read(base: str, sizes: tuple[int, int, int]) -> None:
    """TensorBoard shows what it has read so far: wait for the last step of every run."""
    for _ in range(600):
        with (
            suppress(OSError, ValueError),
            urllib.request.urlopen(f"{base}/data/plugin/scalars/tags") as answer,
        ):
            if len(json.load(answer)) >= sizes[0]:
                return
        time.sleep(0.5)


def mlflow(folder: Path, sizes: tuple[int, int, int]) -> dict[str, float]:
    port = free_port()
    uri = f"sqlite:///{folder}/mlflow.db"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    with served(command, port) as base, browser_page() as page:
        until(lambda: urllib.request.urlopen(f"{base}/health").status == 200)
        ready = "document.querySelectorAll('.js-plotly-plot .trace path').length > 0"
        first = opened(page, f"{base}/#/experiments/1/runs?compareRunsMode=CHART", ready)
    return {"first chart, opened again (s)": first}


def until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        with suppress(OSError):
            if true():
                return
        time.sleep(0.2)


KINDS = {
    "etm": (write_ours, ours),
    "tensorboard": (write_tensorboard, tensorboard),
    "mlflow": (write_mlflow, mlflow),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--metrics", type=int, default=30)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--peers", nargs="*", default=["tensorboard"], choices=[*KINDS][1:])
    parser.add_argument("--keep", type=Path, help="a folder for the data, which is used again")
    asked_for = parser.parse_args()
    sizes = asked_for.runs, asked_for.metrics, asked_for.points
    with tempfile.TemporaryDirectory() as scratch:
        root = asked_for.keep or Path(scratch)
        for name in ("etm", *asked_for.peers):
            write, measure = KINDS[name]
            folder = root / f"{name}-{'-'.join(map(str, sizes))}"
            if not folder.exists():
                folder.mkdir(parents=True)
                began = time.perf_counter()
                write(folder, *sizes)
                print(f"{name}: {sizes[0]} runs written in {time.perf_counter() - began:.1f} s", flush=True)
            for what, figure in measure(folder, sizes).items():
                print(f"{name:12} {what:42} {figure:10.3f}", flush=True)


if __name__ == "__main__":
    main()
