"""What a run needs and whether it is here: problems, models, engines, libraries, a GPU. Nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

from restmcts.engines.examination import examine, read_config, read_tensors
from restmcts.engines.registry import ENGINES
from restmcts.errors import InputError
from restmcts.loops.checks import check_loop, check_problems
from restmcts.loops.planning.plan import BYTES_OF_A_NUMBER, Counts, Sizes, adapted
from restmcts.loops.registry import LOOPS
from restmcts.problems.registry import DATA_SETS, load_splits
from restmcts.recipe import Recipe

_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)[bB](?![A-Za-z0-9])")
"""How names of models say their size, as in ``Meta-Llama-3-8B``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a run needs: ``ok`` is None where it is only good to know."""

    what: str
    found: str
    ok: bool | None = True
    todo: str = ""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as far as its folder says it: weights, context, and bytes of keys and values a token."""

    parameters: int | None
    context: int | None = None
    cache_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is here and what is missing, and what follows from it for the plan."""

    findings: tuple[Finding, ...]
    counts: Counts
    sizes: Sizes

    @property
    def missing(self) -> list[Finding]:
        """What has to be done before the run can be started."""
        return [finding for finding in self.findings if finding.ok is False]


def readiness(recipe: Recipe) -> Readiness:
    """Look at everything that can be looked at without loading a model."""
    counts, problems = _problems(recipe)
    policy, models = _models(recipe)
    findings = [
        *_recipe(recipe),
        *problems,
        *models,
        *_engines(recipe),
        *_training(recipe),
        _gpu(recipe, policy),
    ]
    return Readiness(tuple(findings), counts, Sizes(policy.parameters, policy.parameters))


def _recipe(recipe: Recipe) -> Iterator[Finding]:
    try:
        check_loop(recipe)
    except InputError as error:
        yield Finding("recipe", f"{recipe.recipe}: does not fit", False, str(error))
    else:
        yield Finding("recipe", f"{recipe.recipe}: loop {recipe.loop}, seed {recipe.seed}")


def _problems(recipe: Recipe) -> tuple[Counts, list[Finding]]:
    settings = recipe.problems
    missing = [path for path in DATA_SETS[settings.data_set].files(settings) if not path.is_file()]
    limits = Counts(*(getattr(settings, f"{part}_limit", None) for part in ("train", "validation", "test")))
    if missing:
        todo = "write it as JSON Lines with 'problem' and 'answer' (docs/guide.md, Your own problems)"
        return limits, [Finding("problems", f"{path}: missing", False, todo) for path in missing]
    if absent := [name for name in DATA_SETS[settings.data_set].absent(settings) if name]:
        text = f"{', '.join(dict.fromkeys(absent))}: not here, fetched from the hub when the run starts"
        return limits, [Finding("problems", text, None)]
    try:
        splits = load_splits(settings, recipe.seed)
        check_problems(splits)
    except InputError as error:
        return limits, [Finding("problems", "cannot be used", False, str(error))]
    counts = Counts(len(splits.train), len(splits.validation), len(splits.test))
    text = f"{counts.train} to train on, {counts.validation} to validate, {counts.test} to test"
    return counts, [Finding("problems", text)]


def _models(recipe: Recipe) -> tuple[ModelFacts, list[Finding]]:
    """The facts of the policy, and what is known about each model."""
    models = recipe.models
    facts = ModelFacts(None)
    findings = []
    for role, folder, engine in (
        ("policy", models.policy, models.engine),
        ("value model", models.value, models.valued_by),
    ):
        if folder is None:
            continue
        if not ENGINES[engine].local:
            findings.append(Finding(role, f"{folder} on a server; not asked", None))
            continue
        found, finding = _model(role, Path(folder), recipe)
        findings.append(finding)
        if role == "policy":
            facts = found
    if models.policy is None:
        findings.insert(0, Finding("policy", f"made by the data set {recipe.problems.data_set}"))
    if facts.parameters is not None:
        findings.append(Finding("memory", _memory(facts, recipe), None))
    return facts, findings


def _model(role: str, folder: Path, recipe: Recipe) -> tuple[ModelFacts, Finding]:
    if not folder.is_dir():
        size = size_in_name(folder.name)
        said = (
            "" if size is None else f"; its name says {size / 1e9:g} billion weights, which is taken for true"
        )
        todo = f"fetch a Hugging Face model into it, with its weights as safetensors: {folder}"
        return ModelFacts(size), Finding(role, f"{folder}: missing{said}", False, todo)
    try:
        config = read_config(folder)
        facts = model_facts(config, recipe.models.dtype)
        examine(folder)
        numbers = sum(prod(tensor.shape) for tensor in read_tensors(folder).values())
    except InputError as error:
        return ModelFacts(size_in_name(folder.name)), Finding(
            role, f"{folder}: cannot be used", False, str(error)
        )
    context = "" if facts.context is None else f", context {facts.context}"
    found = Finding(role, f"{folder}: {numbers / 1e6:,.1f} million weights{context}")
    return ModelFacts(numbers, facts.context, facts.cache_bytes), found


def size_in_name(name: str) -> int | None:
    """The number of weights that the name of a model says, such as 8e9 for ``Meta-Llama-3-8B``."""
    found = _SIZE.search(name)
    return None if found is None else round(float(found[1]) * 1e9)


def model_facts(config: dict[str, Any], dtype: str) -> ModelFacts:
    """What the configuration of a model says about its context and its cache."""
    text = config.get("text_config")
    values = text if isinstance(text, dict) else config

    def number(*names: str) -> int | None:
        return next((values[name] for name in names if type(values.get(name)) is int), None)

    layers, heads = number("num_hidden_layers", "n_layer"), number("num_attention_heads", "n_head")
    width, groups = number("hidden_size", "n_embd"), number("num_key_value_heads")
    size = number("head_dim")
    if size is None and width and heads:
        size = width // heads
    cache = None
    if layers and heads and size:
        cache = 2 * layers * (groups or heads) * size * BYTES_OF_A_NUMBER[dtype]
    return ModelFacts(None, number("max_position_embeddings", "n_positions"), cache)


def _memory(facts: ModelFacts, recipe: Recipe) -> str:
    """Memory for one model: to search with it, to keep what it has read, and to train it."""
    assert facts.parameters is not None
    weights = facts.parameters * BYTES_OF_A_NUMBER[recipe.models.dtype]
    parts = [f"weights {_gib(weights)} in {recipe.models.dtype}, for policy and value model each"]
    if facts.cache_bytes is not None:
        whole = facts.cache_bytes * recipe.concurrency * recipe.sampling.trace_tokens
        traces = f"{recipe.concurrency} traces of {recipe.sampling.trace_tokens} tokens"
        parts.append(f"keys and values {_gib(whole)} for {traces}")
    # Weights, gradients and the two moments of AdamW, each in float32.
    all_weights = f"{_gib(16 * facts.parameters)} and activations"
    if adapted(recipe.policy_training, recipe.preference_training):
        parts.append(f"training of the adapter {_gib(4 * facts.parameters)}, the adapter and activations")
        parts += [f"training of the value model {all_weights}"] if LOOPS[recipe.loop].trains_value else []
    else:
        parts.append(f"training {all_weights}")
    return "; ".join(parts)


def _gib(count: float) -> str:
    return f"{count / 1024**3:,.1f} GiB"


def _engines(recipe: Recipe) -> Iterator[Finding]:
    for name in dict.fromkeys((recipe.models.engine, recipe.models.valued_by)):
        engine = ENGINES[name]
        if engine.installed:
            yield Finding("engine", f"{name}: installed")
        else:
            yield Finding("engine", f"{name}: not installed", False, f"install it: {engine.install}")


def _training(recipe: Recipe) -> Iterator[Finding]:
    for name in _libraries(recipe):
        if find_spec(name) is None:
            yield Finding("library", f"{name}: not installed", False, f"pip install {name}")
        else:
            yield Finding("library", f"{name}: installed")


def _libraries(recipe: Recipe) -> Sequence[str]:
    """The libraries that a training of the recipe needs beside those that every training needs."""
    needed = ["trl"] if recipe.loop in ("self-rewarding", "step-pairs") else []
    return [*needed, "peft"] if adapted(recipe.policy_training, recipe.preference_training) else needed


def _gpu(recipe: Recipe, policy: ModelFacts) -> Finding:
    from restmcts.tools.doctor import gpus

    found = gpus()
    if found:
        return Finding("GPU", "; ".join(found))
    if recipe.models.device == "cuda":
        return Finding("GPU", "none", False, "run on a machine with a GPU, or set models.device to auto")
    large = policy.parameters is not None and policy.parameters > 1e9
    advice = "a model of this size needs one: run on a machine with a GPU" if large else ""
    return Finding("GPU", "none; torch computes on the CPU", False if large else None, advice)
