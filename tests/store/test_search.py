"""The search language: the same runs as a plain evaluation in Python, and mistakes that are pointed at."""

from __future__ import annotations

import contextlib
import math
import operator
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etm_lightning.store import edits
from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.row import Row
from etm_lightning.store.search import (
    And,
    Compare,
    Contains,
    Field,
    Has,
    Member,
    Node,
    Not,
    Or,
    QueryError,
    Within,
    Word,
    fields,
    parse,
    quoted,
)
from etm_lightning.store.words import Day, Literal, Span
from tests.store.building import BASE, Training, finished

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
EVERY = ["==", "!=", *SIGNS]
MISSING = object()
PARAMS: dict[str, list[Any]] = {
    "lr": [1e-5, 3e-4, 1, None, "auto", True],
    "opt": ["adamw", "sgd", "Ünï", ""],
    "layers": [[1, 2], ["a", True], 3],
    "odd name, (x)": [0.5, 1.5],
}
METRICS: dict[str, list[float]] = {"val/f1": [0.2, 0.9, math.nan, math.inf], "loss": [0.0, -1.0]}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Runs with all sorts of values, and without."""
    store = tmp_path_factory.mktemp("searched")
    for number in range(24):
        params = {name: values[number % len(values)] for name, values in PARAMS.items() if number % 5}
        training = Training(
            store, f"r{number}", created=BASE + 86400 * number, tags=["baseline", "x y"][: number % 3]
        )
        training.start().params(**params)
        training.log(
            1, {name: values[number % len(values)] for name, values in METRICS.items() if number % 4}
        )
        if number % 2:
            training.end("failed" if number % 3 else "finished")
        if number == 7:
            edits.archive(training.folder)
    return Catalogue(store, max_age=1e9)


def value(row: Row, field: Field) -> Any:
    if field.kind == "metric" or (not field.kind and field.name in METRICS):
        found = row.metrics.get(field.name, MISSING)
        return float(found) if isinstance(found, str) else found
    if field.kind == "param" or field.name in PARAMS:
        return row.params.get(field.name, MISSING)
    return getattr(row, field.name)


def is_number(one: Any) -> bool:
    return isinstance(one, int | float) and not isinstance(one, bool)


def equal(have: Any, literal: Literal, column: bool) -> bool:
    wanted = literal.value
    if column and wanted is None:
        return have in (None, "", ())
    if isinstance(have, tuple):
        return literal.text in have
    if column and isinstance(have, str):
        return have == literal.text
    if isinstance(wanted, Day):
        return bool(wanted.start <= have < wanted.start + 86400)
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(have, float) and math.isnan(have)
    if isinstance(wanted, bool) or wanted is None:
        return have is wanted
    if isinstance(wanted, float):
        return is_number(have) and bool(have == wanted)
    return bool(have == wanted)


def holds(node: Node, row: Row) -> bool:
    """Whether a run fits, said as plainly as can be."""
    if isinstance(node, And):
        return all(holds(part, row) for part in node.parts)
    if isinstance(node, Or):
        return any(holds(part, row) for part in node.parts)
    if isinstance(node, Not):
        return not holds(node.part, row)
    if isinstance(node, Word):
        if node.text == "archived":
            return row.archived
        texts = (row.id, row.name, row.project, row.group, row.notes, row.question, str(list(row.tags)))
        return any(node.text.casefold() in text.casefold() for text in texts)
    have = value(row, node.field)
    column = not node.field.kind and node.field.name not in {**PARAMS, **METRICS}
    if have is MISSING:
        return False
    if isinstance(node, Has):
        return have not in (None, "", ()) if column else True
    if isinstance(node, Contains):
        if not isinstance(have, str | list):
            return False
        inside = have if isinstance(have, str) else str(have).replace("'", '"').replace("True", "true")
        return node.text.casefold() in inside.casefold().replace(", ", ",")
    if isinstance(node, Member):
        if isinstance(have, tuple):
            return node.value.text in have
        if isinstance(have, list):
            return any(equal(one, node.value, False) for one in have)
        return isinstance(have, str) and node.value.text.casefold() in have.casefold()
    if isinstance(node, Within):
        return any(equal(have, one, column) for one in node.values)
    if node.operator in ("==", "!="):
        return equal(have, node.value, column) == (node.operator == "==")
    wanted = node.value.text if column and isinstance(have, str) else node.value.value
    if isinstance(wanted, Day):
        wanted = wanted.start
    alike = (is_number(have) and is_number(wanted)) or (isinstance(have, str) and isinstance(wanted, str))
    return alike and bool(SIGNS[node.operator](have, wanted))


def text(node: Node) -> str:
    """A query that means the tree."""
    if isinstance(node, And) and len(node.parts) == 2 and all(isinstance(part, Word) for part in node.parts):
        return " ".join(map(text, node.parts))
    if isinstance(node, And | Or):
        return f" {'and' if isinstance(node, And) else 'or'} ".join(f"({text(part)})" for part in node.parts)
    if isinstance(node, Not):
        return f"not ({text(node.part)})"
    if isinstance(node, Word):
        return node.text if node.name else f'"{node.text}"'
    name = f"{node.field.kind}.{quoted(node.field.name)}" if node.field.kind else quoted(node.field.name)
    if isinstance(node, Has):
        return f"has {name}"
    if isinstance(node, Contains):
        return f'{name} contains "{node.text}"'
    if isinstance(node, Member):
        return f"{written(node.value)} in {name}"
    if isinstance(node, Within):
        return f"{name} in ({', '.join(map(written, node.values))})"
    return f"{name} {node.operator} {written(node.value)}"


def written(one: Literal) -> str:
    return f'"{one.text}"' if isinstance(one.value, str) else one.text


NUMBERS = st.sampled_from([0.0, 1.0, 2.0, 3e-4, 1e-5, 0.9, -1.0, 1.5]).map(lambda n: Literal(n, repr(n)))
WORDS = st.sampled_from(["adamw", "sgd", "a", "ünï", "baseline", "r1", "", "failed"])
TEXTS = WORDS.map(lambda t: Literal(t, t))
OTHERS = st.sampled_from(
    [Literal(True, "true"), Literal(False, "false"), Literal(None, "none"), Literal(math.nan, "nan")]
)
VALUES = NUMBERS | TEXTS | OTHERS
OWN = st.sampled_from(
    [Field(name) for name in (*PARAMS, *METRICS)] + [Field("lr", "param"), Field("loss", "metric")]
)
CALLED = st.sampled_from([Field("status"), Field("id"), Field("group"), Field("name")])
LEAVES = st.one_of(
    st.builds(Compare, OWN, st.sampled_from(EVERY), VALUES),
    st.builds(Compare, CALLED, st.sampled_from(EVERY), TEXTS),
    st.builds(Compare, st.just(Field("attempts")), st.sampled_from(EVERY), NUMBERS),
    st.builds(Compare, st.just(Field("tags")), st.sampled_from(["==", "!="]), TEXTS),
    st.builds(Within, OWN, st.lists(VALUES, min_size=1, max_size=3).map(tuple)),
    st.builds(Member, NUMBERS | TEXTS | OTHERS, st.sampled_from([Field("layers"), Field("lr")])),
    st.builds(Member, TEXTS, st.just(Field("tags"))),
    st.builds(Contains, st.sampled_from([Field("opt"), Field("id"), Field("layers")]), WORDS),
    st.builds(Has, OWN | CALLED | st.sampled_from([Field("tags"), Field("ended")])),
    st.builds(Word, st.sampled_from(["r1", "BASE", "x y"]), st.just(False), st.just(0)),
    st.just(Word("archived", True, 0)),
)
TREES = st.recursive(
    LEAVES,
    lambda part: (
        st.builds(Not, part)
        | st.builds(And, st.lists(part, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(part, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES)
def test_a_query_finds_what_plain_python_finds(catalogue: Catalogue, tree: Node) -> None:
    every = catalogue.rows(archived=True)
    asked = any(field.name == "archived" for field in fields(tree))
    found = catalogue.rows(text(tree), archived=True)
    assert [row.id for row in found] == [row.id for row in every if holds(tree, row)], text(tree)
    assert asked or len(catalogue.rows(text(tree))) == sum(
        holds(tree, row) and not row.archived for row in every
    )


def ids(catalogue: Catalogue, query: str) -> set[str]:
    return {row.id for row in catalogue.rows(query, archived=True)}


def test_what_people_type(catalogue: Catalogue) -> None:
    rows = {row.id: row for row in catalogue.rows(archived=True)}
    every = set(rows)
    assert ids(catalogue, 'lr > 1e-4 and val/f1 > 0.5 and "baseline" in tags and status == "running"') == {
        id
        for id, row in rows.items()
        if is_number(row.params.get("lr")) and row.params["lr"] > 1e-4
        and float(row.metrics.get("val/f1", 0)) > 0.5 and "baseline" in row.tags and row.status == "running"
    }  # fmt: skip
    assert ids(catalogue, "status = failed") == ids(catalogue, "'failed' == status") != set()
    assert ids(catalogue, "1e-5 <= lr < 1") == ids(catalogue, "lr >= 1e-5 && lr < 1") != set()
    assert ids(catalogue, "lr not in (1, 1e-5)") == every - ids(catalogue, "lr in [1, 1e-5]")
    assert ids(catalogue, "tags contains BASE") == ids(catalogue, "baseline in tags")
    assert ids(catalogue, "has lr and not exists(opt)") == set()
    assert ids(catalogue, "opt exists") == ids(catalogue, "has opt") != every
    assert ids(catalogue, "created > 2023-11-20 and created < 2023-11-22T12:00:00") < every
    assert len(ids(catalogue, "created == 2023-11-20")) == 1
    assert ids(catalogue, "created < 7d") == every
    assert ids(catalogue, "created > 7d or created == today") == set()
    assert ids(catalogue, "duration < 2h and status != running") == ids(
        catalogue, "status in (failed, finished)"
    )
    assert ids(catalogue, "r1") == {id for id in every if "r1" in id}
    assert ids(catalogue, 'r1 "x y"') == ids(catalogue, 'r1 and "x y"') != set()
    assert ids(catalogue, "") == every
    assert catalogue.rows("archived")[0].id == "r7"


@pytest.mark.parametrize(
    ("query", "at", "reason"),
    [
        ("lrr > 1", 0, "no run has a field lrr; did you mean lr?"),
        ("lr > 1 and metric.val/f2 > 1", 11, "no run has a metric val/f2; did you mean val/f1?"),
        ("lr >", 4, "expected a value"),
        ("lr > 1 loss < 2", 7, "expected `and` or `or` but got 'loss'"),
        ("r1 loss < 2", 3, "expected `and` or `or` but got 'loss'"),
        ("lr > 1 adn loss < 2", 7, "expected `and` or `or` but got 'adn'"),
        ("(lr > 1", 7, "expected `)`"),
        ("lr > 'a", 5, "is not closed"),
        ("created > soon", 10, "created is a time: compare it with 2026-11-01"),
        ("created > 2026-02-30", 10, "no calendar has 2026-02-30"),
        ("attempts == many", 12, "attempts is a number but got 'many'"),
        ("tags > 3", 0, "tags is a list"),
        ("archived == maybe", 12, "archived is true or false"),
        ("1 == 2", 0, "one side of a comparison must be a field"),
        ("lr == `opt`", 6, "a field is compared with a value, not with a field"),
        ("and", 0, "expected"),
        ("lr ; drop table runs", 3, "';' means nothing"),
        ("(" * 200 + "lr", 100, "too deep"),
        ("odd > 1", 0, "did you mean `odd name, (x)`?"),
    ],
)
def test_a_mistake_is_pointed_at(catalogue: Catalogue, query: str, at: int, reason: str) -> None:
    with pytest.raises(QueryError) as error:
        catalogue.rows(query)
    assert reason in error.value.reason
    assert error.value.at == at
    assert str(error.value).splitlines()[0].startswith(f"`query` at column {at + 1}: ")


def test_a_name_that_is_two_things_must_say_which(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0.5, params={"val/f1": 1, "model": {"lr": 1}, "head": {"lr": 2}, "name": "n"})
    catalogue = Catalogue(tmp_path)
    with pytest.raises(QueryError, match=r"say param.val/f1 or metric.val/f1"):
        catalogue.rows("val/f1 > 0")
    assert catalogue.count("param.val/f1 == 1 and metric.val/f1 == 0.5") == 1
    with pytest.raises(QueryError, match=r"lr may be head.lr or model.lr"):
        catalogue.rows("lr > 0")
    assert catalogue.count("model.lr == 1 and name == '' and param.name == n") == 1


def test_words_that_stand_alone_are_looked_for_together() -> None:
    a, b = Word("a", True, 0), Word("b", True, 2)
    assert parse("a b") == parse("a b ") == And((a, b))
    assert parse("(a b)") == And((Word("a", True, 1), Word("b", True, 3)))
    assert parse("a b or a") == Or((And((a, b)), Word("a", True, 7)))
    compared = Compare(Field("lr", at=8), ">", Literal(1.0, "1", 13))
    assert parse("a b and lr > 1") == And((a, b, compared))
    assert parse("not a b") == And((Not(Word("a", True, 4)), Word("b", True, 6)))


def test_spans_and_days() -> None:
    assert parse("created > 90min") == Compare(Field("created"), ">", Literal(Span(5400.0), "90min", 10))
    node = parse("created == yesterday")
    assert isinstance(node, Compare)
    assert isinstance(node.value.value, Day)
    assert 0 < time.time() - node.value.value.start < 3 * 86400


@settings(max_examples=300)
@given(st.text(st.sampled_from("lr>=1 \"'`()andortinhas.~!,[]2026-01\\é\n"), max_size=40))
def test_no_text_does_more_than_be_refused(catalogue: Catalogue, query: str) -> None:
    with contextlib.suppress(QueryError):
        catalogue.rows(query)
