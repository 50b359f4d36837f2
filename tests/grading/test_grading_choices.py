"""The grader `choice`: the letter that a solution chooses."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.grading.choices import LETTERS, options_of
from restmcts.grading.graders.choice_grader import ChoiceGrader
from restmcts.problems.problem import Problem

OPTIONS = ["the nucleus", "the mitochondria", "60", "the mitochondrial matrix"]
CELL = Problem("cell", "Where?", "B", fields={"options": OPTIONS})
PLAIN = Problem("plain", "Which?", "B")
GRADER = ChoiceGrader()

STATED = [
    ("The answer is (C) 60.", "C"),
    ("The answer seems to be A.", "A"),
    (r"So \boxed{\text{B}}", "B"),
    (r"\boxed{\textbf{(C)}\ 60}", "C"),
    (r"Then \boxed{60} is what we look for.", "C"),
    ("**Answer: D**", "D"),
    ("**Answer:** D", "D"),
    ("The correct option is (B), since it makes ATP", "B"),
    ("Option C is correct.", "C"),
    ("A is wrong. B is the correct answer", "B"),
    ("The correct answer is C, A is wrong", "C"),
    ("A, B and C are wrong, so the answer is D", "D"),
    ("The answer is the mitochondria.", "B"),
    ("The answer is the mitochondrial matrix because it is", "D"),
    ("Answer: 60", "C"),
    ("**Final Answer**\n\n(B) the mitochondria", "B"),
    ("I think the answer is\n\nB", "B"),
    ("The answer is: $\\boxed{C}$", "C"),
    ("I choose B", "B"),
    ("The answer is option D.", "D"),
    ("the correct choice is (a)", "A"),
    ("<answer>b</answer>", "B"),
    ("#### C", "C"),
    ("The best answer is **C**: because", "C"),
    ("The condition is \\boxed{\\langle H\\rangle}, so the last holds.\n\n**Answer: D**", "D"),
    ("The answer is A. No, wait: the answer is B.", "B"),
    ("答案是C。", "C"),
    ("因此答案为\uff1aD", "D"),
    ("故选\uff08B\uff09", "B"),
]
AT_THE_END = [
    ("x\n(D)", "D"),
    ("x\nB. the mitochondria", "B"),
    ("Thus it is (B)", "B"),
    ("60", "C"),
    (r"\text{A}", "A"),
]
NOTHING = [
    "The answer is A mixture of both",
    "The answer is I think unclear",
    "If the answer is A, then it is small. Otherwise",
    "The answer is A or B.",
    "The answer is not A.",
    "The answer is C's",
    "(A) or (B)",
    "We choose C = 5",
    "Options are: (A) x (B) y\nand more",
    "The answer is E",
    r"\boxed{A, B}",
    r"Answer: A. So \boxed{",
    "none of these",
    "",
]


@pytest.mark.parametrize(("text", "letter"), STATED)
def test_a_stated_choice_is_found_and_ends_a_solution(text: str, letter: str) -> None:
    assert GRADER.find_answer(text, CELL) == letter
    assert GRADER.is_complete(text, CELL)


@pytest.mark.parametrize(("text", "letter"), AT_THE_END)
def test_the_last_line_of_a_finished_solution_may_be_the_choice(text: str, letter: str) -> None:
    assert GRADER.find_answer(text, CELL) == letter
    assert not GRADER.is_complete(text, CELL)


@pytest.mark.parametrize("text", NOTHING)
def test_what_chooses_nothing_or_several_has_no_answer(text: str) -> None:
    assert GRADER.find_answer(text, CELL) is None
    assert not GRADER.is_complete(text, CELL)


def test_the_oracle_answer_is_a_letter_or_the_text_of_an_option() -> None:
    answers = ["(B)", "the mitochondria", "b", "C", "the mitochondrial matrix", "x"]
    assert GRADER.grade(CELL, answers) == [True, True, True, False, False, False]
    by_text = Problem("t", "Where?", "The mitochondria.", fields={"options": OPTIONS})
    assert GRADER.grade(by_text, ["B", "A"]) == [True, False]
    unknown = Problem("u", "Where?", "the Golgi apparatus", fields={"options": OPTIONS})
    assert GRADER.grade(unknown, ["B"]) == [None], "an oracle answer that is no option decides nothing"


@pytest.mark.parametrize(
    ("problem", "options"),
    [
        (Problem("l", "?", fields={"options": ["x", "y"]}), {"A": "x", "B": "y"}),
        (Problem("d", "?", fields={"options": {"a": "x", "(B)": "y"}}), {"A": "x", "B": "y"}),
        (Problem("t", "Which?\nA) one\nB) two words\nC) 3"), {"A": "one", "B": "two words", "C": "3"}),
        (Problem("i", "Which? (A) 3 (B) 4 (C) 5"), {"A": "3", "B": "4", "C": "5"}),
        (Problem("c", "哪个\nA\uff0e 二\nB\uff0e 三"), {"A": "二", "B": "三"}),
        (Problem("n", "A. Smith has 3 apples."), {}),
    ],
)
def test_options_are_given_or_listed_in_the_text(problem: Problem, options: dict[str, str]) -> None:
    assert options_of(problem) == options


SPELLINGS = ["{}", "({})", "({}) some text", "{}: because", "**{}**", r"\text{{{}}}", "${}$", "{}."]


@given(st.sampled_from(LETTERS), st.sampled_from(LETTERS), st.sampled_from(SPELLINGS))
def test_a_letter_is_right_for_itself_alone_whatever_its_spelling(
    letter: str, other: str, spelling: str
) -> None:
    problem = Problem("p", "?", letter)
    assert GRADER.find_answer(f"The answer is {spelling.format(other)}", problem) == other
    assert GRADER.grade(problem, [spelling.format(other)]) == [letter == other]


@given(st.text(max_size=300) | st.text(alphabet="ABCD answeris(){}\\boxed#:*\n.", max_size=300))
def test_any_text_is_allowed_and_a_choice_is_one_of_the_options(text: str) -> None:
    assert GRADER.find_answer(text, CELL) in {None, *"ABCD"}
    assert GRADER.find_answer(text, PLAIN) in {None, *LETTERS}
    if GRADER.is_complete(text, CELL):
        assert GRADER.find_answer(text, CELL) is not None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 90_000,
        "the answer is " * 9_000,
        "\\boxed{" * 12_000,
        "A " * 50_000,
        "x" * 10**6,
        "答案" * 50_000,
    ],
    ids=["brackets", "marks", "boxes", "letters", "long", "chinese"],
)
def test_hostile_texts_take_little_time(text: str) -> None:
    before = time.process_time()
    GRADER.find_answer(text, CELL)
    assert time.process_time() - before < 2
