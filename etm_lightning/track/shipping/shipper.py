"""The companion of a training: brings its records to the sinks, samples hardware, and notices its death.

It is a process of its own, which reads the journal and never the training's memory: it can be killed, come
late or be absent, and the training does not notice.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from etm_lightning.attempts import find_writers
from etm_lightning.headline import as_json, follow_headline
from etm_lightning.journal import Journal
from etm_lightning.layout import RunFolder
from etm_lightning.process import Process, host, lives, this_process
from etm_lightning.reading import Cursor, Damage
from etm_lightning.records import Alert, Ended, Header, Known, Scalars
from etm_lightning.track.machine import usable_cores
from etm_lightning.track.redact import redact
from etm_lightning.track.shipping.alerts import limits
from etm_lightning.track.shipping.configured import Configured
from etm_lightning.track.shipping.delivery import BATCH, Delivery, lag
from etm_lightning.track.shipping.hardware import Hardware, memory_in_use, oom_kills
from etm_lightning.track.shipping.watchman import Watchman

log = logging.getLogger("etm.shipper")

POLL = 0.5
FIRST_SAMPLE, SAMPLE_EVERY = 1.0, 10.0
IDLE = 5.0
LINGER = 60.0
STUCK = 60.0
SHARE = 1 / 8
LONGEST_REST = 10.0


def rest(worked: float, cores: int) -> float:
    """How long a sink rests after so many CPU seconds of work, so that it takes `SHARE` of the cores at most.

    What it does not get to is delivered when the training is over.

    >>> rest(1.0, cores=2), rest(1.0, cores=8)
    (3.0, 0.0)
    """
    return min(max(0.0, worked * (1 / (SHARE * cores) - 1)), LONGEST_REST)


class Redacted(logging.Formatter):
    """Lines without secrets: clients of sinks log addresses, and what they raise may tell a token."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class Watch:
    """What the shipper knows of the training: whether its process lives and whether the attempt ended."""

    def __init__(self, folder: RunFolder, attempt: int, process: Process) -> None:
        self._folder, self._attempt, self._process = folder, attempt, process
        self._places: dict[str, Cursor] = {}
        self._last: dict[str, Any] = {}

    def alive(self) -> bool:
        return lives(self._process) is True

    def ended(self) -> bool:
        """Whether the last that the training recorded is its end."""
        for writer in find_writers(self._folder.journal):
            if writer.header.attempt != self._attempt or writer.header.role != "train" or writer.header.rank:
                continue
            for cursor, item in writer.read(self._places.get(writer.name, Cursor())):
                self._places[writer.name] = cursor
                if not isinstance(item, Damage | Header):
                    self._last[writer.name] = item
        return bool(self._last) and all(isinstance(item, Ended) for item in self._last.values())

    def outcome(self) -> Ended | None:
        """How the attempt ended, if it did."""
        ends = [item for item in self._last.values() if isinstance(item, Ended)] if self.ended() else []
        return ends[-1] if ends else None


class Carrier(threading.Thread):
    """Delivers to one sink, in a thread of its own, so that one that hangs does not hold up the others.

    While the training goes on it rests after each batch, as `rest` says.
    """

    def __init__(self, delivery: Delivery, cores: int) -> None:
        super().__init__(name=f"etm-{delivery.name}", daemon=True)
        self.delivery = delivery
        self._cores = cores
        self.moved = time.monotonic()
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while True:
            last = self._stop_asked.is_set()
            before = time.thread_time()
            delivered = self.delivery.advance(once=not last)
            if delivered:
                self.moved = time.monotonic()
            elif last and self._done():
                break
            if last:
                time.sleep(0 if delivered else 0.05)
                continue
            # many records at a time: each time costs a sink as much as hundreds of values do
            pause = POLL if delivered < BATCH else 0.0
            self._stop_asked.wait(max(pause, rest(time.thread_time() - before, self._cores)))
        self.delivery.close()

    def _done(self) -> bool:
        """Whether nothing more can be delivered."""
        return not self.delivery.error or self.delivery.refused or not self.delivery.waiting

    def stop(self) -> None:
        """Deliver what there is, at once though it failed a moment ago, then end."""
        self.moved = time.monotonic()
        self._stop_asked.set()
        self.delivery.hurry()


class Shipper:
    """One training's companion.

    Args:
        folder: the run's folder.
        attempt: the attempt that it accompanies.
        process: the training's process.
        rank: on a node above the first the rank of that process: then only hardware is sampled.
        delivers_only: whether the training runs where its hardware and its death cannot be seen from here;
            `process` is then the one as long as which there is anything to deliver.
    """

    def __init__(
        self,
        folder: RunFolder,
        attempt: int,
        process: Process,
        rank: int = 0,
        *,
        delivers_only: bool = False,
    ) -> None:
        self._folder, self._process, self._rank = folder, process, rank
        self._delivers_only = delivers_only
        self._watch = Watch(folder, attempt, process)
        self._configured = Configured(folder)
        self._journal = Journal(
            folder.journal, run=folder.path.name, attempt=attempt, role="shipper", rank=rank
        )
        self._hardware = Hardware(process.pid, folder.path)
        self._created = folder.identity().created
        self._cores = usable_cores() or 1
        self._oom_kills = oom_kills()
        self._carriers: dict[str, Carrier] = {}
        self._told: dict[str, str] = {}
        self._watchman = Watchman(folder, self._append, limits())
        self._asked = threading.Event()  # somebody said that the training is over

    def finish(self, *_: object) -> None:
        """The training is over: deliver the rest and leave."""
        self._asked.set()

    def run(self) -> None:
        """Accompany the training to its end, deliver the rest, and leave."""
        ended_since, next_sample = 0.0, time.monotonic() + FIRST_SAMPLE
        while self._watch.alive() and not self._asked.is_set():
            now = time.monotonic()
            if now >= next_sample and not self._delivers_only:
                self._sample()
                next_sample = now + SAMPLE_EVERY
            self._carry()
            self._tell()
            self._look()
            ended_since = (ended_since or now) if self._watch.ended() else 0.0
            if ended_since and now - ended_since > IDLE:
                break
            self._asked.wait(POLL)
        if not (self._rank or self._delivers_only or self._watch.alive() or self._watch.ended()):
            self._note_death()
        self._look()
        self._tell_the_end()
        self._watchman.close()
        self._carry()
        self._drain()
        self._journal.close()

    def _sample(self) -> None:
        values = self._hardware.sample()
        seconds = int(time.time() - self._created)
        self._append(Scalars(time=time.time(), step=seconds, axis="seconds", values=values))

    def _note_death(self) -> None:
        killed = oom_kills() - self._oom_kills
        used, limit = memory_in_use()
        cause = (
            f"killed for want of memory ({used / 1e9:.1f} of {limit / 1e9:.1f} GB in use now)"
            if killed > 0
            else "gone without a word, as after SIGKILL"
        )
        reason = f"process {self._process.pid} on {self._process.host} is {cause}"
        self._watchman.tell(
            Alert(time=time.time(), title="crashed", text=reason, level="error", name="crashed")
        )
        self._append(
            Ended(
                time=time.time(),
                status="crashed",
                reason=reason,
                summary=as_json(follow_headline(self._folder.journal).values()),
            )
        )
        log.warning("run %s crashed: %s", self._folder.path.name, reason)

    def _carry(self) -> None:
        """Start a carrier for each sink that the run is configured with."""
        if self._rank:
            return
        for name, options in self._configured.ask().items():
            if name not in self._carriers:
                carrier = self._carriers[name] = Carrier(Delivery(self._folder, name, options), self._cores)
                carrier.start()

    def _tell(self) -> None:
        """Record once why a sink does not get on."""
        for name, carrier in self._carriers.items():
            error = carrier.delivery.error
            if error and error != self._told.get(name):
                self._append(Alert(time=time.time(), title=f"{name} does not get on", text=error, name=name))
            self._told[name] = error

    def _look(self) -> None:
        """Let the watchman look; what he stumbles over is told once and does not end the delivery."""
        if self._rank:
            return
        try:
            self._watchman.look()
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            if words != self._told.get("alerts"):
                log.exception("alerts")
                self._append(Alert(time=time.time(), title="alerts do not get on", text=words))
            self._told["alerts"] = words

    def _tell_the_end(self) -> None:
        """Where alerts are sent somewhere, the end is one too."""
        if self._rank:
            return
        end = self._watch.outcome()
        asked = any(options["sink"] == "webhook" for options in self._configured.ask().values())
        if end is None or not asked or self._watchman.told_since("ended", end.time):
            return
        level = {"finished": "info", "failed": "error"}.get(end.status, "warning")
        self._watchman.tell(
            Alert(time=time.time(), title=end.status, text=end.reason, level=level, name="ended")
        )

    def _drain(self) -> None:
        """Let the carriers deliver the rest; who makes no progress for a minute is left behind."""
        for carrier in self._carriers.values():
            carrier.stop()
        for carrier in self._carriers.values():
            while carrier.is_alive() and time.monotonic() - carrier.moved < LINGER:
                carrier.join(POLL)
        for name, carrier in self._carriers.items():
            if carrier.is_alive():
                log.warning("%s is %d records behind", name, lag(self._folder, name))

    def _append(self, record: Known) -> None:
        try:
            self._journal.append(record)
        except OSError as error:
            log.warning("could not be recorded: %s", error)


def main() -> None:
    """What `python -m etm_lightning.track.shipping.shipper` does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--born", type=float, required=True)
    parser.add_argument("--rank", type=int, default=0, help="above 0: only sample the hardware")
    parser.add_argument("--delivers-only", action="store_true", help="the training runs elsewhere")
    parser.add_argument("--finish", action="store_true", help="the training is over: deliver and leave")
    given = parser.parse_args()
    os.nice(10)  # the training comes first
    to_file = logging.StreamHandler()  # stderr is the log file of the run
    to_file.setFormatter(Redacted("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[to_file])
    training = Process(host(), this_process().boot, given.pid, given.born)
    shipper = Shipper(
        RunFolder(given.folder), given.attempt, training, given.rank, delivers_only=given.delivers_only
    )
    signal.signal(signal.SIGTERM, shipper.finish)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if given.finish:
        shipper.finish()
    shipper.run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of a client that hangs must not keep this process


if __name__ == "__main__":
    main()
