"""Reading on equals reading at once, whatever attempts follow one another."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from etm_lightning.attempts import facts
from etm_lightning.headline import follow_headline
from etm_lightning.reading import Cursor
from etm_lightning.records import Scalars
from etm_lightning.store.run import StoredRun
from etm_lightning.tail import SupersededError, Tail
from tests.store.building import Training


class Reader:
    """Reads on at random moments, now and then as a new process that only knows its cursors."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance = folder, chance
        self.cursors: dict[str, Cursor] = {}
        self.tail = Tail(folder)
        self.got: list[str] = []
        self.anew = 0

    def read(self) -> None:
        if self.chance.random() < 0.3:
            self.tail = Tail(self.folder, self.cursors)
        try:
            for writer, cursor, record in self.tail.poll():
                self.cursors[writer] = cursor
                if isinstance(record, Scalars):
                    self.got.append(repr(record))
                if self.chance.random() < 0.05:
                    return
        except SupersededError:
            self.anew += 1
            self.cursors, self.got, self.tail = {}, [], Tail(self.folder)


def wanted(folder: Path) -> list[str]:
    return [
        repr(fact.item) for fact in facts(folder) if isinstance(fact.item, Scalars) and not fact.header.rank
    ]


def random_life(store: Path, chance: random.Random, reader: Reader, training: Training) -> None:
    """A few attempts, each from a checkpoint of an earlier one, from nothing, or adding to it."""
    marks: list[tuple[int, str]] = []
    for attempt in range(1, chance.randint(2, 5)):
        parent, checkpoint = None, None
        if marks and chance.random() < 0.7:
            parent, checkpoint = chance.choice(marks)
        elif attempt > 1 and chance.random() < 0.5:
            parent = attempt - 1
        training.start(parent=parent, checkpoint=checkpoint)
        for step in range(chance.randint(0, 12)):
            training.log(step, {"train/loss": chance.random(), "val/f1": chance.random()})
            if chance.random() < 0.3:
                id = f"{attempt}-{step}"
                marks.append((attempt, id))
                training.checkpoint(id, step)
                training.checkpoint(id, step, monitor="val/f1", mode="max", best=chance.random() < 0.5)
            if chance.random() < 0.2:
                reader.read()
        if chance.random() < 0.5:
            training.end()
        reader.read()


@pytest.mark.parametrize("seed", range(150))
def test_reading_on_gives_what_reading_at_once_gives(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    training = Training(tmp_path)
    reader = Reader(training.folder.journal, chance)
    random_life(tmp_path, chance, reader, training)
    for _ in range(1000):  # a reader that is broken off now and then gets everything in the end
        if not rest(reader):
            break
        reader.read()
    assert sorted(reader.got) == sorted(wanted(training.folder.journal))


def rest(reader: Reader) -> bool:
    """Whether there is anything left to read."""
    try:
        return any(True for _ in Tail(reader.folder, reader.cursors).poll())
    except SupersededError:
        return True


@pytest.mark.parametrize("seed", range(100))
def test_the_headline_that_follows_equals_the_one_of_the_store(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    training = Training(tmp_path)
    random_life(tmp_path, chance, Reader(training.folder.journal, chance), training)
    assert follow_headline(training.folder.journal).values() == StoredRun(training.folder).headline


def test_an_attempt_that_goes_on_from_the_end_makes_nobody_begin_anew(tmp_path: Path) -> None:
    training = Training(tmp_path).start().log(1, {"a": 1.0}).checkpoint("m", 1).end("failed")
    tail = Tail(training.folder.journal)
    assert len(list(tail.poll())) == 5
    training.start(parent=1, checkpoint="m").log(2, {"a": 2.0})
    new = [record for _, _, record in tail.poll()]
    assert [record.step for record in new if isinstance(record, Scalars)] == [2]


def test_values_that_became_void_make_the_reader_begin_anew(tmp_path: Path) -> None:
    training = Training(tmp_path).start().log(1, {"a": 1.0}).checkpoint("m", 1).log(2, {"a": 2.0})
    tail = Tail(training.folder.journal)
    list(tail.poll())
    training.start(parent=1, checkpoint="m").log(2, {"a": 3.0})
    with pytest.raises(SupersededError):
        list(tail.poll())


def test_a_reader_whose_last_record_is_gone_begins_anew_where_a_later_attempt_follows(tmp_path: Path) -> None:
    """As after a power cut: what was given after that record, if anything, cannot be told."""
    training = Training(tmp_path).start().log(1, {"a": 1.0}).log(2, {"a": 2.0})
    tail = Tail(training.folder.journal)
    *_, (writer, cursor, _) = tail.poll()
    training.log(3, {"a": 3.0}).checkpoint("m", 3)
    path = training.folder.journal / cursor.segment
    content = bytearray(path.read_bytes())
    content[cursor.offset - 4] ^= 1
    path.write_bytes(content)
    training.start(parent=1, checkpoint="m").log(4, {"a": 4.0})
    with pytest.raises(SupersededError):
        list(Tail(training.folder.journal, {writer: cursor}).poll())


def test_a_reader_of_a_file_that_is_gone_begins_anew(tmp_path: Path) -> None:
    training = Training(tmp_path).start().log(1, {"a": 1.0})
    tail = Tail(training.folder.journal)
    [*_, (_, cursor, _)] = tail.poll()
    training.start().log(1, {"a": 2.0})
    (training.folder.journal / cursor.segment).unlink()
    with pytest.raises(SupersededError):
        list(tail.poll())


def test_ranks_above_zero_come_only_when_asked_for(tmp_path: Path) -> None:
    training = Training(tmp_path).start().log(1, {"a": 1.0})
    other = training.open(rank=1)
    other.append(Scalars(time=1.0, step=1, values={"a": 9.0}))
    other.close()
    values = [
        record.values for _, _, record in Tail(training.folder.journal).poll() if isinstance(record, Scalars)
    ]
    assert values == [{"a": 1.0}]
    assert sum(isinstance(r, Scalars) for _, _, r in Tail(training.folder.journal, ranks=True).poll()) == 2
