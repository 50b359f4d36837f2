from __future__ import annotations

import json
from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.problems.jsonl import load_problems

GOOD = '{"problem": "1+1?", "answer": "2"}'


def write(folder: Path, *lines: str) -> Path:
    path = folder / "set.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_full_line_keeps_everything(tmp_path: Path) -> None:
    line = {
        "id": "a",
        "problem": "Wie groß?",
        "answer": "50.7",
        "solution": "x\ny",
        "tolerance": 0.05,
        "subject": {"name": "atkins"},
    }
    (problem,) = load_problems(write(tmp_path, json.dumps(line)))
    assert (problem.id, problem.text, problem.answer, problem.solution) == ("a", "Wie groß?", "50.7", "x\ny")
    assert problem.tolerance == 0.05
    assert problem.fields == {"subject": {"name": "atkins"}}


@pytest.mark.parametrize(
    "literal", ["50.70", "65", "-1e-30", "6.02214076e23", "12345678901234567890123", "0.0"]
)
def test_a_number_is_kept_as_it_is_written(tmp_path: Path, literal: str) -> None:
    (problem,) = load_problems(write(tmp_path, f'{{"problem": "p", "answer": {literal}}}'))
    assert problem.answer == literal


def test_a_missing_id_is_made_from_file_and_line(tmp_path: Path) -> None:
    problems = load_problems(write(tmp_path, GOOD, "", "   ", GOOD))
    assert [problem.id for problem in problems] == ["set-00001", "set-00004"]


def test_limit_stops_before_later_errors(tmp_path: Path) -> None:
    assert len(load_problems(write(tmp_path, GOOD, GOOD, "broken"), limit=2)) == 2
    with pytest.raises(InputError, match="limit must be 1 or more"):
        load_problems(write(tmp_path, GOOD), limit=0)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n" + GOOD.encode() + b"\r\n")
    assert len(load_problems(path)) == 2


def test_a_line_separator_within_a_text_does_not_end_the_line(tmp_path: Path) -> None:
    (problem,) = load_problems(write(tmp_path, '{"problem": "a\u2028b\x85c", "answer": "1"}'))
    assert problem.text == "a\u2028b\x85c"


def test_a_line_of_several_megabytes_is_read(tmp_path: Path) -> None:
    text = "x" * 5_000_000
    (problem,) = load_problems(write(tmp_path, json.dumps({"problem": text, "answer": "1"})))
    assert problem.text == text


def test_answers_may_be_missing_when_allowed(tmp_path: Path) -> None:
    path = write(
        tmp_path, '{"problem": "p"}', '{"problem": "q", "answer": null}', '{"problem": "r", "answer": ""}'
    )
    assert [problem.answer for problem in load_problems(path, require_answers=False)] == [None] * 3
    with pytest.raises(InputError, match=r"set\.jsonl:1: 'answer' is missing"):
        load_problems(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"problem": "p", "answer": }', "broken JSON at column 28"),
        ('["p", "1"]', "no JSON object"),
        ("42", "no JSON object"),
        ('{"answer": "1"}', "'problem' is missing or empty"),
        ('{"problem": "  ", "answer": "1"}', "'problem' is missing or empty"),
        ('{"problem": 7, "answer": "1"}', "'problem' must be text, not int"),
        ('{"problem": "p"}', "'answer' is missing or empty"),
        ('{"problem": "p", "answer": true}', "'answer' must be text or a number, not bool"),
        ('{"problem": "p", "answer": ["1"]}', "'answer' must be text or a number, not list"),
        ('{"problem": "p", "answer": NaN}', "NaN is no JSON number"),
        ('{"problem": "p", "answer": "1", "solution": ["a"]}', "'solution' must be text, not list"),
        ('{"problem": "p", "answer": "1", "tolerance": "5%"}', "'tolerance' must be a number"),
        ('{"problem": "p", "answer": "1", "tolerance": -0.1}', "'tolerance' must be a number"),
        ('{"problem": "p", "answer": "1", "tolerance": 1e999}', "'tolerance' must be a number"),
        ('{"problem": "p", "answer": "1", "id": 1.5}', "'id' must be text"),
        ('{"problem": "p", "answer": "1", "id": ""}', "'id' must be text"),
        ('{"problem": "\\ud83d", "answer": "1"}', "half of a character pair"),
        ('{"problem": "p", "answer": ' + "9" * 5000 + "}", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_a_bad_line_is_named_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, GOOD, line)
    with pytest.raises(InputError) as caught:
        load_problems(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_repeated_id_names_both_lines(tmp_path: Path) -> None:
    line = '{"problem": "p", "answer": "1", "id": "a"}'
    with pytest.raises(InputError, match=r"set\.jsonl:4: the id 'a' stands on line 1 already"):
        load_problems(write(tmp_path, line, GOOD, "", line))


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(GOOD.encode() + b'\n{"problem": "\xff"}\n')
    with pytest.raises(InputError, match=r"set\.jsonl:2: not UTF-8 at byte 14"):
        load_problems(path)


@pytest.mark.parametrize("content", ["", "\n\n  \n"])
def test_an_empty_data_set_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match="holds no problem"):
        load_problems(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_problems(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="is a folder"):
        load_problems(tmp_path)


def test_a_published_gsm8k_answer_is_a_solution_and_an_answer(tmp_path: Path) -> None:
    file = tmp_path / "gsm8k.jsonl"
    published = "6 * 7 = <<6*7=42>>42 eggs\n#### 42"
    file.write_text(
        json.dumps({"problem": "How many?", "answer": published})
        + "\n"
        + json.dumps({"problem": "How many?", "answer": published, "solution": "my own"})
    )
    problems = load_problems(file)
    assert [problem.answer for problem in problems] == ["42", "42"]
    assert [problem.solution for problem in problems] == ["6 * 7 = <<6*7=42>>42 eggs", "my own"]


@pytest.mark.parametrize("answer", ["word " * 200, "steps\n#### ", "steps\n#### " + "1" * 600])
def test_a_worked_solution_is_no_oracle_answer(tmp_path: Path, answer: str) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps({"problem": "How many?", "answer": answer}))
    with pytest.raises(InputError, match=r"problems\.jsonl:1: 'answer' is \d+ characters long"):
        load_problems(file)
