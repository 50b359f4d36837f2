"""Plans of runs: hand-worked bounds, what is missing, and the recipes of the paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from restmcts.loops.planning.plan import Counts, PlannedPhase, Sizes, Totals, totals
from restmcts.loops.planning.planned_phases import ITERATING, PLANNED, planned
from restmcts.loops.planning.planner import most_generated, most_traces
from restmcts.loops.planning.readiness import model_facts, readiness, size_in_name
from restmcts.loops.registry import LOOPS
from restmcts.recipe import load_recipe
from restmcts.recipe_text import shipped_recipes
from restmcts.search.registry import method_settings
from tests.training.training_models import write_policy

PAPER = [name for name in shipped_recipes() if name.startswith("paper/")]
COUNTS = Counts(100, 20, 30)


def plan(name: str, *overrides: str, counts: Counts = COUNTS) -> dict[str, PlannedPhase]:
    recipe = load_recipe(name, overrides)
    return {phase.name: phase for phase in planned(recipe, counts, Sizes(10**9, 10**9))}


@pytest.mark.parametrize(
    ("method", "settings", "budget", "tokens", "traces"),
    [
        ("greedy", {}, None, 24, None),
        ("self-consistency", {"samples": 5}, None, 5 * 24, 5),
        ("self-consistency", {"samples": 5}, 50, 50, 5),
        # a round samples 3 steps and 1 rollout step of 4 tokens
        ("mcts", {"rounds": 40, "rollout_steps": 1}, None, 40 * 4 * 4, 120),
        ("mcts", {"rounds": 0}, 500, 500, None),
        ("mcts-improved", {}, None, None, None),
    ],
)
def test_bounds_of_a_search(
    method: str, settings: dict[str, int], budget: int | None, tokens: int | None, traces: int | None
) -> None:
    recipe = load_recipe("tiny", ["sampling.step_tokens=4", "sampling.trace_tokens=24"])
    built = method_settings(method, settings, "test")
    assert most_generated(method, built, budget, recipe) == tokens
    assert most_traces(method, built) == traces


def test_the_phases_of_the_built_in_recipe() -> None:
    found = plan("tiny", "iterations=1", "bootstrap.problems=10", "generation.problems=50")
    assert list(found) == [
        "0.train-policy", "0.validate", "0.search", "0.label", "0.start-value", "0.train-value", "0.evaluate",
        "1.search", "1.label", "1.select", "1.train-policy", "1.validate", "1.train-value", "1.evaluate",
        "1.train-control", "1.evaluate-control", "final.evaluate",
    ]  # fmt: skip
    assert (found["0.validate"].searches, found["0.validate"].generated) == (20, 20 * 24)
    assert (found["0.search"].searches, found["0.search"].generated) == (10, 10 * 32 * 24)
    assert found["0.train-value"].samples == 320 and found["0.train-value"].updates == 150
    assert (found["1.search"].generated, found["1.search"].valued) == (50 * 320, 50 * 320)
    # one trace of each of 60 trees, and half as many demonstrations
    assert found["1.train-policy"].samples == 90
    assert found["1.train-policy"].trained == 60 * 32 * 1024
    assert found["1.evaluate"].searches == 3 * 30


def test_epochs_become_updates() -> None:
    found = plan("tiny-rest-em", "iterations=1", "generation.problems=10", "selection.top=2")
    assert found["1.train-policy"].updates == 60
    recipe = load_recipe("tiny-rest-em", ["policy_training={epochs=3, batch_size=4}"])
    (training,) = [p for p in planned(recipe, COUNTS, Sizes(None, None)) if p.name == "1.train-policy"]
    assert (training.samples, training.updates) == (400, 300)


def test_what_is_learned_from_follows_from_the_memory() -> None:
    """4 traces of 10 problems an iteration; with the bootstrap, 8 of 100 problems once."""
    few = ["generation.problems=10", "loop_settings={samples=4}", "bootstrap.traces=8", "selection.top=99"]
    alone = plan("tiny-rest-em", *few)
    assert [alone[f"{n}.train-policy"].samples for n in (1, 2)] == [40, 40] and "0.search" not in alone
    every = plan("tiny-rest-em", *few, "selection.memory=all")
    assert [every[f"{n}.train-policy"].samples for n in (1, 2)] == [40, 80]
    started = plan("tiny-rest-em", *few, "loop_settings.bootstrap=true", "control=true")
    assert [started[f"{n}.train-policy"].samples for n in (1, 2)] == [840, 40]
    assert started["0.search"].searches == 100 and "1.evaluate-control" in started
    mcts = ["generation={method='mcts', problems=10, settings={rounds=5}}", "selection={by='threshold'}"]
    latest = plan("tiny", *mcts, "labels.memory=latest", "bootstrap.problems=10", "bootstrap.traces=8")
    assert [latest[f"{n}.train-policy"].samples for n in (1, 2)] == [150, 150]
    both = plan("tiny", *mcts, "bootstrap.problems=10", "bootstrap.traces=8")
    assert [both[f"{n}.train-value"].samples for n in (1, 2)] == [230, 380]


def test_a_pair_is_two_texts() -> None:
    training = "preference_training={updates=5, batch_size=2, max_length=100}"
    found = plan("tiny-rest-em", "loop=self-rewarding", "loop_settings={}", training)
    assert found["1.train-policy"].trained == 5 * 2 * 2 * 100


def test_a_control_arm_has_as_many_updates_as_the_policy() -> None:
    updates = ["policy_training.updates=7", "preference_training.updates=5", "loop_settings={}"]
    found = plan("tiny", "loop=step-pairs", *updates)
    assert list(found).index("1.pair") < list(found).index("1.train-policy")
    assert found["1.train-control"].updates == 12


def test_the_tokens_of_an_iteration_bound_its_search() -> None:
    found = plan("tiny", "generation.tokens=5000", "generation.temperatures=[0.5, 1.0]")
    assert found["1.search"].generated == 5000
    assert found["1.tune"].searches == 2 * 20
    found = plan("tiny", "generation.tokens=5000", counts=Counts(None, None, None))
    assert found["1.search"].generated == 5000 and found["1.validate"].generated is None


def test_what_nothing_bounds_is_named_and_left_out() -> None:
    phases = [
        PlannedPhase("a", "search", 1, 10, 5),
        PlannedPhase("b", "train", trained=7, hours=1.5, bytes=3),
        PlannedPhase("c", "search"),
        PlannedPhase("d", "train", hours=None),
        PlannedPhase("e", "label"),
        PlannedPhase("f", "search", 1, 100, 100, hours=9.0, done=True),
    ]
    assert totals(phases) == Totals(10, 5, 7, 1.5, 3, ("c", "d"))


def test_hours_and_bytes_follow_from_the_weights() -> None:
    """10**9 weights: 2e9 operations a token read or written, 8e9 a token trained on."""
    found = plan("tiny", "iterations=1", "generation.problems=50", "policy_training.dtype=bfloat16")
    search, training = found["1.search"], found["1.train-policy"]
    assert search.hours == pytest.approx(50 * 320 * (2e9 / 5e13 + 2e9 / 3.5e14) / 3600)
    assert training.hours == pytest.approx(60 * 32 * 1024 * 8e9 / 3.5e14 / 3600)
    assert training.bytes == 2 * 10**9 and search.bytes == 50 * 320 * 130


def test_an_adapter_needs_its_library_and_little_memory_and_disk() -> None:
    found = plan("tiny", "iterations=1", "policy_training.lora.rank=8")
    assert found["1.train-policy"].bytes is None and found["1.train-value"].bytes == 4 * 10**9
    ready = readiness(load_recipe("paper/llama-3-8b-rest-mcts", ["policy_training.lora.rank=8"]))
    rows = {(finding.what, finding.found) for finding in ready.findings}
    assert ("library", "peft: installed") in rows
    (memory,) = [found for what, found in rows if what == "memory"]
    assert "training of the adapter 29.8 GiB" in memory and "of the value model 119.2 GiB" in memory


def test_every_loop_of_the_package_is_planned() -> None:
    assert {*LOOPS} == set(PLANNED)


def test_the_phases_of_a_comparison_of_verifiers() -> None:
    found = plan("tiny-verifiers")
    names = [verifier["name"] for verifier in load_recipe("tiny-verifiers").loop_settings["verifiers"]]
    assert list(found) == [
        "0.train-policy", "0.validate", "0.search", "0.complete-steps", "0.start-value",
        *(f"0.{work}-{name}" for name in names for work in ("label", "train")),
        "validation.sample", "test.sample",
        *(f"{split}.value-{name}" for name in names for split in ("validation", "test")),
        "final.evaluate",
    ]  # fmt: skip
    sampled, valued = found["test.sample"], found[f"test.value-{names[0]}"]
    assert sampled.generated == sampled.searches * load_recipe("tiny-verifiers").loop_settings["samples"] * 24
    assert (valued.generated, valued.valued) == (0, sampled.generated)


@pytest.mark.parametrize("loop", ITERATING)
def test_a_loop_is_planned(loop: str) -> None:
    base = "tiny" if LOOPS[loop].trains_value else "tiny-rest-em"
    found = plan(base, f"loop={loop}", "loop_settings={}", "iterations=2")
    assert {"1.train-policy", "2.train-policy", "1.validate", "2.evaluate"} <= found.keys()
    assert ("1.train-value" in found) == LOOPS[loop].trains_value
    controlled = plan(base, f"loop={loop}", "loop_settings={}", "control=true")
    assert ("1.evaluate-control" in controlled) == (loop != "demonstrations")


def test_the_paper_has_three_models_and_three_loops() -> None:
    models = ("llama-3-8b", "mistral-7b", "sciglm-6b")
    loops = ("rest-em", "rest-mcts", "self-rewarding")
    assert [f"paper/{model}-{loop}" for model in models for loop in loops] == PAPER


@pytest.mark.parametrize("name", PAPER)
def test_a_recipe_of_the_paper_has_its_settings(name: str) -> None:
    """The authors' training settings, and the same tokens of data in all."""
    recipe = load_recipe(name)
    assert recipe.recipe == name.replace("/", "-") and name.endswith(recipe.loop)
    assert recipe.iterations == 2 and recipe.sampling.temperature == 0.7
    assert recipe.generation.tokens == 16_384_000
    policy, preference = recipe.policy_training, recipe.preference_training
    assert (policy.learning_rate, policy.epochs, policy.warmup_ratio) == (2e-5, 2, 0.03)
    assert (preference.beta, preference.learning_rate, preference.epochs) == (0.1, 3e-6, 2)
    if recipe.loop == "rest-mcts":
        known = recipe.generation.settings
        assert [known[key] for key in ("branch", "rollout_branch", "rounds", "rollout_steps")] == [
            3,
            1,
            40,
            1,
        ]
        assert [known[key] for key in ("exploration", "unvisited_bonus", "alpha", "end_gate")] == [
            0.5,
            0.9,
            0.5,
            0.8,
        ]
        assert (recipe.selection.by, recipe.selection.threshold) == ("threshold", 0.2)
        assert recipe.value_training.batch_size == 3 and 900 <= recipe.value_training.max_length <= 1024
        assert recipe.value_training.learning_rate == (2e-5 if "sciglm" in name else 3e-6)


@pytest.mark.parametrize("name", PAPER)
def test_a_recipe_of_the_paper_is_planned_without_its_files(name: str) -> None:
    recipe = load_recipe(name)
    ready = readiness(recipe)
    assert ready.sizes.policy == {"llama": 8, "mistr": 7, "scigl": 6}[name[6:11]] * 10**9
    missing = [finding for finding in ready.missing if finding.what != "GPU"]
    assert [finding.what for finding in missing] == ["problems"] * 3 + ["policy"]
    assert all(finding.todo for finding in ready.missing)
    phases = planned(recipe, ready.counts, ready.sizes)
    sums = totals(phases)
    assert sums.unknown == () and sums.hours is not None and sums.hours > 1
    data = [phase.generated or 0 for phase in phases if phase.name in ("1.search", "1.judge")]
    assert 16_000_000 <= sum(data) <= 16_384_000, "the loops have the same budget"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Meta-Llama-3-8B-Instruct", 8 * 10**9),
        ("qwen2.5-1.5b", 1_500_000_000),
        ("SmolLM2-135M", None),
        ("model-8bit", None),
        ("0.5B", 500_000_000),
    ],
)
def test_sizes_in_names(name: str, size: int | None) -> None:
    assert size_in_name(name) == size


def test_the_cache_of_a_model_follows_from_its_configuration() -> None:
    """Llama-3-8B: 32 layers of 8 groups of 128 numbers, for keys and values: 128 KiB a token in bfloat16."""
    config = {
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096,
        "max_position_embeddings": 8192,
    }  # fmt: skip
    found = model_facts(config, "bfloat16")
    assert (found.cache_bytes, found.context) == (131_072, 8192)
    assert model_facts({"text_config": config}, "float32").cache_bytes == 262_144
    assert model_facts({}, "float32").cache_bytes is None


def test_a_model_that_is_here_is_looked_at(tmp_path: Path) -> None:
    problems = tmp_path / "train.jsonl"
    problems.write_text("".join(f'{{"problem": "{n}+1", "answer": "{n + 1}"}}\n' for n in range(60)))
    policy = write_policy(tmp_path / "policy")
    text = f'recipe = "own"\n[models]\npolicy = "{policy}"\n[problems]\ntrain = "{problems}"\n'
    (tmp_path / "own.toml").write_text(text)
    ready = readiness(load_recipe(str(tmp_path / "own.toml")))
    assert ready.missing == [] and ready.counts.train is not None and ready.counts.train > 40
    assert ready.sizes.policy is not None and 50_000 < ready.sizes.policy < 200_000
    found = {finding.what: finding.found for finding in ready.findings}
    assert "context 64" in found["policy"] and "keys and values" in found["memory"]
    (policy / "model.safetensors").write_bytes(b"x")
    problems.write_text("{}\n")
    ready = readiness(load_recipe(str(tmp_path / "own.toml")))
    assert {finding.what for finding in ready.missing} == {"recipe", "policy", "problems"}
    assert any("train.jsonl:1" in finding.todo for finding in ready.missing)
