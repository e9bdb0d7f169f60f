"""Sentences in CoNLL column files: one word and its tag per line, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from etm_lightning.text.data import TextData
from etm_lightning.text.entities import entities
from etm_lightning.text.rows import Row
from etm_lightning.text.tables import chosen_files

ENDINGS = (".conll", ".txt", ".bio", ".iob", ".tsv")
BLANKS = re.compile(r"[ \t]+")
CLASSIC = {"eng.train": "train", "eng.testa": "validate", "eng.testb": "test"}


def check_tag(tag: str, place: str) -> str:
    """Refuse what is no BIO tag.

    Raises:
        ValueError: naming file and line.

    >>> check_tag("B-creative-work", "f line 1")
    'B-creative-work'
    """
    if tag != "O" and not (tag[:2] in ("B-", "I-") and len(tag) > 2):
        raise ValueError(
            f"{place}: the tag must be O, B-<type> or I-<type> but got {tag!r}; "
            f"which column holds it is `data.tag_column`"
        )
    return tag


def to_iob2(tags: Sequence[str]) -> tuple[str, ...]:
    """Turn IOB1 tags (`B-` only between touching entities of one type) into IOB2 (`B-` at every start).

    >>> to_iob2(["I-PER", "I-PER", "B-PER", "O"])
    ('B-PER', 'I-PER', 'B-PER', 'O')
    """
    starts = {start for _, start, _ in entities(tags)}
    return tuple("B" + tag[1:] if i in starts else tag for i, tag in enumerate(tags))


def parse_line(
    line: str, separator: str | None, word_column: int, tag_column: int, place: str
) -> tuple[str, str] | None:
    r"""Read word and tag of a line; None for a comment.

    Args:
        line: without its end, not blank.
        separator: between columns; None for blanks and tabs.
        word_column: from 0; negative counts from the last.
        tag_column: likewise.
        place: for errors.

    Raises:
        ValueError: for a line without a tag or with one that is none.

    >>> parse_line("#photography\tO", None, 0, -1, "f line 1")
    ('#photography', 'O')
    >>> parse_line("# a comment", None, 0, -1, "f line 2")
    """
    # blanks and tabs only: other white space can be part of a word
    cells = line.split(separator) if separator else BLANKS.split(line.strip(" \t"))
    highest = max(c if c >= 0 else -c - 1 for c in (word_column, tag_column))
    enough = len(cells) > max(1, highest)
    tag = cells[tag_column].strip() if enough else ""
    if line.startswith("# ") and not (enough and (tag == "O" or tag[:2] in ("B-", "I-"))):
        return None
    if not enough or not tag:
        shown = repr(line if len(line) <= 60 else line[:57] + "…")
        between = "blanks or tabs" if separator is None else repr(separator)
        raise ValueError(
            f"{place}: must have a word and a tag, separated by {between}, but got {shown}; "
            f"add the tag (O for none), or set `data.separator` and `data.tag_column`"
        )
    return cells[word_column], check_tag(tag, place)


def read_conll(
    path: Path,
    separator: str | None = None,
    word_column: int = 0,
    tag_column: int = -1,
    tag_scheme: Literal["iob2", "iob1"] = "iob2",
) -> list[Row]:
    """Read the sentences of a file.

    Args:
        path: UTF-8 text.
        separator: between columns; None for blanks and tabs.
        word_column: from 0; negative counts from the last.
        tag_column: likewise.
        tag_scheme: of the file; `iob1` is turned into IOB2.

    Raises:
        ValueError: naming file and line.
    """
    rows = []
    for number, words, tags in sentences(path, separator, word_column, tag_column):
        labels = to_iob2(tags) if tag_scheme == "iob1" else tuple(tags)
        rows.append(Row(tuple(words), labels, place=f"{path.name} line {number}"))
    return rows


def sentences(
    path: Path, separator: str | None, word_column: int, tag_column: int
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Give first line number, words and tags of each sentence; arguments as in `read_conll`."""
    first, words, tags = 0, list[str](), list[str]()
    try:
        # split at line feeds only: words can hold other characters that Python takes for line ends
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: must be UTF-8 text ({error.reason} at byte {error.start})") from None
    for number, raw in enumerate([*lines, ""], start=1):
        line = raw.rstrip("\r")
        ends = not line.strip() or line.startswith("-DOCSTART-")
        if ends and words:
            yield first, words, tags
            words, tags = [], []
        if ends:
            continue
        found = parse_line(line, separator, word_column, tag_column, f"{path.name} line {number}")
        if found is not None:
            first = first if words else number
            words.append(found[0])
            tags.append(found[1])


class CoNLLData(TextData):
    """Tagged sentences in column files; `-DOCSTART-`, comments (`# …`) and single-TAB breaks are known.

    Args:
        train: training file; where there is no other, validation and test sentences are parted off it.
        validation: validation file.
        test: test file.
        dir: folder with `train.conll`, `dev.conll`, `test.conll` (or `.txt`, `.bio`; `valid`, `validation`),
            or `eng.train`, `eng.testa`, `eng.testb`.
        separator: between columns; None for blanks and tabs.
        word_column: from 0; negative counts from the last.
        tag_column: likewise.
        tag_scheme: of the files, `iob2` or `iob1` (as the first CoNLL-2003 files); the latter is converted.
        common: the arguments of `TextData`.

    Raises:
        ValueError: for an argument out of its range, or a bad line.
        FileNotFoundError: for a missing file.
    """

    def __init__(
        self,
        train: str | None = None,
        validation: str | None = None,
        test: str | None = None,
        dir: str | None = None,
        separator: str | None = None,
        word_column: int = 0,
        tag_column: int = -1,
        tag_scheme: Literal["iob2", "iob1"] = "iob2",
        **common: Any,
    ) -> None:
        super().__init__(**({"task": "tagging"} | common))
        self._check("task", self.task, ("tagging",))
        self._check("tag_scheme", tag_scheme, ("iob2", "iob1"))
        self.given, self.dir = {"train": train, "validation": validation, "test": test}, dir
        self.form: dict[str, Any] = {
            "separator": separator, "word_column": word_column, "tag_column": tag_column,
            "tag_scheme": tag_scheme,
        }  # fmt: skip

    def read(self) -> dict[str, list[Row]]:
        files = chosen_files(self.dir, self.given, ENDINGS, CLASSIC)
        return {split: read_conll(path, **self.form) for split, path in files.items()}
