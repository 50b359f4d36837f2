"""Data sets by name: what each makes of rows in its published form."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.grading.graders.math_grader import MathGrader
from restmcts.problems.registry import DATA_SETS, data_set_settings, problem_files
from restmcts.problems.splits import same_question
from tests.problems.published_rows import array, gsm8k, lines, load, math, math_500, parquet, scibench


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, without a network."""
    monkeypatch.setenv("RESTMCTS_DATA", str(tmp_path))
    monkeypatch.setattr("restmcts.problems.hub.is_offline", lambda: True)
    return tmp_path


def test_gsm8k_is_read_in_the_form_of_the_hub(data: Path) -> None:
    parquet(data / "gsm8k/main/train-00000-of-00001.parquet", [gsm8k(number) for number in range(30)])
    parquet(data / "gsm8k/main/test-00000-of-00001.parquet", [gsm8k(100, "105"), gsm8k(1000, "1,005")])
    splits = load("gsm8k")
    first, second = splits.test
    assert first.text == "Ann has 100 apples and buys 5 more. How many has she?"
    assert (first.id, first.answer, second.answer) == ("gsm8k-test-00001", "105", "1,005")
    assert first.solution == "She has 100+5=105 apples.\nThe answer is \\boxed{105}."
    assert len(splits.train) + len(splits.validation) == 30
    assert splits.validation
    assert splits.demonstrations == splits.train


def test_gsm8k_is_read_in_the_form_of_its_authors(data: Path) -> None:
    lines(data / "gsm8k/grade_school_math/data/test.jsonl", [gsm8k(7)])
    splits = load("gsm8k", train_limit=0)
    assert [problem.answer for problem in splits.test] == ["12"]
    assert (splits.train, splits.validation) == ([], [])
    assert problem_files(data_set_settings({"data_set": "gsm8k", "train_limit": 0})) == [
        data / "gsm8k/grade_school_math/data/test.jsonl"
    ]


def test_files_of_the_project_s_own_form_lie_beside_the_folders(data: Path) -> None:
    row = {"id": "mine", "problem": "1+1?", "answer": "2", "solution": "1+1 = 2"}
    lines(data / "gsm8k-test-a.jsonl", [row])
    lines(data / "math500-a.jsonl", [{"id": "m", "problem": "$x=2$; $x^2$?", "answer": 4.50}])
    lines(data / "scibench-a.jsonl", [{"id": "s", "subject": "stat", "problem": "How many?", "answer": 50.7}])
    assert load("gsm8k", train_limit=0).test[0].solution == "1+1 = 2\nThe answer is \\boxed{2}."
    assert load("math-500", train_limit=0).test[0].answer == "4.5"
    (problem,) = load("scibench", train_limit=0).test
    assert (problem.id, problem.answer, problem.tolerance) == ("s", "50.7", 0.05)


@pytest.mark.parametrize("form", ["hub", "folder"])
def test_math_takes_the_answer_from_the_last_box(data: Path, form: str) -> None:
    for split, first in (("train", 3), ("test", 50)):
        rows = [math(number) for number in range(first, first + 20)]
        if form == "hub":
            parquet(data / f"math/intermediate_algebra/{split}-00000-of-00001.parquet", rows)
        else:
            for number, row in enumerate(rows):
                array(data / f"math/MATH/{split}/intermediate_algebra/{number}.json", [row])
    splits = load("math", subject="intermediate_algebra")
    problem = splits.test[0]
    assert problem.answer == "\\frac{50}{2}"
    assert problem.fields == {"subject": "intermediate_algebra", "level": "Level 2"}
    assert len(splits.test) == 20
    assert len({problem.id for problem in (*splits.train, *splits.validation, *splits.test)}) == 40


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("\\boxed{1} or rather \\boxed{\\text{a \\} b}}", "\\text{a \\} b}"),
        ("So it is $\\boxed 2$.", "2"),
        ("\\fbox{3}", "3"),
        ("\\boxed{\\boxed{4}}", "4"),
    ],
)
def test_forms_of_boxes_in_solutions_of_math(data: Path, solution: str, answer: str) -> None:
    rows = [{**math(1, kind="Algebra"), "solution": solution}]
    parquet(data / "math/algebra/test-00000-of-00001.parquet", rows)
    assert load("math", subject="algebra", train_limit=0).test[0].answer == answer


def test_a_solution_of_math_without_an_answer_is_named(data: Path) -> None:
    row = {**math(1, kind="Algebra"), "solution": "No \\boxed{here"}
    path = parquet(data / "math/algebra/test-00000-of-00001.parquet", [row])
    with pytest.raises(InputError, match=f"{path}: row 1: 'solution' has no .boxed"):
        load("math", subject="algebra", train_limit=0)


def test_math_500_drops_its_own_problems_from_the_training_problems_of_math(data: Path) -> None:
    lines(data / "math-500/test.jsonl", [math_500(8), math_500(9)])
    lines(data / "math/train.jsonl", [math(number) for number in range(20)])
    splits = load("math-500")
    assert [problem.id for problem in splits.test] == [
        "test/intermediate_algebra/8.json",
        "test/intermediate_algebra/9.json",
    ]
    measured = {same_question(problem) for problem in splits.test}
    assert not measured & {same_question(problem) for problem in (*splits.train, *splits.validation)}
    assert len(splits.train) + len(splits.validation) == 18
    # Which of the two are held out for validation is decided by their ids.
    assert sum(int(note.split()[0]) for note in splits.notes) == 2
    with pytest.raises(InputError, match="problems are measured on too"):
        load("math-500", overlap="refuse")


def test_scibench_asks_for_the_unit_and_takes_five_percent(data: Path) -> None:
    for book in ("atkins", "stat"):
        array(data / f"scibench/{book}.json", [scibench(1, book), scibench(2, book)])
        array(data / f"scibench/{book}_sol.json", [scibench(3, book, solution=f"By {book}.")])
    splits = load("scibench", subject="stat", shots=1)
    problem = splits.test[0]
    assert problem.text == "How far is stat number 1? The unit of the answer is $10^8$ m."
    assert (problem.answer, problem.tolerance, problem.fields["unit"]) == ("4.80", 0.05, "$10^8$ m")
    assert problem.fields["published_question"] == "How far is stat number 1?"
    assert problem.examples == (
        (
            "How far is stat number 3? The unit of the answer is $10^8$ m.",
            "By stat.\nThe answer is \\boxed{4.80}.",
        ),
    )
    with MathGrader() as grader:
        assert grader.grade(problem, ["4.6", "4.5", "480000000", "4.8e8"]) == [True, False, True, True]
    assert {found.fields["subject"] for found in splits.test} == {"stat"}


def test_all_textbooks_of_scibench_have_examples_of_their_own(data: Path) -> None:
    books = ("atkins", "calculus", "chemmc", "class", "diff", "fund", "matter", "quan", "stat", "thermo")
    for book in books:
        array(data / f"scibench/dataset/original/{book}.json", [scibench(1, book)])
        array(data / f"scibench/dataset/original/{book}_sol.json", [scibench(2, book, solution="So.")])
    splits = load("scibench", shots=1)
    assert [problem.fields["subject"] for problem in splits.test] == list(books)
    for problem in splits.test:
        assert problem.examples[0][0].startswith(f"How far is {problem.fields['subject']} number 2?")
    with pytest.raises(InputError, match="has 1 solved examples of the subject atkins, and 2 are wanted"):
        load("scibench", shots=2)


def test_examples_of_the_authors_come_first_and_then_those_of_training(data: Path) -> None:
    lines(data / "gsm8k/train.jsonl", [gsm8k(number) for number in range(20)])
    lines(data / "gsm8k/test.jsonl", [gsm8k(3), gsm8k(99)])
    of_authors = load("gsm8k", shots=8).test[0].examples
    assert len(of_authors) == 8
    assert of_authors[0][0].startswith("There are 15 trees in the grove.")
    assert of_authors[7][1].endswith("The answer is \\boxed{8}.")
    splits = load("gsm8k", shots=9)
    # What is measured on is no example, and no problem is its own.
    for problem in (*splits.train, *splits.test):
        texts = [text for text, _ in problem.examples]
        assert len(texts) == 9
        assert not {problem.text, splits.test[0].text} & set(texts)


def test_the_prompt_of_a_recipe_is_around_problems_and_examples(data: Path) -> None:
    lines(data / "gsm8k/test.jsonl", [gsm8k(3)])
    (problem,) = load("gsm8k", train_limit=0, shots=1, prompt="Q: {problem}\nBe brief.").test
    assert problem.text == "Q: Ann has 3 apples and buys 5 more. How many has she?\nBe brief."
    assert problem.fields["published_question"] == "Ann has 3 apples and buys 5 more. How many has she?"
    assert problem.examples[0][0].startswith("Q: There are 15 trees")
    with pytest.raises(InputError, match=r"must contain \{problem\}"):
        load("gsm8k", prompt="Solve!")


def test_limits_count_after_what_is_dropped(data: Path) -> None:
    lines(data / "gsm8k/train.jsonl", [gsm8k(number) for number in range(40)])
    lines(data / "gsm8k/test.jsonl", [gsm8k(number) for number in range(5)])
    splits = load("gsm8k", train_limit=10, validation_limit=1, test_limit=2)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (10, 1, 2)
    # Test problems that are beyond the limit are not trained on either: the limit may be raised later.
    assert not {problem.text for problem in splits.train} & {gsm8k(number)["question"] for number in range(5)}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "#### 1"}, "the field 'question' or 'problem' is missing or empty; there are: answer"),
        ({"question": "Q"}, "the field 'answer' is missing or empty"),
        ({"question": "Q", "answer": "####  "}, "'answer' is 0 characters long"),
        ({"question": ["Q"], "answer": "#### 1"}, "'question' must be text, not list"),
        ({"question": "Q", "answer": True}, "'answer' must be text, not bool"),
        ({"question": "Q", "answer": "no mark " * 100}, "'answer' is 799 characters long"),
    ],
)
def test_a_row_that_is_not_as_published_is_named(data: Path, row: dict[str, object], message: str) -> None:
    path = lines(data / "gsm8k/test.jsonl", [gsm8k(1), row])
    with pytest.raises(InputError) as raised:
        load("gsm8k", train_limit=0)
    assert str(raised.value).startswith(f"{path}:2: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "leave no test problem"),
        (b"[1, 2]", "no JSON object"),
        (b'{"question": "a", "question": "b", "answer": "#### 1"}', "is there twice"),
        (b'{"question": "a", "answer": NaN}', "NaN is no JSON number"),
        (b'{"question": "\\ud800", "answer": "#### 1"}', "stands alone"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "pointer of Git LFS"),
    ],
)
def test_files_that_hold_something_else_are_refused(data: Path, content: bytes, message: str) -> None:
    (data / "gsm8k").mkdir()
    (data / "gsm8k/test.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load("gsm8k", train_limit=0)


def test_a_broken_parquet_file_is_named(data: Path) -> None:
    path = data / "gsm8k/main/test-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InputError, match=f"{path} cannot be read as Parquet"):
        load("gsm8k", train_limit=0)


def test_the_same_id_twice_is_refused(data: Path) -> None:
    lines(data / "math-500/test.jsonl", [math_500(1), math_500(1)])
    with pytest.raises(InputError, match=r"the id 'test/intermediate_algebra/1\.json' is there twice"):
        load("math-500", train_limit=0)


NAMED = [name for name in DATA_SETS if (found := DATA_SETS[name].published) and found.sizes]


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_here_is_said_in_one_line(data: Path, name: str) -> None:
    with pytest.raises(InputError) as raised:
        load(name)
    message = str(raised.value)
    assert message.startswith(f"data set {name!r}: {data}/")
    assert "run `hf download " in message
    assert f"--local-dir {data}/" in message
    assert "HF_HUB_OFFLINE is set" in message
    assert "\n" not in message
    assert problem_files(data_set_settings({"data_set": name})) == []


def test_a_data_folder_that_is_none_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTMCTS_DATA", str(data / "nothing"))
    with pytest.raises(InputError, match=r"RESTMCTS_DATA: .*nothing is no folder"):
        load("gsm8k")


def test_what_is_fetched_is_fetched_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the hub's library writes the file; the second time there is nothing to fetch."""
    library = data / "site" / "huggingface_hub"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text(
        "import json, os, pathlib\n"
        "assert 'HF_HUB_OFFLINE' not in os.environ\n"
        "def hf_hub_download(repository, file, *, repo_type, revision, local_dir):\n"
        "    assert (repository, repo_type, len(revision)) == ('HuggingFaceH4/MATH-500', 'dataset', 40)\n"
        "    path = pathlib.Path(local_dir, file)\n"
        "    path.parent.mkdir(parents=True)\n"
        f"    path.write_text(json.dumps({math_500(4)!r}))\n",
        "utf-8",
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("restmcts.problems.hub.is_offline", lambda: False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(library.parent), os.environ.get("PYTHONPATH", "")]))
    assert load("math-500", train_limit=0).test[0].answer == "\\frac{4}{2}"
    (library / "__init__.py").write_text("raise OSError('No address associated with hostname. Try again.')")
    assert len(load("math-500", train_limit=0).test) == 1
    with pytest.raises(InputError, match=r"\(OSError: No address associated with hostname\)"):
        load("gsm8k", train_limit=0)
