"""Published data sets whose answers are letters, and the smaller ones, on rows of their published form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.grading.graders.math_grader import MathGrader
from restmcts.problems.choices import shuffled, split_options, with_options
from restmcts.problems.registry import DATA_SETS
from tests.problems.published_rows import array, c_eval, gpqa, lines, load, parquet, scieval, table

TEXTS = st.text(st.characters(categories=("Lu", "Ll", "Nd", "Zs")), min_size=1).map(str.strip).filter(bool)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, without a network."""
    monkeypatch.setenv("RESTMCTS_DATA", str(tmp_path))
    monkeypatch.setattr("restmcts.problems.hub.is_offline", lambda: True)
    return tmp_path


def test_choices_are_graded_by_the_grader_for_them() -> None:
    for name in ("gpqa-diamond", "c-eval-hard", "scieval"):
        assert DATA_SETS[name].settings.model_fields["grader"].default == "choice"


def test_gpqa_puts_its_options_into_an_order_of_their_own(data: Path) -> None:
    table(data / "gpqa-diamond/gpqa_diamond.csv", [gpqa(number) for number in range(60)])
    problems = load("gpqa-diamond", grader="math").test
    assert problems == load("gpqa-diamond", grader="math").test
    letters = Counter(problem.answer for problem in problems)
    assert set(letters) == set("ABCD")
    assert max(letters.values()) < 30
    for problem in problems:
        assert f"({problem.answer}) the right one\n" in problem.text + "\n"
        assert sorted(problem.fields["options"]) == sorted(
            ["the right one", "wrong one", "wrong, two", 'wrong "three"']
        )
    assert problems[0].id == "rec000"
    assert problems[0].text.startswith("Which particle, 0?\nOne of these.\n\n(A) ")
    assert problems[0].text.endswith("\n\nThe answer is the letter of the right option.")
    assert problems[0].solution == f"By symmetry.\nThe answer is \\boxed{{{problems[0].answer}}}."
    with pytest.raises(InputError, match="has 0 solved examples and no training problems"):
        load("gpqa-diamond", grader="math", shots=1)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=9, unique=True), st.text())
def test_the_letter_is_that_of_the_right_option(right: str, wrong: list[str], name: str) -> None:
    options, letter = shuffled(right, [option for option in wrong if option != right], name)
    assert options["ABCDEFGHIJ".index(letter)] == right


@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=8))
def test_options_in_one_text_are_found_again(question: str, options: list[str]) -> None:
    text = (
        question
        + "\n\n"
        + "\n".join(f"{letter}. {option}" for letter, option in zip("ABCDEFGH", options, strict=False))
    )
    assert split_options(text) == (question, options)
    assert split_options(with_options(question, options).replace(")", ".").replace("(", "")) == (
        question,
        options,
    )


@pytest.mark.parametrize("form", ["hub", "archive"])
def test_c_eval_tests_on_val_and_shows_dev(data: Path, form: str) -> None:
    subjects = ("college_physics", "advanced_mathematics")
    for subject in subjects:
        val, dev = [c_eval(1), c_eval(2, answer="D")], [c_eval(0, explanation=f"1. 因为{subject}")]
        if form == "hub":
            parquet(data / f"c-eval-hard/{subject}/val-00000-of-00001.parquet", val)
            parquet(data / f"c-eval-hard/{subject}/dev-00000-of-00001.parquet", dev)
        else:
            table(data / f"c-eval-hard/val/{subject}_val.csv", val)
            table(data / f"c-eval-hard/dev/{subject}_dev.csv", dev)
    for subject in subjects:
        splits = load("c-eval-hard", grader="math", subject=subject, shots=1)
        first, second = splits.test
        assert (first.id, first.answer, second.answer) == (f"c-eval-{subject}-val-1", "B", "D")
        assert first.text.endswith("第1题____\n\n(A) 选项A\n(B) 选项B\n(C) 选项C\n(D) 选项D")
        assert first.examples[0][1] == f"1. 因为{subject}\nThe answer is \\boxed{{B}}."
        assert splits.train == []


def test_an_answer_of_c_eval_that_is_no_letter_is_named(data: Path) -> None:
    path = table(data / "c-eval-hard/college_physics_val.csv", [c_eval(1, answer="E")])
    with pytest.raises(InputError, match=f"{path}: row 1: 'answer' is 'E', and not the letter of an option"):
        load("c-eval-hard", grader="math", subject="college_physics")


def test_scieval_keeps_the_rows_with_one_right_option(data: Path) -> None:
    rows = [
        scieval(1),
        scieval(2, type="judge", answer=["no"]),
        scieval(3, type="filling", answer=["7"]),
        scieval(4, category="physics"),
    ]
    array(data / "scieval/scieval-valid.json", rows)
    array(data / "scieval/bai-scieval-dev.json", [scieval(9)])
    problems = load("scieval", grader="math", shots=0).test
    assert [problem.answer for problem in problems] == ["C", "C"]
    assert problems[0].fields["options"] == ["HCl", "H2O. It is\nwater", "NaCl", "A. or C."]
    assert problems[0].text.startswith("Which acid, 1?\n\n(A) HCl\n(B) H2O. It is\nwater\n(C) NaCl\n")
    (problem,) = load("scieval", grader="math", subject="chemistry", shots=1).test
    assert problem.examples[0][1] == "The answer is \\boxed{C}."
    array(data / "scieval/scieval-valid.json", [scieval(1, answer=["A", "B"])])
    with pytest.raises(InputError, match="item 1: 'answer' is"):
        load("scieval", grader="math")


@pytest.mark.parametrize("form", ["hub", "repository"])
def test_theoremqa_leaves_pictures_out_and_takes_four_percent(data: Path, form: str) -> None:
    picture = {"bytes": b"\x89PNG", "path": "a.png"} if form == "hub" else "images/a.png"
    none = None if form == "hub" else "None"
    rows: list[dict[str, object]] = [
        {"Question": "How much?", "Answer": "3.464", "Answer_type": "float", "Picture": none},
        {"Question": "What is shown?", "Answer": "3", "Answer_type": "integer", "Picture": picture},
        {"Question": "Is it so?", "Answer": "True", "Answer_type": "bool", "Picture": none},
        {"Question": "Which ones?", "Answer": "[1, 2]", "Answer_type": "list of integer", "Picture": none},
        {"Question": "(a) or (b)?", "Answer": "(b)", "Answer_type": "option", "Picture": none},
    ]
    if form == "hub":
        parquet(data / "theoremqa/data/test-00000-of-00001.parquet", rows)
    else:
        answers: list[object] = [3.464, 3, True, [1, 2], "(b)"]
        written = [{**row, "Answer": answer} for row, answer in zip(rows, answers, strict=True)]
        array(data / "theoremqa/theoremqa_test.json", written)
    problems = load("theoremqa").test
    assert [problem.answer for problem in problems] == ["3.464", "True", "[1, 2]", "(b)"]
    assert [problem.tolerance for problem in problems] == [0.04, None, None, None]
    assert problems[1].text == "Is it so?\n\nThe answer is True or False."
    with MathGrader() as grader:
        given = [["3.35", "3.3"], ["True", "False"], ["[1,2]", "[2,1]"], ["b", "(a)"]]
        for problem, pair in zip(problems, given, strict=True):
            assert grader.grade(problem, pair) == [True, False]


def test_aime_takes_a_year_and_drops_leading_zeros(data: Path) -> None:
    of_2024 = {"id": 60, "problem": "P", "solution": "S", "answer": "025", "url": "u", "year": "2024"}
    parquet(data / "aime/2024/data/train-00000-of-00001.parquet", [of_2024])
    lines(data / "aime/aime2025-I.jsonl", [{"question": "Q", "answer": "70"}])
    lines(data / "aime/aime2025-II.jsonl", [{"question": "R", "answer": "1^\\circ"}])
    (problem,) = load("aime").test
    assert (problem.id, problem.answer) == ("aime-2024-60", "25")
    assert problem.solution == "S\nThe answer is \\boxed{25}."
    assert [problem.answer for problem in load("aime", year=2025).test] == ["70", "1^\\circ"]
    with pytest.raises(InputError, match="year"):
        load("aime", year=2023)
