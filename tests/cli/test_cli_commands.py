"""Every other command, on the store of a small run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.evaluation.reading.flops import flops_axis
from restmcts.export.trees import read_trees
from restmcts.recipe import load_recipe
from restmcts.recipe_text import shipped_recipes
from store.check import check
from tests.cli.commands import SMALL, refused, restmcts

COMMANDS = [
    (),
    ("iterate",),
    ("search",),
    ("eval",),
    ("label",),
    ("grade",),
    ("grade", "audit"),
    ("grade", "override"),
    ("methods",),
    ("train",),
    ("train", "policy"),
    ("train", "value"),
    ("runs",),
    ("show",),
    ("export",),
    ("export", "tree"),
    ("export", "samples"),
    ("store",),
    ("store", "check"),
    ("store", "rebuild"),
    ("store", "merge"),
    ("model",),
    ("model", "smollm2"),
    ("doctor",),
    ("tui",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    done = restmcts(*command, "--help")
    assert "Usage:" in done.output
    assert "--help" in done.output
    assert done.errors == ""


def test_alone_it_shows_its_help() -> None:
    assert "iterate" in restmcts().output


def test_debug_shows_where_an_error_comes_from() -> None:
    done = restmcts("--debug", "iterate", "no-such-recipe", code=2)
    assert "Traceback" in done.errors
    assert done.errors.splitlines()[-1].startswith("error: no recipe 'no-such-recipe'")


def test_search_stores_trees_and_says_where(
    policy: Path, value: Path, problems: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    asked = ("search", "--problems", problems, "--policy", policy, "--value", value, "--root", root)
    done = restmcts(*asked, "--budget", 40)
    assert done.output.startswith("2 problems searched, ")
    assert f"restmcts show search-mcts/search/0 --root {root}" in done.output
    again = restmcts(*asked, "--budget", 40, "--json").json()
    assert (again["run"], again["trees"]) == ("search-mcts", 2)
    assert again["policy_tokens"] <= 80
    shown = restmcts("show", "search-mcts/search/1", "--root", root).output
    assert "second: Apply -1, +2 to 4" in shown
    assert restmcts("runs", "--root", root, "--json").json()[0]["status"] == "done"
    assert check(root) == []


def test_search_without_a_value_model_builds_one(policy: Path, problems: Path, tmp_path: Path) -> None:
    train = tmp_path / "train.jsonl"
    rows = [
        {"problem": f"Apply +1, +{add} to {first}", "answer": str(first + add + 1)}
        for first in (0, 1, 2, 3, 5, 6)
        for add in (1, 2, 3)
    ]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = restmcts(
        "search",
        "--problems",
        problems,
        "--policy",
        policy,
        "--train",
        train,
        "--root",
        tmp_path / "store",
        "--budget",
        30,
        "-o",
        "bootstrap.traces=4",
        "-o",
        "value_training.updates=4",
    )
    assert done.output.startswith("2 problems searched, ")
    assert (tmp_path / "store" / "runs" / "search-mcts" / "checkpoints" / "0" / "value").is_dir()


def test_eval_of_a_run(own_store: Path) -> None:
    asked = ("eval", "small", "--root", own_store, "--budget", 6, "--budget", 12, "--limit", 6)
    methods = ("--method", "greedy", "--method", "self-consistency", "--method", "tot-bfs")
    summary = restmcts(*asked, *methods, "--json").json()
    cells = {(row["method"], row["budget"], row["traces"]) for row in summary["rows"]}
    assert ("greedy", None, 1.0) in cells
    for name in ("tot-bfs", "oracle (tot-bfs)"):
        assert {cell[1:] for cell in cells if cell[0] == name} == {(6, None), (12, None)}
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in summary["rows"])
    assert all(row["policy_tokens"] <= 12 for row in summary["rows"] if row["method"] != "greedy")
    table = restmcts(*asked, *methods).output
    assert "self-consistency, value vote" in table
    assert restmcts("runs", "--root", own_store, "--json").json()[0]["status"] == "done"
    assert check(own_store) == []


def test_eval_stops_hard_at_limits(own_store: Path) -> None:
    """Limits make a phase of its own; the size of the models is known from their configurations."""
    of_run = ("eval", "small", "--root", own_store, "--budget", 40, "--limit", 4, "--json")
    asked = (*of_run, "--method", "best-of-n", "--method", "mcts")
    plain = restmcts(*asked).json()
    flops = max(row["flops"] for row in plain["rows"]) / 2
    found = restmcts(*asked, "--limit-calls", 5, "--limit-value", 60, "--limit-flops", flops).json()
    assert found["phase"] != plain["phase"]
    for axis, most in (("calls", 5), ("value_tokens", 60), ("flops", flops)):
        assert all(0 < row[axis] <= most for row in found["rows"])
    for tree in read_trees(own_store, "small", found["phase"]):
        cost = tree.result.cost
        costs = flops_axis(tree.header.settings)
        assert costs is not None
        assert (cost.calls <= 5, cost.value <= 60, costs.of(cost) <= flops) == (True, True, True)
    assert "limit" in refused(*asked, "--limit-flops", 0)
    assert check(own_store) == []


def test_eval_of_a_policy_alone(policy: Path, problems: Path, tmp_path: Path) -> None:
    asked = ("eval", "--policy", policy, "--problems", problems, "--root", tmp_path / "store", "--budget", 12)
    summary = restmcts(*asked, "--method", "self-consistency", "--json").json()
    assert [row["method"] for row in summary["rows"]] == ["self-consistency", "oracle (self-consistency)"]
    assert "needs a value model" in refused(*asked, "--method", "mcts")


def test_eval_of_a_run_made_by_search(policy: Path, value: Path, problems: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    restmcts("search", "--problems", problems, "--policy", policy, "--value", value, "--root", root)
    asked = ("eval", "search-mcts", "--root", root, "--budget", 12, "--method", "best-of-n", "--json")
    rows = restmcts(*asked).json()["rows"]
    assert {(row["problems"], row["budget"]) for row in rows} == {(2, 12)}
    assert check(root) == []


def test_the_loop_refuses_a_recipe_without_training_problems(
    policy: Path, problems: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'recipe = "r"\n[models]\npolicy = "{policy}"\n[problems]\ntest = "{problems}"\n')
    assert "problems.train is missing" in refused("iterate", recipe, "--root", tmp_path / "store")


def test_eval_refuses_unknown_settings_and_iterations(own_store: Path) -> None:
    asked = ("eval", "small", "--root", own_store, "--budget", 6, "--method", "mcts")
    assert "did you mean 'branch'?" in refused(*asked, "-o", "mcts.branches=2")
    assert "write METHOD.KEY=VALUE" in refused(*asked, "-o", "branch=2")
    assert "it has come to 1" in refused(*asked, "--iteration", 5)


def test_eval_takes_a_run_or_a_policy(policy: Path, store: Path) -> None:
    assert "either a run or a --policy" in refused("eval", "small", "--policy", policy, "--root", store)
    assert "either a run or a --policy" in refused("eval", "--root", store)


@pytest.mark.parametrize("rule", ["correct-share", "any-correct", "rest-mcts"])
def test_label(own_store: Path, rule: str) -> None:
    rows = restmcts("label", "small", "--rule", rule, "--root", own_store, "--json").json()
    assert {"0.search", "1.search", "final.evaluate"} <= {row["phase"] for row in rows}
    assert sum(row["labelled"] for row in rows) > 100
    assert rule in restmcts("show", "small/0.search/0", "--root", own_store).output
    assert check(own_store) == []


def test_export_and_train(store: Path, policy: Path, tmp_path: Path) -> None:
    traces, chains = tmp_path / "traces.jsonl", tmp_path / "chains.jsonl"
    restmcts("export", "samples", "small", "--root", store, "--output", traces)
    restmcts("export", "samples", "small", "--kind", "value", "--root", store, "--output", chains)
    assert restmcts("export", "samples", "small", "--root", store).output == traces.read_text("utf-8")
    first = restmcts("train", "policy", traces, "--from", policy, "--to", tmp_path / "p", "-o", "updates=2")
    assert "last_loss" in first.output
    second = restmcts(
        "train", "value", chains, "--from", policy, "--to", tmp_path / "v", "-o", "updates=2", "--json"
    ).json()
    assert second["updates"] == 2
    assert "held_out.squared_error" in second
    for folder in ("p", "v"):
        assert (tmp_path / folder / "model.safetensors").is_file()
    assert "no traces to train on" in refused(
        "train", "policy", chains, "--from", policy, "--to", tmp_path / "x"
    )
    assert not (tmp_path / "x").exists()


def test_export_of_a_tree(store: Path) -> None:
    tree = restmcts("export", "tree", "small/1.search/0", "--root", store).json()
    assert tree["header"]["id"] == "1.search/0"
    assert [node["id"] for node in tree["nodes"]] == list(range(len(tree["nodes"])))
    assert all(node["parent"] < node["id"] for node in tree["nodes"][1:])


def test_show_of_a_run(store: Path) -> None:
    text = restmcts("show", "small", "--root", store).output
    assert "run small: done" in text
    assert "checkpoints/1/policy" in text
    accuracies = text[text.index("accuracy on held-out problems") :]
    assert {"1.evaluate", "final.evaluate"} <= {line.split()[1] for line in accuracies.splitlines()[4:-1]}
    shown = restmcts("show", "small", "--root", store, "--json").json()
    assert [phase["status"] for phase in shown["phases"]] == ["done"] * len(shown["phases"])
    assert {row["kind"] for row in shown["checkpoints"]} == {"policy", "start", "value", "control"}


def test_show_of_a_tree(store: Path) -> None:
    text = restmcts("show", "small/1.search/0", "--root", store).output
    assert text.startswith("problem  tiny-train-")
    assert "node  depth" in text
    record = restmcts("show", "small/1.search/0", "--root", store, "--json").json()
    assert record["header"]["method"] == "mcts-improved"


def test_store_check_names_the_line(own_store: Path) -> None:
    path = own_store / "runs" / "small" / "trees" / "0.search.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:4], "{broken\n", *lines[5:]]), "utf-8")
    done = restmcts("store", "check", "--root", own_store, code=1)
    assert f"{path}:5" in done.output
    assert restmcts("store", "check", "--root", own_store, "--json", code=1).json()


def test_doctor(store: Path) -> None:
    rows = restmcts("doctor", "--root", store, "--json").json()
    assert {"torch", "transformers"} <= {row["name"] for row in rows}
    assert "restmcts doctor" in restmcts("doctor", "--root", store).output


def test_overrides_reach_the_recipe(tmp_path: Path) -> None:
    line = refused("iterate", SMALL, "--root", tmp_path, "-o", "problems.modulus=2")
    assert "modulus 2: use 3 or more" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_a_shipped_recipe_is_valid(name: str) -> None:
    assert load_recipe(name).recipe == name.replace("/", "-")  # the name of a run holds no slash


def test_a_folder_with_the_name_of_a_recipe_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "mine").mkdir()
    assert load_recipe("tiny") == load_recipe(str(Path(__file__).parents[2] / "configs" / "tiny.toml"))
    with pytest.raises(InputError, match="mine: cannot read the recipe"):
        load_recipe("mine")


def test_grade_shows_what_is_not_right(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    rows = [
        {"id": "good", "problem": "6 * 7?", "answer": "42", "solution": "The answer is 42."},
        {"id": "bad", "problem": "6 * 7?", "answer": "42", "solution": "The answer is \x1b[31m41."},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = restmcts("grade", file).output
    assert "bad" in shown and "good" not in shown and "\x1b" not in shown
    assert "4 rows, 3 right, 1 wrong" in shown
    told = restmcts("grade", file, "--json").json()
    assert (told["right"], told["wrong"], len(told["graded"])) == (3, 1, 4)
    assert "math" in refused("grade", file, "--grader", "maths")
