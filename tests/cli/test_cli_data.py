"""Data sets by name from the command line: list, show, check, search, eval and iterate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from store.files.layout import RunLayout
from tests.cli.commands import Done, refused, restmcts, write_lines
from tests.problems.published_rows import array, gsm8k, lines, math_500, scibench


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a little of some sets."""
    folder = tmp_path / "data"
    lines(folder / "gsm8k/train.jsonl", [gsm8k(number) for number in range(20)])
    lines(folder / "gsm8k/test.jsonl", [gsm8k(number) for number in range(18, 22)])
    lines(folder / "math-500/test.jsonl", [math_500(1), math_500(2), math_500(3)])
    array(folder / "scibench/stat.json", [scibench(1, "stat")])
    return folder


@pytest.fixture
def command(data: Path) -> Callable[..., Done]:
    """Runs a command that finds the data folder, and no network."""
    return partial(restmcts, RESTMCTS_DATA=str(data), HF_HUB_OFFLINE="1")


def test_list_says_what_is_here(command: Callable[..., Done], data: Path) -> None:
    listed = command("data", "list", "--json").json()
    assert listed["folder"] == str(data)
    sets = {row["name"]: row for row in listed["data_sets"]}
    assert {
        "gsm8k",
        "math",
        "math-500",
        "scibench",
        "gpqa-diamond",
        "theoremqa",
        "aime",
        "c-eval-hard",
    } < set(sets)
    assert sets["gsm8k"]["here"] == ["train", "test"]
    assert sets["math-500"]["here"] == ["test"]
    assert sets["aime"]["here"] == []
    assert sets["gpqa-diamond"]["grader"] == "choice"
    assert sets["gsm8k"]["rows"] == {"train": 7473, "test": 1319}
    shown = command("data", "list").output
    for word in ("openai/gsm8k", "train 7,473, test 1,319", "tiny", f"copies are in {data} (RESTMCTS_DATA)"):
        assert word in shown


def test_show_prints_rows_as_they_are_asked_and_graded(command: Callable[..., Done]) -> None:
    shown = command("data", "show", "gsm8k", "--limit", 1, "-o", "shots=1").output
    assert shown.index("    There are 15 trees") < shown.index("    Ann has 18 apples")
    assert shown.endswith(
        "  oracle answer: 12\n  as an answer: right\n  in the worked solution: 12: right\n\n"
    )
    shown = command("data", "show", "scibench", "-o", "subject=stat").output
    assert "The unit of the answer is $10^8$ m." in shown
    assert "oracle answer: 4.80 ± 5%" in shown
    done = command("data", "show", "gsm8k", "--split", "train", "--limit", 50, "--json")
    assert 10 < len(done.json()["problems"]) < 19
    assert done.json()["problems"][0]["graded"][0]["of"] == "oracle"
    assert "problems are left out, because they are measured on too" in done.errors


def test_show_names_what_is_wrong(command: Callable[..., Done], data: Path) -> None:
    for words, message in (
        (("gsm9k",), "unknown data set 'gsm9k'"),
        (("gsm8k", "--split", "dev"), "--split 'dev': choose from train, validation, test"),
        (("gsm8k", "-o", "shot=1"), "unknown key 'shot': did you mean 'shots'?"),
        (("theoremqa",), "run `hf download TIGER-Lab/TheoremQA data/test-00000-of-00001.parquet"),
    ):
        done = command("data", "show", *words, code=2)
        assert done.output == ""
        assert message in done.errors
        assert done.errors.count("\n") == 1


COUNTS = "4 problems; 2 of 2 oracle answers equal themselves; 1 of 2 worked solutions have the oracle answer"


def test_check_names_every_fault_by_its_line(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "mine.jsonl",
        {"id": "a", "problem": "1 + 1?", "answer": "2", "solution": "It is \\boxed{2}."},
        {"id": "b", "problem": "1+1?", "answer": "2", "solution": "It is \\boxed{3}."},
        {"id": "a", "problem": "2+2?"},
        {"problem": "", "answer": "4"},
        {"problem": "3+3? \x1b[31m", "answer": " ", "solution": "6"},
    )
    with path.open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    other = write_lines(tmp_path / "other.jsonl", {"problem": " 2 + 2? ", "answer": "4"})
    done = restmcts("data", "check", path, "--against", other, code=1)
    assert done.errors == ""
    assert done.output.splitlines() == [
        f"{path}:2: the worked solution has '3', and not '2'",
        f"{path}:2: the problem stands at {path}:1 already",
        f"{path}:3: no oracle answer",
        f"{path}:3: the id 'a' stands at {path}:1 already",
        f"{path}:3: the problem is in the other file too, at {other}:1",
        f"{path}:4: 'problem' is missing or empty: every line needs the text of a problem",
        f"{path}:5: no oracle answer",
        f"{path}:6: broken JSON at column 2: Expecting property name enclosed in double quotes",
        f"{path}: {COUNTS}; 8 faults",
    ]
    hostile = write_lines(
        tmp_path / "hostile.jsonl", {"problem": "1?", "answer": "2 \x1b[31m", "solution": "1"}
    )
    shown = restmcts("data", "check", hostile, code=1).output
    assert "\x1b" not in shown
    assert "the worked solution has '1', and not '2 " in shown
    checked = restmcts("data", "check", path, "--json", code=1).json()
    assert (checked["problems"], checked["answered"], checked["solved_right"]) == (4, 2, 1)


def test_check_is_silent_about_a_good_file(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "mine.jsonl", {"problem": "1+1?", "answer": "2"})
    assert restmcts("data", "check", path).output == (
        f"{path}: 1 problems; 1 of 1 oracle answers equal themselves; 0 of 0 worked solutions have the oracle"
        " answer; 0 faults\n"
    )
    assert "does not exist" in restmcts("data", "check", tmp_path / "no.jsonl", code=1).output


def test_a_search_of_a_data_set_stores_what_was_asked(
    command: Callable[..., Done], policy: Path, tmp_path: Path
) -> None:
    words: tuple[object, ...] = (
        "search",
        "--data",
        "gsm8k",
        "--policy",
        policy,
        "--method",
        "self-consistency",
    )
    words += (
        "--root",
        str(tmp_path / "store"),
        "-o",
        "generation.settings.samples=2",
        "-o",
        "problems.shots=1",
    )
    command(*words, "--limit", 2)
    found = command(*words, "--limit", 3, "--json").json()
    assert (found["trees"], found["graded"]) == (3, 3)
    layout = RunLayout(tmp_path / "store", "search-self-consistency")
    assert 'data_set = "gsm8k"' in layout.config.read_text("utf-8")
    tree = layout.trees("search").read_text("utf-8").splitlines()[0]
    assert '"examples":[["There are 15 trees in the grove.' in tree
    assert '"question":"Ann has 18 apples and buys 5 more. How many has she?"' in tree


def test_a_search_says_where_its_problems_come_from(policy: Path, problems: Path, tmp_path: Path) -> None:
    message = "name the problems either by --problems FILE or by --data NAME"
    assert message in refused("search", "--policy", policy, "--root", tmp_path / "s")
    both = ("--problems", problems, "--data", "tiny")
    assert message in refused("search", "--policy", policy, *both, "--root", tmp_path / "s")
    assert message in refused("eval", "--policy", policy, *both, "--root", tmp_path / "s")


def test_an_evaluation_on_a_data_set_of_a_policy_and_of_a_run(
    command: Callable[..., Done], policy: Path, own_store: Path, tmp_path: Path
) -> None:
    words = ("--data", "math-500", "--limit", 2, "--method", "greedy", "--budget", 40, "--json")
    alone = command("eval", "--policy", policy, *words, "--root", tmp_path / "other").json()
    of_run = command("eval", "small", *words, "--root", own_store).json()
    assert alone["phase"].startswith("eval-")
    assert alone["trees"] == of_run["trees"] == 2
    again = command("eval", "small", *words, "--root", own_store).json()
    assert again == of_run
    with_shot = command("eval", "small", *words, "-o", "problems.prompt=Q: {problem}", "--root", own_store)
    assert with_shot.json()["phase"] != of_run["phase"]
    message = command("eval", "small", *words, "-o", "seed=3", "--root", own_store, code=2).errors
    assert "run 'small' keeps its recipe" in message


def test_a_loop_trains_on_one_set_and_measures_on_another(
    command: Callable[..., Done], policy: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        f'recipe = "mine"\n[models]\npolicy = "{policy}"\n[problems]\ndata_set = "combined"\n'
        'train = "gsm8k"\ntest = "math-500"\n',
        "utf-8",
    )
    plan = command("iterate", recipe, "--root", tmp_path / "store", "--dry-run", "--json", code=None)
    assert "3 to test" in plan.output
    recipe.write_text(recipe.read_text("utf-8").replace("combined", "math-500").split("train =")[0], "utf-8")
    planned = command("iterate", recipe, "--root", tmp_path / "store", "--dry-run", code=None)
    assert "EleutherAI/hendrycks_math: not here, fetched from the hub when the run starts" in planned.output
    done = command("iterate", recipe, "--root", tmp_path / "store", code=2)
    assert "hf download EleutherAI/hendrycks_math" in done.errors
