"""Random histories of a run on a machine whose disk, clock, network and processes fail, and what must hold.

A history is decided by its seed. `python -m tests.faults.simulation 123` runs that of seed 123 alone, and
`python -m tests.faults.simulation 0 5000` those of many seeds.
"""

from __future__ import annotations

import errno
import logging
import random
import sys
import tempfile
from collections import Counter
from math import nan
from pathlib import Path

from etm_lightning.layout import Identity, RunFolder
from etm_lightning.reading import Damage, follow, writers
from etm_lightning.records import (
    Alert,
    Checkpoint,
    Gap,
    Header,
    Known,
    Params,
    Record,
    Scalars,
    Started,
    split,
)
from etm_lightning.track.shipping.cursors import Lease, progress_file
from etm_lightning.track.shipping.delivery import Delivery, lag
from etm_lightning.track.spool import Spool
from tests.faults.simulated_disk import Killed, SimulatedDisk
from tests.faults.simulated_lives import Clock, Life, NamedJournal, Reader, names
from tests.faults.simulated_sinks import Register, Server, points_of

SINKS = ("server", "register")


class World:
    """A machine with a store, a run in it, two sinks elsewhere, and a person who goes on with the run.

    Args:
        seed: decides what happens.
        store: a real folder, into which the files are laid for readers.
        keep_bytes: that of the journals.
    """

    def __init__(self, seed: int, store: Path, *, keep_bytes: int = 1 << 20) -> None:
        self.keep_bytes = keep_bytes
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.disk = SimulatedDisk(self.chance, self.clock.pass_)
        self.folder = RunFolder(store / "simulated" / f"r{seed}")
        self.folder.create(Identity(id=f"r{seed}", project="simulated", created=1.7e9))
        self.journal = type("Journal", (NamedJournal,), {"endings": names(seed)})
        self.lives: list[Life] = []
        self.life: Life | None = None
        self.reader = Reader(self.folder.journal)
        self.sinks: dict[str, Server | Register] = {
            "server": Server(self.chance, self.clock.pass_),
            "register": Register(self.chance),
        }
        self.deliveries: dict[str, Delivery] = {}
        self.places: dict[str, list[bytes]] = {name: [] for name in self.sinks}
        self.marks: list[tuple[int, str]] = []
        self.step = self.taken = 0
        self.said: list[str] = []

    # -- what happens ---------------------------------------------------------------------------------------

    def live(self, events: int) -> None:
        """Let that many things happen, and then peace: no faults, all is delivered."""
        ways = {
            self.log: 30, self.settings: 2, self.checkpoint: 4, self.tell: 2, self.sync: 8, self.idle: 8,
            self.read: 8, self.deliver: 8, self.disk_fails: 4, self.disk_mends: 8, self.network: 3,
            self.kill: 2, self.kill_within: 3, self.cut_power: 1, self.clock_jumps: 1, self.deliverer_dies: 1,
        }  # fmt: skip
        self.begin()
        for way in self.chance.choices(list(ways), list(ways.values()), k=events):
            self.said.append(way.__name__)
            way()
            if self.life is None and self.chance.random() < 0.5:
                self.said.append("begin")
                self.begin()
        self.peace()

    def begin(self, segment_bytes: int = 0) -> None:
        """The next attempt: from a checkpoint of an earlier one, after all of it, or from nothing."""
        self.disk.show(self.folder.journal)
        attempt = self.folder.attempts() + 1
        parent, checkpoint = None, None
        known = [mark for mark in self.marks if mark[0] < attempt]
        if known and self.chance.random() < 0.8:
            parent, checkpoint = self.chance.choice(known[-3:])
        elif attempt > 1 and self.chance.random() < 0.5:
            parent = attempt - 1
        journal = self.journal(
            self.folder.journal,
            run=self.folder.path.name,
            attempt=attempt,
            clock=self.clock.now,
            segment_bytes=segment_bytes or self.chance.choice([400, 2000, 1 << 20]),
            keep_bytes=self.keep_bytes,
            disk=self.disk,
            timer=self.clock.monotonic,
        )
        capacity = self.chance.choice([3_000, 64 << 20])
        spool = Spool(journal, self.clock.now, capacity=capacity, threaded=False)
        life = Life(attempt, journal, spool)
        first = Started(time=self.clock.now(), attempt=attempt, parent=parent, checkpoint=checkpoint)
        try:
            journal.append(first)
        except (OSError, Killed):  # a run that cannot be written down is none; the person tries again
            life.unsure.append(first)
            life.killed_within = True
            self.lives.append(life)
            self.gone()
            return
        life.accepted.append(first)
        self.lives.append(life)
        self.life = life

    def put(self, record: Known) -> bool:
        """Hand a record in as the training does; whether it was kept."""
        life, failed = self.life, self.disk.failed_syncs
        if life is None:
            return False
        try:
            if not (self.chance.random() < 0.5 and write_row(life.spool, record)):
                life.spool.write(record)
        except Killed:
            life.unsure.append(record)
            life.killed_within = True
            self.gone()
        else:
            if life.spool.degraded and life.sheltered is None:
                life.sheltered = len(life.accepted)
            life.accepted.append(record)
        finally:
            self.expose(life, failed)
        return self.life is not None

    def log(self) -> None:
        self.step += 1
        names = self.chance.sample(["train/loss", "val/f1", "a", "損失"], self.chance.randint(1, 4))
        drawn = {name: self.chance.random() for name in names}
        finite, nonfinite = split({name: nan if value < 0.05 else value for name, value in drawn.items()})
        self.put(
            Scalars(time=self.clock.now(), step=self.step, stage="train", values=finite, nonfinite=nonfinite)
        )
        self.clock.pass_(self.chance.random() * 0.1)

    def settings(self) -> None:
        size = self.chance.choice([10, 10, 10_000])  # now and then over several pages
        self.put(Params(time=self.clock.now(), params={"text": "x" * size, "n": self.chance.random()}))

    def checkpoint(self) -> None:
        if self.life is None:
            return
        attempt, self.taken = self.life.attempt, self.taken + 1
        id = f"{attempt}-{self.taken}"
        if self.put(Checkpoint(time=self.clock.now(), id=id, step=self.step)):
            self.marks.append((attempt, id))

    def tell(self) -> None:
        self.put(Alert(time=self.clock.now(), title=f"at {self.step}", text=str(self.chance.random())))

    def sync(self) -> None:
        life = self.life
        if life is None:
            return
        failed = self.disk.failed_syncs
        try:
            life.spool.sync()
        except OSError:
            self.expose(life, failed)
        except Killed:
            self.expose(life, failed)
            life.killed_within = True
            self.gone()
        else:
            self.expose(life, failed)
            life.exposed = False
            self.disk.show(self.folder.journal)
            life.safe = {repr(item) for item in self.found(life)}

    def expose(self, life: Life, failed: int) -> None:
        """Note whether syncs failed since there were `failed` of them."""
        if self.disk.failed_syncs > failed:
            life.failed_syncs += self.disk.failed_syncs - failed
            life.exposed = True

    def idle(self) -> None:
        self.clock.pass_(self.chance.expovariate(1.0))

    def read(self) -> None:
        self.disk.show(self.folder.journal)
        self.reader.read(self.chance)

    def deliver(self) -> None:
        self.disk.show(self.folder.journal)
        name = self.chance.choice(SINKS)
        try:
            self.delivery(name).advance()
        except Killed:
            del self.deliveries[name]
        path = progress_file(self.folder, name)
        if path.exists():
            self.places[name].append(path.read_bytes())

    def delivery(self, name: str) -> Delivery:
        """The deliverer to a sink; a new process if the one before is gone."""
        if name not in self.deliveries:
            self.deliveries[name] = Delivery(
                self.folder,
                name,
                {"sink": name},
                make=self.sinks[name].open,
                clock=self.clock.monotonic,
                lease=Lease(self.folder, name, clock=self.clock.monotonic),
            )
        return self.deliveries[name]

    # -- what fails -----------------------------------------------------------------------------------------

    def disk_fails(self) -> None:
        way = self.chance.randrange(6)
        if way == 0:
            self.disk.room = self.chance.choice([0, 100, 5000])
        elif way == 1:
            self.disk.refuse = self.chance.choice([errno.EIO, errno.ENOSPC, errno.EROFS, errno.ESTALE])
        elif way == 2:
            self.disk.refuse_sync = errno.EIO
        elif way == 3:
            self.disk.short = 0.5
        elif way == 4:
            self.disk.delay = self.chance.choice([0.03, 0.5, 2.0])
        else:
            self.disk.fail_at = self.disk.calls + self.chance.randint(1, 6)

    def disk_mends(self) -> None:
        self.disk.mend()

    def network(self) -> None:
        self.sinks["server"].trouble = self.chance.choice(["", "", "refuses", "hangs", "loses replies"])

    def clock_jumps(self) -> None:
        self.clock.unix = self.chance.choice([self.clock.unix - 3600, self.clock.unix + 86400, 10.0])

    def kill(self) -> None:
        """SIGKILL between two calls."""
        self.gone()

    def kill_within(self) -> None:
        """SIGKILL in one of the next calls to the disk."""
        self.disk.die_at = self.disk.calls + self.chance.randint(1, 8)

    def gone(self) -> None:
        self.disk.kill()
        self.life = None

    def deliverer_dies(self) -> None:
        self.deliveries.pop(self.chance.choice(SINKS), None)

    def cut_power(self) -> None:
        """The machine stops; what no sync has saved may be gone, places of sinks among it."""
        self.gone()
        self.disk.cut_power()
        self.disk.show(self.folder.journal)
        for life in self.lives:
            life.cut = True
        self.deliveries.clear()
        self.reader = Reader(self.folder.journal)
        for name, known in self.places.items():
            if known and self.chance.random() < 0.4:
                self.sinks[name].forget()
                progress_file(self.folder, name).write_bytes(self.chance.choice([b"", *known[-3:]]))

    # -- what must hold -------------------------------------------------------------------------------------

    def peace(self) -> None:
        """Nothing fails any more; see whether every promise was kept."""
        self.settle()
        self.check_journals()
        counted = self.counted()
        self.check_reader(counted)
        for name in SINKS:
            self.check_delivery(name, counted)

    def settle(self) -> None:
        """P8: five seconds after the last fault all is on the disk when a call returns."""
        self.disk.mend()
        self.disk.die_at = 0
        self.sinks["server"].trouble = ""
        if self.life is None:
            self.begin()
        life = self.life
        assert life is not None
        for _ in range(17):
            self.clock.pass_(0.3)
            self.log()
        assert not life.spool.degraded, "the disk has been well for five seconds"
        self.sync()
        assert repr(life.accepted[-1]) in life.safe, "the last record is not safe"

    def check_journals(self) -> None:
        for life in self.lives:
            self.check_journal(life)

    def found(self, life: Life) -> list[Record]:
        """What readers find of what a life was given."""
        items = [item for _, item in follow(writers(self.folder.journal).get(life.journal.writer, []))]
        return [item for item in items if not isinstance(item, Damage | Header) and not of_the_spool(item)]

    def check_journal(self, life: Life) -> None:
        """P1, P2, P9: nothing that was accepted is lost, nothing is there twice, nothing is invented."""
        found = [repr(item) for item in self.found(life)]
        there = set(found)
        accepted = [repr(item) for item in life.accepted]
        unsure = {repr(item) for item in life.unsure}
        assert len(found) == len(there), "a record is there twice"
        assert there <= {*accepted, *unsure}, "a record was invented"
        assert life.safe <= there, f"what was synced is lost: {min(life.safe - there)[:99]}"
        if life.cut or life.exposed:
            return
        kept = [item for item in accepted if item in there]
        assert [item for item in found if item not in unsure] == kept or life.failed_syncs, "order"
        missing = [n for n, item in enumerate(accepted) if item not in there]
        assert len(missing) <= life.spool.lost + life.spool.waiting, f"{len(missing)} records are lost"
        assert not missing or life.sheltered is not None, "a record is lost though the disk was well"
        assert not missing or missing[0] >= (life.sheltered or 0), "a record is lost that had been written"
        self.check_gaps(life)

    def check_gaps(self, life: Life) -> None:
        """P8: what there was no room for is counted exactly, once the disk takes records again."""
        segments = writers(self.folder.journal).get(life.journal.writer, [])
        told = sum(item.lost for _, item in follow(segments) if isinstance(item, Gap))
        if life.spool.waiting or life.killed_within:
            assert told <= life.spool.lost
        else:
            assert told + life.spool._untold == life.spool.lost, "gaps do not count what was lost"

    def counted(self) -> list[Record]:
        """What counts by the rules of docs/format.md, found in the simplest way."""
        by_attempt: dict[int, list[Record]] = {}
        starts: dict[int, Started] = {}
        for life in self.lives:
            for item in self.found(life):
                by_attempt.setdefault(life.attempt, []).append(item)
                if isinstance(item, Started):
                    starts[life.attempt] = item
        counted: list[Record] = []
        attempt: int | None = max(starts)
        until: tuple[str, float] | None = None
        while attempt is not None and attempt in by_attempt:
            counted = before(by_attempt[attempt], until) + counted if until else by_attempt[attempt] + counted
            start = starts.get(attempt)
            if start is None or start.parent is None or start.parent not in by_attempt:
                break
            attempt, until = start.parent, (start.checkpoint, start.time) if start.checkpoint else None
        return counted

    def check_reader(self, counted: list[Record]) -> None:
        """Order and no duplicates: reading on gave what reading at once gives."""
        for _ in range(1000):
            self.reader.read(self.chance)
            if not self.reader.rest():
                break
        wanted = Counter(repr(item) for item in counted if isinstance(item, Scalars))
        got = Counter(repr(item) for item in self.reader.got if isinstance(item, Scalars))
        lost = {repr(item) for item in self.lost()}
        assert not set(wanted) - set(got), "reading on passed something over"
        more = set(got) - set(wanted) - lost
        assert not more or self.written_twice(), "reading on gave what does not count"
        assert all(got[item] == 1 for item in wanted) or self.written_twice(), (
            "reading on gave something twice"
        )

    def written_twice(self) -> bool:
        """Whether a sync failed: what was read may have been lost, and then written again elsewhere."""
        return any(life.failed_syncs for life in self.lives)

    def check_delivery(self, name: str, counted: list[Record]) -> None:
        """P10: all that counts arrived, exactly once."""
        for _ in range(200):
            self.clock.pass_(61.0)
            try:
                self.delivery(name).advance()
            except Killed:
                del self.deliveries[name]
            if name in self.deliveries and not self.deliveries[name].error and not lag(self.folder, name):
                break
        else:
            raise AssertionError(f"{name} never gets everything: {self.deliveries[name].error}")
        wanted = Counter(points_of(counted))
        got = Counter(self.sinks[name].points())
        assert not set(wanted) - set(got), f"{name} lacks {min(set(wanted) - set(got))}"
        more = set(got) - set(wanted) - self.sinks[name].forgotten - set(points_of(self.lost()))
        assert not more or self.written_twice(), f"{name} has {min(more)}, which does not count"
        assert got.total() == len(set(got)) or self.written_twice(), f"{name} has a point twice"

    def lost(self) -> list[Known]:
        """What a power cut or a failed sync took out of the journal; a reader was quicker perhaps."""
        lost: list[Known] = []
        for life in self.lives:
            found = {repr(item) for item in self.found(life)}
            lost += [item for item in [*life.accepted, *life.unsure] if repr(item) not in found]
        return lost


def write_row(spool: Spool, row: Known) -> bool:
    """Write it the short way, if it can be."""
    if not isinstance(row, Scalars):
        return False
    return spool.write_row(row.time, row.step, row.axis, row.epoch, row.stage, row.items())


def of_the_spool(item: Record) -> bool:
    """Whether it tells of the disk."""
    return isinstance(item, Gap) or (isinstance(item, Alert) and not item.title.startswith("at "))


def before(items: list[Record], until: tuple[str, float]) -> list[Record]:
    """What of an attempt counts when the next one began at checkpoint `until[0]`."""
    id, started = until
    for place, item in enumerate(items):
        if isinstance(item, Checkpoint) and item.id == id:
            return items[: place + 1]
    late = (i for i, item in enumerate(items) if item.time > started and not isinstance(item, Started))
    return items[: next(late, len(items))]


def run(seed: int, events: int = 80) -> World:
    """The history of a seed.

    Raises:
        AssertionError: if a promise is broken; a note says how to run this history alone.
    """
    with tempfile.TemporaryDirectory(prefix="etm-simulation") as store:
        world = World(seed, Path(store))
        try:
            world.live(events)
        except Exception as error:
            error.add_note(f"this history alone: python -m tests.faults.simulation {seed}")
            raise
        return world


if __name__ == "__main__":
    logging.disable()
    first, last = int(sys.argv[1]), int(sys.argv[-1])
    for seed in range(first, last + 1):
        run(seed)
    print(f"{last - first + 1} histories hold")
