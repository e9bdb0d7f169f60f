"""CoNLL files as they are in the wild, and tags on sub-words."""

from pathlib import Path
from typing import Any

import pytest

from etm_lightning.text.conll import CoNLLData, read_conll
from etm_lightning.text.rows import Row
from etm_lightning.text.targets import tag_targets
from etm_lightning.text.tokens import tokenize
from tests.text.conftest import write_conll


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_docstarts_comments_tab_breaks_and_hashes_are_told_apart(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O O\n\n# id 7\n#tag\tO\nAnn\tB-PER\n\t\n#\tO\r\n# O\nx\u2028y\tO\n \nend\tO"
    rows = read_conll(written(tmp_path / "a.conll", text), separator=None)
    assert [row.text for row in rows] == [("#tag", "Ann"), ("#", "#", "x\u2028y"), ("end",)]
    by_tab = read_conll(written(tmp_path / "b.conll", text.replace("-DOCSTART- -X- O O", "")), separator="\t")
    assert [row.text for row in by_tab] == [("#tag", "Ann"), ("#", "x\u2028y"), ("end",)]
    assert rows[0].place == "a.conll line 4"


def test_columns_and_iob1_of_the_classic_files(tmp_path: Path) -> None:
    text = "U.N. NNP I-NP I-ORG\nmeets VBZ I-VP O\nIraq NNP I-NP I-LOC\nIran NNP I-NP B-LOC\n"
    file = written(tmp_path / "eng.train", text)
    assert read_conll(file, tag_scheme="iob1")[0].label == ("B-ORG", "O", "B-LOC", "B-LOC")
    assert read_conll(file, word_column=1, tag_column=2)[0].label == ("I-NP", "I-VP", "I-NP", "I-NP")


@pytest.mark.parametrize("line", ["Ann", "Ann B-PER extra", "Ann PER", "Ann B-"])
def test_a_line_without_a_good_tag_is_named_with_its_file_and_number(tmp_path: Path, line: str) -> None:
    file = written(tmp_path / "a.conll", f"In O\n\n{line}\n")
    with pytest.raises(ValueError, match=r"a.conll line 3: .*data.tag_column"):
        read_conll(file)


def test_a_folder_of_either_naming_is_found(tmp_path: Path, settings: dict[str, Any]) -> None:
    for names in (("train.conll", "dev.conll", "test.conll"), ("eng.train", "eng.testa", "eng.testb"),
                  ("train.txt", "valid.txt", "test.txt")):  # fmt: skip
        folder = tmp_path / names[0]
        folder.mkdir()
        for i, name in enumerate(names):
            write_conll(folder / name, 30, separator=" ", seed=i)
        data = CoNLLData(dir=str(folder), **settings)
        assert data.labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
        assert [split["rows"] for split in data.describe()["splits"].values()] == [30, 30, 30]
    with pytest.raises(FileNotFoundError, match=r"`data\.dir` must hold one of train\.conll"):
        CoNLLData(dir=str(tmp_path), **settings).setup()


def test_an_unknown_type_is_named_with_its_place(tmp_path: Path, settings: dict[str, Any]) -> None:
    train = write_conll(tmp_path / "train.conll", 20)
    dev = written(tmp_path / "dev.conll", "a\tO\n\nb\tB-LOK\n")
    with pytest.raises(ValueError, match=r"dev\.conll line 3 has 'B-LOK'; did you mean 'B-LOC'"):
        CoNLLData(str(train), str(dev), **settings).setup()


def test_sub_words_have_the_tag_of_their_word_or_none() -> None:
    from etm_lightning.text.encoders import load_tokenizer

    labels = ["O", "B-LOC", "I-LOC"]
    row = Row(("Berlin", "\u200d", "is"), ("B-LOC", "O", "O"))
    tokens = tokenize([row], load_tokenizer("tiny"), 32)
    assert tokens.words.tolist() == [-1, 0, 0, 0, 1, 2, -1]
    target, first = tag_targets([row], tokens, labels, "first")
    assert target.tolist() == [-100, 1, -100, -100, 0, 0, -100]
    target, first = tag_targets([row], tokens, labels, "all")
    assert target.tolist() == [-100, 1, 2, 2, 0, 0, -100]
    assert first.tolist() == [False, True, False, False, True, True, False]
