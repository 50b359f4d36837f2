from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restmcts import processes
from restmcts.errors import RestmctsError
from restmcts.grading.graders.math_grader import MAX_ALGEBRA, MathGrader
from restmcts.problems.problem import Problem


@pytest.fixture(scope="module")
def grader() -> Iterator[MathGrader]:
    with MathGrader(seconds=5) as grader:
        yield grader


EQUAL = [
    ("18", "18"),
    ("$1,234.00", "1234"),
    (r"\frac{14}{3}", "14/3"),
    ("x+1", "1+x"),
    ("p - q", "-q+p"),
    (r"\frac{\pi}{2}", "pi/2"),
    (r"\{1,2\}", r"\{2,1\}"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    ("2^{10}", "1024"),
    ("(x+1)(x-1)", "x^2-1"),
    ("1 1/2", "1.5"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\pi/2)"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    (r"\text{Evelyn}", "evelyn"),
    ("0.1+0.2", "0.3"),
    ("x = 5", "5"),
    ("f(x)=2x+1", "2x+1"),
    ("12 m", "12"),
    ("x = 12 cm", "12"),
    ("(3 cm, 4 cm)", "(3, 4)"),
    (r"\frac{3}{7} \text{ cm}", r"\frac{3}{7}"),
    (r"\frac{3}{7} m/s", r"\frac{3}{7}"),
    (r"5.07\times 10^{1} eV", "50.7"),
    ("5 million", "5000000"),
    ("twenty-one", "21"),
    ("52_8", "52"),
    (r"52_{8}", "52_8"),
    (r"30^\circ", r"\frac{\pi}{6}"),
    (r"90^\circ", "90"),
    (r"\sin 30^\circ", "0.5"),
    ("0 < x < 2", "(0,2)"),
    (r"m \geq \sqrt{2}", r"m \in [\sqrt{2}, +\infty)"),
    (r"x<1 \text{ or } x>2", r"(-\infty,1)\cup(2,\infty)"),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}"),
    (r"a=1 \text{ or } a=-2", "-2, 1"),
    ("m=2, n=3", "2, 3"),
    ("1, 2", "2, 1"),
    ("1, 2", "(1, 2)"),
    (r"\{1,2\}", "2, 1"),
    ("y = -\\frac{1}{2}x + \\frac{3}{4}", "2x+4y-3=0"),
    ("2:3", "4:6"),
    (r"0.\overline{3}", "1/3"),
    ("1e-3", "10^{-3}"),
    (r"\binom{5}{2}", "10"),
    (r"{5 \choose 2}", "10"),
    (r"|{-2}|", "2"),
    (r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    (r"\emptyset", r"\{\}"),
    ("2:00 pm", r"2:00 \text{ p.m.}"),
]
UNEQUAL = [
    ("17", "18"),
    ("", "18"),
    ("18", "19.0"),
    ("(1,2)", "(2,1)"),
    ("0.333333", "1/3"),
    ("even", "neve"),
    ("x+1", "x+2"),
    (r"\sqrt{8}", r"2\sqrt{3}"),
    ("Evelyn", "Carla"),
    ("50.72", "50.7"),
    (r"\text{no idea", "x^2"),
    (r"\frac{1}{2^{98}}", r"\frac{1}{2^{99}}"),
    (r"6.63\times 10^{-34}", r"\frac{6.63\times 10^{-34}}{2}"),
    (r"\frac{\sqrt{2}}{10^{16}}", r"\frac{\sqrt{3}}{10^{16}}"),
    ("2^{1000}-1", "2^{1000}"),
    ("1-10^{-40}", "1"),
    (r"4\sqrt(2)", "4"),
    (r"42, \ldots", "42"),
    (r"1, 2, \ldots, n", r"1, 3, \ldots, 2n"),
    ("52_9", "52_8"),
    ("52_9 + x", "52 + x"),
    ("(3,100)", "3100"),
    ("(3,100)", "(3100)"),
    (r"n \equiv 4", r"n \equiv 3 \pmod{7}"),
    ("12m", "12"),
    ("2mg", "2"),
    (r"\frac{3}{2} kT", "1.5"),
    ("2cosx", "2"),
    ("3g", "3m"),
    ("3 g", "3 m"),
    ("5", "5 million"),
    ("5", "5 dozen"),
    ("2 am", "2 pm"),
    ("12 is wrong", "12"),
    ("10 less than x", "10"),
    ("5 squared", "5"),
    ("x^2+1=0", "y^2+3=0"),
    ("x^2+1=0", "x^2+3=0"),
    ("y=2x+1", "x=2y+1"),
    ("x=5", "y=5"),
    ("m=2, n=3", "3, 2"),
    ("x<5", r"x \le 5"),
    ("[0,2]", "0 < x < 2"),
    ("(0,9)", r"(0,4) \cup (4,9)"),
    (r"\{1,2\}", "(1,2)"),
    (r"\infty", r"-\infty"),
    ("f'(x)", "f(x)"),
    ("24e", "24000"),
    ("1:00", "12:00"),
    (r"1 \pm \sqrt{19}", r"1 + \sqrt{19}"),
    (r"\angle ABC", r"\angle ACB"),
    ("B", "A"),
]


@pytest.mark.parametrize(("answer", "oracle"), EQUAL)
def test_equal_answers_are_right_both_ways(grader: MathGrader, answer: str, oracle: str) -> None:
    assert [grader.equal(answer, oracle), grader.equal(oracle, answer)] == [True, True]


@pytest.mark.parametrize(("answer", "oracle"), UNEQUAL)
def test_other_answers_are_wrong_both_ways(grader: MathGrader, answer: str, oracle: str) -> None:
    assert [grader.equal(answer, oracle), grader.equal(oracle, answer)] == [False, False]


@pytest.mark.parametrize(
    ("answer", "oracle", "tolerance", "correct"),
    [
        ("50.72", "50.7", 0.05, True),
        (r"50.72 \text{ atm}", "50.7", 0.05, True),
        (r"5.07\times 10^{1}", "50.7", 0.05, True),
        (r"\sqrt{2570}", "50.7", 0.05, True),
        ("54", "50.7", 0.05, False),
        ("-50.7", "50.7", 0.05, False),
        ("1.05", "1", 0.05, True),
        ("1", "1.05", 0.05, True),
        ("0.01", "0", 0.05, False),
        ("0", "0.0", 0.05, True),
        (r"\sqrt{2}", "2", 0.05, False),
        ("1e-30", "2e-30", 0.05, False),
        ("x", "50.7", 0.05, False),
        ("50.7 K", "50.7", 0.05, True),
        ("50.7K", "50.7", 0.05, True),
        ("5.07\\times 10^{1} J", "50.7", 0.05, True),
        (r"50.72 \pm 0.04", "50.7", 0.05, True),
        (r"2400\cos(40^{\circ})", "1838.5", 0.05, True),
    ],
)
def test_a_tolerance_is_relative(
    grader: MathGrader, answer: str, oracle: str, tolerance: float, correct: bool
) -> None:
    assert grader.equal(answer, oracle, tolerance=tolerance) is correct


def test_a_choice_may_come_with_its_text(grader: MathGrader) -> None:
    assert grader.equal("(C) 60", "C")
    assert grader.equal("E: because of this", r"\text{E}")
    assert grader.equal("(c)", "C")
    assert not grader.equal("(C) 60", "D")
    assert not grader.equal("C", "(C) 60")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fractions(max_denominator=1000), st.sampled_from(["{}", "${}$", r"\boxed{{{}}}", " {} ", "{}."]))
def test_equal_numbers_are_right_whatever_their_spelling(
    grader: MathGrader, value: object, form: str
) -> None:
    assert grader.equal(form.format(value), str(value))
    assert grader.equal(str(value), form.format(value))


@settings(deadline=None)
@given(st.fractions(max_denominator=100), st.fractions(max_denominator=100), st.none() | st.floats(0, 0.5))
def test_grading_numbers_is_symmetric(left: object, right: object, tolerance: float | None) -> None:
    with MathGrader() as grader:
        verdicts = [grader.equal(str(left), str(right), tolerance=tolerance)]
        verdicts.append(grader.equal(str(right), str(left), tolerance=tolerance))
    assert verdicts in ([True, True], [False, False])
    assert grader.stats.asked == 0


HOSTILE = [
    "9^{9^{9^{9}}}",
    "(9^9^9)!",
    "2^{10^{10}}",
    "{" * 900,
    "(" * 400 + "1" + ")" * 400,
    r"\frac{" * 150,
    r"\frac{1}{" * 90 + "2" + "}" * 90,
    r"\sqrt{" * 120 + "2" + "}" * 120,
    r"\sum_{n=1}^{10^{12}} n!",
    r"\prod_{k=1}^{10000000}k",
    r"\binom{10^9}{10^8}",
    "\ud800",
    "\x00\x1b[31m\n\n",
    "__import__('os').abort()",
    "x" * 1_000_000,
    r"\text{" * 100_000,
]


def test_hostile_answers_are_never_right_and_take_little_time() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with MathGrader(seconds=0.3) as grader:
        verdicts = [grader.equal(answer, "42") for answer in HOSTILE]
        assert True not in verdicts
        assert None in verdicts
        assert grader.equal("x+1", "1+x")
        assert grader.stats.graded == len(HOSTILE) + 1
        assert grader.stats.timeouts >= 1
        assert grader.stats.timeouts + grader.stats.errors == grader.stats.reasons.total()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 2 * len(HOSTILE)


def test_a_time_out_is_unverified_and_paid_for_once() -> None:
    endless = r"\sum_{n=1}^{10^{12}} n!"
    with MathGrader(seconds=0.3) as grader:
        assert grader.grade(Problem("p", "", "42"), [endless] * 5) == [None] * 5
        assert (grader.stats.graded, grader.stats.timeouts) == (5, 1)
        assert grader.equal("x+1", "1+x"), "the reply to another question"


def test_long_answers_never_reach_the_algebra() -> None:
    with MathGrader() as grader:
        long = "x+" * MAX_ALGEBRA
        assert not grader.equal(long + "1", long + "2")
        assert not grader.equal(long + "1", long + "1")
        assert grader.equal("1" * 500, "1" * 500)
        assert grader.stats.asked == 0


def test_the_process_starts_only_when_it_is_needed_and_is_gone_afterwards() -> None:
    grader = MathGrader()
    assert grader.equal("1/2", "0.5")
    assert grader._process._process is None
    with grader:
        assert grader.equal("x+1", "1+x")
        process = grader._process._process
        assert process is not None
        assert process.poll() is None
    assert process.returncode is not None
    grader.close()
    assert grader.equal("x+2", "2+x")
    grader.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_crash_is_tried_once_more_and_then_unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange, crashes = processes._exchange, [True, False, True, True]

    def killed(process: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any] | None:
        if crashes and crashes.pop(0):
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return exchange(process, request)

    monkeypatch.setattr(processes, "_exchange", killed)
    with MathGrader(seconds=30) as grader:
        assert grader.equal("x+1", "1+x")
        assert grader.stats.reasons == {}
        assert grader.equal("x+2", "2+x") is None
        assert grader.stats.reasons == {"crash": 1}
        assert grader.equal("x+2", "2+x"), "a crash is not remembered"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_process_that_died_while_idle_is_replaced() -> None:
    with MathGrader() as grader:
        assert grader.equal("x+1", "1+x")
        process = grader._process._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert grader.equal("x+2", "2+x")
        assert grader.stats.errors == 0


def test_many_threads_share_one_grader(grader: MathGrader) -> None:
    verdicts: dict[int, bool | None] = {}

    def work(number: int) -> None:
        verdicts[number] = grader.equal(f"x+{number}", f"{number - number % 2}+x")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert verdicts == {number: number % 2 == 0 for number in range(1, 17)}


def test_a_process_that_cannot_start_is_an_error_of_the_user() -> None:
    with (
        MathGrader(memory=48 * 1024**2) as grader,
        pytest.raises(RestmctsError, match="answers cannot be graded"),
    ):
        grader.equal("x+1", "1+x")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from restmcts.grading.graders.math_grader import MathGrader\n"
        "grader = MathGrader()\n"
        "grader.equal('x+1', '1+x')\n"
        "print(grader._process._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    child = int(done.stdout)
    deadline = time.monotonic() + 30
    while _running(child):
        assert time.monotonic() < deadline, "the process outlived its parent"
        time.sleep(0.02)


def _running(pid: int) -> bool:
    """An orphan that nobody has collected yet is a zombie, and has ended."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(done.stdout.strip()) and not done.stdout.strip().startswith("Z")


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (r"Find it. The unit of the answer should be  $\mathrm{10^7} \mathrm{~km}$.", {}),
        ("Find it. The unit of the answer should be $10^{7} J$ .", {}),
        ("Find it.", {"unit": r"$10^{7} \mathrm{~km}$"}),
    ],
)
def test_a_power_of_ten_may_be_in_the_unit(grader: MathGrader, text: str, fields: dict[str, str]) -> None:
    problem = Problem("p", text, "7.0", tolerance=0.05, fields=fields)
    answers = ["7.1", r"7.1 \times 10^7 \text{ km}", "7.1e7", "7.1e6", "71"]
    assert grader.grade(problem, answers) == [True, True, True, False, False]
    assert grader.grade(Problem("p", "Find it.", "7.0", tolerance=0.05), answers[1:2]) == [False]
