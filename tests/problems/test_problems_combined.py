"""Problems of two data sets, and data sets whose fields the recipe names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.problems.problem import Problem
from restmcts.problems.published import apart
from restmcts.problems.registry import data_set_settings, problem_files
from restmcts.problems.splits import Splits, same_question, without_overlap
from restmcts.recipe import Recipe, load_recipe, recipe_toml
from restmcts.settings import checked
from tests.problems.published_rows import array, gsm8k, lines, load, math, math_500, parquet, table


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, without a network."""
    monkeypatch.setenv("RESTMCTS_DATA", str(tmp_path))
    monkeypatch.setattr("restmcts.problems.hub.is_offline", lambda: True)
    return tmp_path


def test_training_problems_of_one_set_and_test_problems_of_another(data: Path) -> None:
    lines(data / "gsm8k/train.jsonl", [gsm8k(number) for number in range(30)])
    lines(data / "math-500/test.jsonl", [math_500(1), math_500(2)])
    # Neither the test of GSM8K nor the training problems of MATH are here, and they are not needed.
    splits = load("combined", train="gsm8k", test={"data_set": "math-500", "test_limit": 1})
    assert len(splits.train) + len(splits.validation) == 30
    assert [problem.id for problem in splits.test] == ["test/intermediate_algebra/1.json"]
    assert splits.demonstrations == splits.train


def test_problems_of_both_sets_are_left_out_of_training_and_counted(data: Path) -> None:
    lines(data / "math-500/test.jsonl", [math_500(3), math_500(4)])
    own = [
        {"problem": row["problem"].replace("Let", "LET"), "answer": "1", "id": f"own-{number}"}
        for number, row in enumerate([math(number) for number in range(20)])
    ]
    mine = lines(data / "mine.jsonl", own)
    parts: dict[str, Any] = {"train": {"data_set": "jsonl", "train": str(mine)}, "test": "math-500"}
    splits = load("combined", **parts)
    names = {problem.id for problem in (*splits.train, *splits.validation)}
    assert names == {f"own-{number}" for number in range(20)} - {"own-3", "own-4"}
    assert sum(int(note.split()[0]) for note in splits.notes) == 2
    with pytest.raises(InputError, match="problems are measured on too"):
        load("combined", **parts, overlap="refuse")


def test_parts_that_are_graded_differently_are_refused(data: Path) -> None:
    with pytest.raises(InputError, match="train by 'math', test by 'choice'"):
        data_set_settings({"data_set": "combined", "train": "gsm8k", "test": "gpqa-diamond"})
    same = data_set_settings({"data_set": "combined", "train": "gpqa-diamond", "test": "scieval"})
    assert same.grader == "choice"
    with pytest.raises(InputError, match="unknown data set 'gsm9k'"):
        data_set_settings({"data_set": "combined", "train": "gsm9k", "test": "gsm8k"})
    with pytest.raises(InputError, match="unknown key 'limit'"):
        data_set_settings(
            {"data_set": "combined", "train": {"data_set": "gsm8k", "limit": 3}, "test": "math"}
        )


def test_paths_of_parts_are_relative_to_the_recipe(data: Path) -> None:
    folder = data / "recipes"
    mine = lines(folder / "mine.jsonl", [{"problem": f"{number}?", "answer": "1"} for number in range(30)])
    lines(data / "gsm8k/test.jsonl", [gsm8k(1)])
    recipe = folder / "r.toml"
    recipe.write_text(
        'recipe = "r"\n[models]\npolicy = "p"\n[problems]\ndata_set = "combined"\n'
        'train = {train = "mine.jsonl"}\ntest = "gsm8k"\n',
        "utf-8",
    )
    read = load_recipe(str(recipe))
    assert problem_files(read.problems) == [mine, data / "gsm8k/test.jsonl"]
    again = folder / "again.toml"
    again.write_text(recipe_toml(read), "utf-8")
    assert load_recipe(str(again)) == read


def test_a_recipe_with_a_name_says_every_key_of_the_set() -> None:
    recipe = checked(
        Recipe, {"recipe": "r", "models": {"policy": "p"}, "problems": {"data_set": "math-500"}}, "r.toml"
    )
    text = recipe_toml(recipe)
    for line in ('data_set = "math-500"', "shots = 0", 'overlap = "drop"', 'grader = "math"'):
        assert line in text


FIELDS = {"problem": "q", "answer": "a", "solution": "s", "id": "name", "tolerance": "near"}


@pytest.mark.parametrize("form", [lines, array, parquet, table])
def test_a_table_names_the_fields_of_files(data: Path, form: Any) -> None:
    ending = {lines: "jsonl", array: "json", parquet: "parquet", table: "csv"}[form]
    rows = [
        {"q": "How long?", "a": "so\n#### 5.20", "s": "It is.", "name": "x", "near": "0.1"},
        {"q": "How far?", "a": "7", "s": "", "name": "y", "near": ""},
    ]
    path = form(data / f"mine.{ending}", rows)
    splits = load("table", test=str(path), fields=FIELDS, tolerance=0.2, shots=0)
    first, second = splits.test
    assert (first.id, first.text, first.answer, first.solution) == ("x", "How long?", "5.20", "It is.")
    assert (first.tolerance, second.tolerance, second.solution) == (0.1, 0.2, None)


def test_a_table_with_options_shows_letters(data: Path) -> None:
    path = lines(data / "mine.jsonl", [{"q": "Which?", "x": "one", "y": "two", "a": "B"}])
    fields = {"problem": "q", "answer": "a", "options": ["x", "y"]}
    (problem,) = load("table", test=str(path), fields=fields).test
    assert problem.text == "Which?\n\n(A) one\n(B) two"
    assert problem.fields == {"published_question": "Which?", "options": ["one", "two"]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"test": "no.jsonl"}, "no.jsonl does not exist"),
        ({"test": "mine.jsonl", "fields": {"problem": "text"}}, "the field 'text' is missing or empty"),
        ({"test": "mine.jsonl", "fields": {"tolerance": "problem"}}, "'problem' must be a number from 0 up"),
        ({"test": "mine.jsonl", "fields": {"question": "q"}}, "unknown key 'fields.question'"),
        ({"repository": "a/b", "test": "../c.jsonl"}, "is no name in a repository"),
        ({"repository": "a/b", "test": "test"}, "a--b has no default/test/0000.parquet"),
        ({"repository": "a/b", "test": "c.jsonl"}, "a--b has no c.jsonl"),
        ({}, "missing key 'test'"),
    ],
)
def test_tables_that_do_not_fit_are_explained(
    data: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(data)
    lines(data / "mine.jsonl", [{"problem": "1+1?", "answer": "2"}])
    with pytest.raises(InputError) as raised:
        load("table", **values)
    assert message in str(raised.value)


def test_a_table_takes_splits_of_a_repository(data: Path) -> None:
    parquet(data / "a--b/main/test/0000.parquet", [{"problem": "1+1?", "answer": "2"}])
    settings = data_set_settings(
        {"data_set": "table", "repository": "a/b", "configuration": "main", "test": "test"}
    )
    assert settings.unknown_repositories() == []
    assert load("table", repository="a/b", configuration="main", test="test").test[0].answer == "2"
    other = data_set_settings({"data_set": "table", "repository": "a/c", "test": "test"})
    assert other.unknown_repositories() == ["a/c"]
    combined = data_set_settings({"data_set": "combined", "train": "gsm8k", "test": other.model_dump()})
    assert combined.unknown_repositories() == ["a/c"]


QUESTIONS = st.lists(st.text("ab$\\ ,", max_size=4), max_size=6)


@given(QUESTIONS, QUESTIONS, QUESTIONS)
def test_nothing_is_in_two_splits_and_nothing_else_is_lost(
    train: list[str], validation: list[str], test: list[str]
) -> None:
    parts = [
        [Problem(f"{name}{number}", text) for number, text in enumerate(texts)]
        for name, texts in (("t", train), ("v", validation), ("m", test))
    ]
    found = apart(Splits(parts[0], parts[1], parts[2], []), "drop")
    keys = [
        {same_question(problem) for problem in part} for part in (found.train, found.validation, found.test)
    ]
    assert not keys[0] & keys[1]
    assert not (keys[0] | keys[1]) & keys[2]
    assert found.test == parts[2]
    assert set().union(*keys) == {same_question(problem) for part in parts for problem in part}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Find $\\dfrac{1}{2}$.", "find  $\\frac12$.".replace("12", "{1}{2}")),
        ("Let $\\left(a,\\!b\\right)$", "let $(a, b)$"),
        ("ａ＋１", "a + 1"),  # noqa: RUF001
        ("$x\\,dx$", "$x dx$"),
    ],
)
def test_copies_of_a_question_are_the_same(one: str, other: str) -> None:
    assert without_overlap([Problem("1", one)], [Problem("2", other)]) == []


@pytest.mark.parametrize(("one", "other"), [("x - 1", "x + 1"), ("\\leftarrow", "arrow"), ("10", "1 00")])
def test_other_questions_are_not(one: str, other: str) -> None:
    assert without_overlap([Problem("1", one)], [Problem("2", other)])
