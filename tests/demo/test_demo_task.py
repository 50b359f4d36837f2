from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.demo.task import TinyTask, generate_tiny, value_after
from restmcts.demo.tokenizer import tiny_tokenizer
from restmcts.errors import InputError
from restmcts.grading.finding import find_answer, normalize_answer

TASKS = st.builds(
    TinyTask,
    modulus=st.sampled_from([7, 61, 97]),
    minimum_operations=st.integers(3, 4),
    maximum_operations=st.integers(4, 12),
    largest_operand=st.integers(3, 6),
    largest_factor=st.integers(2, 6),
    operators=st.sampled_from(["+-", "-*", "*-+"]),
)


def recomputed(text: str, modulus: int) -> list[int]:
    operations, _, start = text.removeprefix("Apply ").rpartition(" to ")
    values = [int(start)]
    for operation in operations.split(", "):
        values.append(value_after(values[-1], operation[0], int(operation[1:]), modulus))
    return values[1:]


def test_the_wording_of_a_problem() -> None:
    (problem,) = generate_tiny({"train": 1}, 5, TinyTask(minimum_operations=3, maximum_operations=3))["train"]
    assert problem.id == "tiny-train-00001"
    assert problem.text == "Apply *5, -5, -9 to 27"
    assert problem.solution == " 38\n 33\n 24\n"
    assert problem.answer == "24"


@settings(deadline=None, max_examples=30)
@given(TASKS, st.integers(0, 10**9))
def test_solutions_follow_from_the_text_and_problems_never_repeat(task: TinyTask, seed: int) -> None:
    splits = generate_tiny({"train": 40, "test": 30, "validation": 0}, seed, task)
    assert {name: len(problems) for name, problems in splits.items()} == {
        "train": 40,
        "test": 30,
        "validation": 0,
    }
    everything = splits["train"] + splits["test"]
    assert len({problem.text for problem in everything}) == len({problem.id for problem in everything}) == 70
    for problem in everything:
        values = recomputed(problem.text, task.modulus)
        assert task.minimum_operations <= len(values) <= task.maximum_operations
        assert problem.solution == "".join(f" {value}\n" for value in values)
        assert problem.answer == str(values[-1]) == normalize_answer(find_answer(problem.solution) or "")


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(0, 60), st.integers(0, 60))
def test_the_size_of_one_split_changes_no_other(seed: int, small: int, more: int) -> None:
    task = TinyTask()
    before = generate_tiny({"train": 20, "test": small}, seed, task)
    after = generate_tiny({"test": small + more, "train": 20}, seed, task)
    assert after["train"] == before["train"]
    assert after["test"][:small] == before["test"]


def test_equal_seeds_give_equal_problems_and_other_seeds_others() -> None:
    first, again, other = (generate_tiny({"train": 50}, seed, TinyTask())["train"] for seed in (1, 1, 2))
    assert first == again
    assert not {problem.text for problem in first} & {problem.text for problem in other}


def test_the_problems_do_not_depend_on_the_process() -> None:
    script = (
        "from restmcts.demo.task import TinyTask, generate_tiny\n"
        "print(generate_tiny({'a': 3, 'b': 3}, 7, TinyTask()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(generate_tiny({"a": 3, "b": 3}, 7, TinyTask()))


def test_the_whole_task_can_be_used_up_but_not_more() -> None:
    task = TinyTask(
        modulus=5, minimum_operations=1, maximum_operations=1, largest_operand=2, largest_factor=2
    )
    assert task.problems() == 25
    assert len({problem.text for problem in generate_tiny({"all": 25}, 1, task)["all"]}) == 25
    with pytest.raises(InputError, match="cannot generate 26 problems for 'all': only 25 were found"):
        generate_tiny({"all": 26}, 1, task)


def test_splits_share_no_problem_even_in_a_small_task() -> None:
    task = TinyTask(
        modulus=7, minimum_operations=2, maximum_operations=2, largest_operand=2, largest_factor=2
    )
    splits = generate_tiny({"a": 60, "b": 60}, 1, task)
    assert task.problems() == 175
    assert len({problem.text for problems in splits.values() for problem in problems}) == 120


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operators": ""}, "operators ''"),
        ({"operators": "+/"}, "operators '\\+/'"),
        ({"operators": "++"}, "operators '\\+\\+'"),
        ({"modulus": 1}, "modulus 1"),
        ({"minimum_operations": 0}, "operations from 0 to 10"),
        ({"minimum_operations": 11}, "operations from 11 to 10"),
        ({"largest_operand": 97}, "largest_operand 97: use 1 to 96"),
        ({"largest_factor": 1}, "largest_factor 1: use 2 to 96"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(TinyTask(), **change)  # type: ignore[arg-type]


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(InputError, match="cannot generate -1 problems for 'train'"):
        generate_tiny({"train": -1}, 1, TinyTask())


@settings(deadline=None, max_examples=20)
@given(TASKS, st.integers(0, 10**6))
def test_texts_come_back_exactly_from_their_tokens(task: TinyTask, seed: int) -> None:
    tokenizer = tiny_tokenizer(task)
    for problem in generate_tiny({"train": 10}, seed, task)["train"]:
        text = f"{problem.text}\n{problem.solution}"
        tokens = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in tokens
        assert tokenizer.decode(tokens) == text
        steps = (problem.solution or "").splitlines(keepends=True)
        assert [len(tokenizer(step)["input_ids"]) for step in steps] == [2] * len(steps)
        assert len(tokens) == 2 * (problem.fields["operations"] + 1 + len(steps)) + 1


def test_any_tokens_decode_piece_by_piece_and_come_back() -> None:
    tokenizer = tiny_tokenizer(TinyTask())

    @settings(deadline=None)
    @given(st.lists(st.integers(3, len(tokenizer) - 1), max_size=20))
    def check(tokens: list[int]) -> None:
        text = tokenizer.decode(tokens)
        assert text == "".join(str(tokenizer.decode([token])) for token in tokens)
        assert tokenizer(text)["input_ids"] == tokens

    check()
    few = [*range(3, 12), len(tokenizer) - 1]
    assert all(tokenizer(tokenizer.decode([a, b]))["input_ids"] == [a, b] for a in few for b in few)


def test_numbers_may_be_written_without_the_space_and_strange_words_are_unknown() -> None:
    tokenizer = tiny_tokenizer(TinyTask())
    assert tokenizer("22\n66\n") == tokenizer(" 22\n 66\n")
    assert tokenizer("banana 97")["input_ids"] == [tokenizer.unk_token_id] * 2


def test_a_saved_tokenizer_is_the_same(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = tiny_tokenizer(TinyTask())
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "Apply +5, *3, -8 to 17\n 22\n 66\n 58\n"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert (
        loaded.decode([*tokenizer(text)["input_ids"], loaded.eos_token_id], skip_special_tokens=True) == text
    )
    assert len({loaded.eos_token_id, loaded.pad_token_id, loaded.unk_token_id}) == 3


def test_problems_import_neither_torch_nor_transformers_nor_sympy() -> None:
    script = (
        "import sys, restmcts.demo.task, restmcts.problems.jsonl, restmcts.grading.finding\n"
        "import restmcts.grading.graders.math_grader, restmcts.tools.doctor, restmcts.tools.models.smollm2\n"
        "print([name for name in ('torch', 'transformers', 'sympy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
