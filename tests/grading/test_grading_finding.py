from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.grading.finding import MAX_TEXT, MathAnswers, find_answer, is_complete, normalize_answer
from restmcts.grading.maths.normalize import MAX_LENGTH, parse_number
from restmcts.problems.problem import Problem

PIECES = [
    r"\frac",
    r"\dfrac",
    r"\text{",
    r"\boxed{",
    r"\mathrm{",
    "{",
    "}",
    "1",
    "2",
    "000",
    "/",
    ",",
    " ",
    "x",
    "=",
    "-",
    "+",
    ".",
    r"\,",
    r"\!",
    "$",
    "%",
    "pi",
    "sqrt(",
    ")",
    "(",
    r"\ ",
    "cm",
    r"\left",
    r"^\circ",
    r"\sqrt",
    "**",
    "\\",
    "{,}",
    "and",
    "\u03c0",
    "\u2212",
    r"\{",
    r"\\",
    "İ",
    "#### ",
    "answer is ",
    "Answer: ",
    "\n",
]
HOSTILE_TEXT = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="0123456789.,-+/$%{}\\ abfrctexpi()=^_sq!~:;*'\"", max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=20).map("".join),
)

FOUND = [
    (r"so \boxed{\frac{14}{3}}.", r"\frac{14}{3}"),
    (r"\boxed{1} and then \boxed{2}", "2"),
    (r"The answer is 3, no: \boxed{4}. Wait 5", "4"),
    (r"\boxed{a} then \boxed{\text{un{fin", None),
    (r"First $\boxed{12}$. No, better: $\boxed{1", None),
    (r"\boxed{1}, \boxed{2}", "1, 2"),
    (r"$\boxed{1}$ and $\boxed{2}$", "1, 2"),
    ("The side is $\\boxed{7}$, and twice that is 14.\n\nAnswer: 14", "14"),
    ("The area is $\\boxed{8}$; the question asks for more.\n\n#### 16", "16"),
    (r"Answer: 14, that is \boxed{15}", "15"),
    (r"I put it in \boxed at the end. The answer is 12.", "12"),
    (r"so \boxed{\phantom{2}}", None),
    (r"put it in \boxed{answer}", None),
    ("## Final Answer\n\n$$\\left(3, \\frac{\\pi}{2}\\right)$$", r"\left(3, \frac{\pi}{2}\right)"),
    ("Therefore, the answer is:\n\n\\[ x^2 + 1 \\]", "x^2 + 1"),
    ("The answer is\n\\[\n\\text{Evelyn}\n\\]", r"\text{Evelyn}"),
    ("**Final Answer**\n\n42", "42"),
    ("<answer> (1,6) </answer>", "(1,6)"),
    (r"<answer>so \boxed{7}</answer>", "7"),
    ("The answer is therefore $12$.", "12"),
    ("The answer is approximately equal to 3.5 cm.", "3.5"),
    ("The answer seems to be A.", "A"),
    (r"The answer is $\$18.90$.", r"\$18.90"),
    (r"The answer is 11,\! 111,\! 100.", r"11,\! 111,\! 100"),
    ("Final Answer: The volume is 120.", "120"),
    ("The answers are $1$ and $2$.", "1, 2"),
    ("The answer is 15 gallons * 8 pints / gallon = 120 pints.", "120"),
    ("#### 42\n\nCheck: the answer is consistent with 2 + 40.", "42"),
    ("The answer is 40.\n\nSo the answer is right: 2*20 = 40.", "40"),
    ("The answer to each of the 5 parts is 3.", "3"),
    ("so 2^{10}", "2^{10}"),
    ("7 \u2212 12 = \u22125", "\u22125"),
    ("the point is (3, 4)", "(3, 4)"),
    (r"We conclude that the answer is $\sqrt2$.", r"\sqrt2"),
    ("When we add them, the answer is 7.", "7"),
    ("9 is too much, so if x = 3, the answer is 5. It is not 6", "5"),
    ("we get x^2", None),
    (r"almost \boxed{12", None),
    (r"\boxed{\{1,2\}}", r"\{1,2\}"),
    (r"\boxed{\boxed{7}}", "7"),
    (r"{stray \boxed{3}", "3"),
    (r"} } \boxed{3}", "3"),
    (r"\fbox{9}", "9"),
    (r"\boxed 5.", "5"),
    (r"\boxed{}", None),
    ("The answer is 42.", "42"),
    ("the final answer is: 42", "42"),
    ("The answer is 5 apples because 2+3=5.", "5"),
    ("The answer is -3.", "-3"),
    ("The answer is 3x+2.", "3x+2"),
    ("The answer is $x = 5$. Done.", "x = 5"),
    (r"The answer is \(\frac12\).", r"\frac12"),
    ("The answer is 12 or 13", "12 or 13"),
    ("The answer is New York.", "New York"),
    ("The answer to the question is 3/4.", "3/4"),
    ("answer is **42**", "42"),
    ("**Answer:** 1,234.50 dollars", "1,234.50"),
    ("Answer: 3\nAnswer: 4\n", "4"),
    ("A = 70\n#### 72", "72"),
    ("#### 1,000", "1,000"),
    ("so 3+4=7 and 16-3", "3"),
    ("x = -5", "-5"),
    ("It costs $3.50.", "$3.50"),
    ("in total 1,000,000.", "1,000,000"),
    ("9 * 2 = $<<9*2=18>>18 a day", "$18"),
    (r"that is \frac{14}{3} of it", r"\frac{14}{3}"),
    ("no number here", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "answer"), FOUND)
def test_the_answer_is_found(text: str, answer: str | None) -> None:
    assert find_answer(text) == answer


def test_only_the_end_of_a_huge_text_is_searched() -> None:
    assert find_answer(r"\boxed{5}" + "x" * (MAX_TEXT - 9)) == "5"
    assert find_answer(r"\boxed{5}" + "x" * MAX_TEXT) is None


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        (r"Thus \boxed{5}", True),
        (r"Thus \boxed{5", False),
        ("The answer is 5", True),
        ("#### 5", True),
        ("The answer is", False),
        ("We want to see what the answer is by adding up all of them", False),
        ("The answer is not 5", False),
        ("The sum is 5", False),
        ("Step 1: 2 + 3 = 5", False),
        (r"The answer is \frac{1}{2", False),
        ("", False),
        ("#### Step 1: Add the numbers", False),
        ("#### 12", True),
        ("Answer: First, we compute 3 + 4", False),
        ("Answer: To solve this, we need 5", False),
        ("Answer:\nStep 1: we add 5", False),
        ("Answer: Let x be 5", False),
        ("The answer is the sum of 3 and 4.", False),
        ("The answer is one of 1, 2, 3", False),
        ("The answer is given by the formula below", False),
        ("If the answer is 3, then x is 2.", False),
        ("Let me check whether the answer is 5.", False),
        ("We verify that the correct answer is 5.", False),
        ("We find that the answer is 5.", True),
        (r"\boxed{\phantom{2}}", False),
        (r"our answer: \[", False),
        ("### Final Answer", False),
        ("**Final Answer**\n\n42", True),
        ("the second answer was 1800 - 400 = 1400", False),
        ("24 correct answers * 2 points/answer = 48 points", False),
        ("Thus, the answer is no.", True),
        ("The answer is (C) 60.", True),
    ],
)
def test_a_marked_answer_completes_a_solution(text: str, complete: bool) -> None:
    assert is_complete(text) is complete
    assert (find_answer(text, "marked") is not None) is complete


def test_the_last_line_mode_looks_nowhere_else() -> None:
    assert find_answer(" 22\n 66\n 58\n\n", "last-line") == "58"
    assert find_answer("22\n66\nno", "last-line") is None
    assert find_answer("", "last-line") is None


SAME = [
    ["1/2", r"$\frac12$", "0.50", r"\dfrac{1}{2}", ".5", r"\frac{1}{2}", "2/4", " +0.5 ", "0.5."],
    [
        "1234",
        r"\$1,234.00",
        "1,234",
        "1{,}234",
        r"1,\!234",
        "$1234$",
        "**1234**",
        "1234 dollars",
        r"1\,234",
        "1 234",
        "\uff11\uff12\uff13\uff14",
        "1.234 thousand",
        "£1234",
        r"\approx 1234",
        r"1234^{\text{th}}",
        r"\boldsymbol{1234}",
        r"1234\phantom{0}",
    ],
    ["-0.5", r"-\frac{1}{2}", r"\frac{-1}{2}", "\u22120.5", "-1/2"],
    ["1.5", "1 1/2", r"1\frac{1}{2}", r"1\frac12", "3/2"],
    ["90", "90%", r"90\%", "90 percent", "ninety"],
    [r"90^\circ", r"90^{\circ}", "90\u00b0", r"90\text{ degrees}", "90 degrees"],
    [
        "10",
        r"10\text{ cm}^2",
        "10 cm^2",
        r"10\mathrm{~cm}",
        "10 miles per hour",
        r"10 \mathrm{~kJ} \mathrm{~mol}^{-1}",
        r"10 \mathrm{J\,K^{-1}\,mol^{-1}}",
        r"10~\text{kJ}\cdot\text{mol}^{-1}",
        r"10 \frac{\mathrm{m}}{\mathrm{s}}",
        r"10 \mu \mathrm{C}",
        r"10 \Omega",
        "10 °C",
        "10 W m^{-2}",
        "10cm",
        "10dollars",
        "10 sec",
        "10 min",
        "10 eV",
    ],
    ["new york", r"\text{ New  York}", "New York", '"New York".'],
    ["(a)", "(A)", r"\text{(A)}"],
    ["(3, 4)", "(3,4)", "( 3 , 4 )", r"\left( 3, 4 \right)", r"\left(3,\ 4\right)"],
    [r"\sqrt{2}", r"\sqrt2", r"\sqrt 2", "sqrt(2)"],
    [r"\frac{\pi}{2}", r"\frac{ \pi }{2}", r"\tfrac{\pi}{2}"],
    ["0", "-0", "0.0", "00", "0/7"],
    ["5", r"\boxed{5}", "+5", "5.", "5,", "005"],
    ["p-q", "p - q", "$p-q$"],
    ["x=5", "x = 5", "$x = 5$"],
    ["2 pm", "2 P.M.", r"2 \text{ p.m.}"],
    [r"\sqrt{3}", "√3", "√(3)"],
    ["1600\\pi", "1,600\\pi", "1{,}600π"],
    ["1600, 1700", r"1,600, 1,700"],
    [r"(2, \infty)", "(2,∞)", "(2, oo)"],
    [r"\le", "≤", r"\leq"],
]


@pytest.mark.parametrize("spellings", SAME)
def test_spellings_of_one_answer_become_the_same_string(spellings: list[str]) -> None:
    assert {spelling: normalize_answer(spelling) for spelling in spellings} == dict.fromkeys(
        spellings, normalize_answer(spellings[0])
    )


def test_different_answers_stay_different() -> None:
    answers = [
        "1",
        "-1",
        "10",
        "1/3",
        "0.3333",
        "(1, 2)",
        "(2, 1)",
        "2, 100",
        "2100",
        "21/2",
        "2 1/2",
        "5!",
        "x",
        "2x",
        "x^2",
        r"\sqrt{2}",
        "newyork",
        "new york",
        "1/0",
        r"\Delta x",
        r"\delta x",
        "[1, 2]",
        "1:2",
        "x=5",
        "y=5",
        "52_8",
        "52_9",
        "12m",
        "12 m",
        "12mg",
        "12cosx",
        "12 sinx",
        "12abcd",
        "12 sec x",
        r"\frac{3}{7} kT",
        r"\frac{3}{7}",
        "5 dozen and one",
        "10 less than x",
        "12 is wrong",
        "2 am",
        "2 pm",
        "5 squared",
        "2xy",
    ]
    assert len({normalize_answer(answer) for answer in answers}) == len(answers)


@settings(deadline=None, max_examples=1000)
@given(HOSTILE_TEXT)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalize_answer(text)
    assert normalize_answer(once) == once
    assert len(once) <= MAX_LENGTH


@settings(deadline=None, max_examples=500)
@given(HOSTILE_TEXT)
def test_finding_is_total(text: str) -> None:
    for mode in ("any", "marked", "last-line"):
        answer = find_answer(text, mode)
        assert answer is None or answer.strip()


@given(st.fractions(max_denominator=10**6))
def test_fractions_keep_their_value(value: Fraction) -> None:
    assert parse_number(normalize_answer(str(value))) == value
    assert parse_number(normalize_answer(rf"\frac{{{value.numerator}}}{{{value.denominator}}}")) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_decimals_keep_their_value_with_and_without_separators(value: object) -> None:
    assert parse_number(normalize_answer(str(value))) == Fraction(str(value))
    assert parse_number(normalize_answer(f"{value:,}")) == Fraction(str(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5.07e1", Fraction("50.7")),
        (r"5.07\times 10^{1}", Fraction("50.7")),
        (r"1.50 \cdot 10^{-3}", Fraction(15, 10_000)),
        ("1e999999999", None),
        ("1/0", None),
        ("1.5/2", None),
        ("x", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_plain_numbers_are_read(text: str, value: Fraction | None) -> None:
    assert parse_number(normalize_answer(text)) == value


BOMBS = [
    "{" * 1_000_000,
    r"\boxed{" * 150_000,
    "answer is " * 100_000,
    r"\frac{" * 200_000,
    "1," * 500_000,
    "-" * 10**6,
    " " * 10**6,
    "$" * 10**6,
    "answer to " * 100_000,
    "1" * 10**6,
    ("answer is " + "a" * 400 + "\n") * 2500,
    "\\" * 10**6,
    r"\text{" * 300,
    "(" * 1999,
    r"\frac1" * 330,
    "sqrt(" * 390,
    ("~" * 50 + r"\text{") * 30,
]


@pytest.mark.parametrize("number", range(len(BOMBS)))
def test_hostile_texts_take_little_time(number: int) -> None:
    start = time.thread_time()
    for mode in ("any", "marked", "last-line"):
        find_answer(BOMBS[number], mode)
    normalize_answer(BOMBS[number])
    # A second at most on a quick machine; what takes longer than linear time takes minutes here.
    assert time.thread_time() - start < 10.0


@settings(deadline=None)
@given(st.text() | st.sampled_from(["The answer is 1,000.", "7", r"so \boxed{\frac12}"]))
def test_the_finder_of_the_grader_says_what_the_rules_say(text: str) -> None:
    found = find_answer(text)
    finder = MathAnswers()
    problem = Problem("p", "text", "1")
    assert finder.find_answer(text, problem) == (None if found is None else normalize_answer(found))
    assert finder.is_complete(text, problem) is is_complete(text)
