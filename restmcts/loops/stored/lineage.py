"""Where a model comes from: its ancestors, the samples they learned from, the trees behind these samples.

Trees were searched with models too, so the whole is a graph: from a checkpoint to its parent, and to the
policies and value models of the searches whose trees it learned from. What a store does not say stays unknown
and is named; nothing is guessed from it silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

BASE = "base"
"""The role of a model that the run was given."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a run: its SHA-256 as it was noted when it was written, and what is wrong with it now."""

    path: str
    sha256: str | None
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The samples that a phase wrote: how many, and the trees that they come from, each once."""

    phase: str
    file: StoredFile
    samples: int
    trees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Searches:
    """Trees of one phase that samples come from, and the models that they were searched with.

    ``trees`` are the ones that were used; None: nobody has noted which. ``stored`` counts all of the phase.
    """

    phase: str
    iteration: int | None
    trees: tuple[str, ...] | None
    stored: int
    policies: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """What a store says about the making of a model.

    ``samples_from``: the phases whose sample files it learned from; ``trees_of``: phases whose trees it
    learned from directly. ``by_name``: both follow from the names of phases, since nobody noted them.
    ``source``: the run that made the model, where this run has taken it over.
    """

    role: str
    iteration: int | None = None
    phase: str | None = None
    parent: str | None = None
    carried: bool | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    updates: int | None = None
    samples: int | None = None
    samples_from: tuple[str, ...] = ()
    trees_of: tuple[str, ...] = ()
    by_name: bool = False
    source: str | None = None
    uses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """A model and what it was made from; ``notes`` says what is unknown or damaged, in words."""

    name: str
    made: Made
    weights: tuple[StoredFile, ...]
    samples: tuple[SampleSet, ...] = ()
    searches: tuple[Searches, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lineage:
    """The lineage of a model of a run.

    ``chain`` names the model, its parent and so on down to the base; ``models`` holds these, and after them
    every other model that took part: those that the trees were searched with, and their ancestors.
    ``environment`` is what the run was written with, and empty where nobody knows.
    """

    run: str
    chain: tuple[str, ...]
    models: tuple[Model, ...]
    recipe: StoredFile
    seed: int | None
    environment: Mapping[str, Any]
    notes: tuple[str, ...] = ()


class Records(Protocol):
    """What a lineage asks a stored run for."""

    def made(self, model: str) -> Made | None:
        """How a model was made; None where the run does not know it."""
        ...

    def weights(self, model: str) -> tuple[list[StoredFile], list[str]]:
        """The weights of a model, and what is wrong with its folder, in words."""
        ...

    def sample_set(self, phase: str) -> tuple[SampleSet | None, list[str]]:
        """The samples that a phase wrote, and what is wrong with them, in words."""
        ...

    def searches(self, phase: str, trees: Sequence[str] | None) -> tuple[Searches, list[str]]:
        """The trees of a phase, of which some were used, and what is wrong with them, in words."""
        ...


def model_of(records: Records, name: str) -> Model:
    """One model, with the samples and the trees that it learned from."""
    made = records.made(name)
    if made is None:
        return Model(name, Made("unknown"), (), notes=(f"no phase of the run has noted how {name} was made",))
    weights, notes = records.weights(name)
    sets: list[SampleSet] = []
    for phase in made.samples_from:
        found, wrong = records.sample_set(phase)
        notes += wrong
        sets += [] if found is None else [found]
    used: dict[str, list[str] | None] = dict.fromkeys(made.trees_of)
    for tree in dict.fromkeys(tree for one in sets for tree in one.trees):
        named = used.setdefault(tree.rpartition("/")[0], [])
        if named is not None:
            named.append(tree)
    searches: list[Searches] = []
    for phase, trees in used.items():
        searched, wrong = records.searches(phase, trees)
        notes += wrong
        searches.append(searched)
    return Model(name, made, tuple(weights), tuple(sets), tuple(searches), tuple(notes))


def chain_and_others(records: Records, name: str) -> tuple[tuple[str, ...], tuple[Model, ...]]:
    """The names from a model down to its base, and every model that took part, those of the chain first."""
    models: dict[str, Model] = {}
    chain: list[str] = []
    step: str | None = name
    while step is not None and step not in models:  # a damaged file may name a model as its own ancestor
        models[step] = model_of(records, step)
        chain.append(step)
        step = models[step].made.parent
    waiting = [other for step in chain for other in _behind(models[step])]
    while waiting:
        other = waiting.pop(0)
        if other not in models:
            models[other] = model_of(records, other)
            waiting += _behind(models[other])
    return tuple(chain), tuple(models.values())


def _behind(model: Model) -> list[str]:
    """The models that a model is made from: its parent, and those that its trees were searched with."""
    parents = [] if model.made.parent is None else [model.made.parent]
    searched = [name for one in model.searches for name in (*one.policies, *one.values)]
    return list(dict.fromkeys([*parents, *searched]))
