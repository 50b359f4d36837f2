"""A lineage as text: the chain from a model to its base, and the other models that took part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from restmcts.loops.stored.lineage import Lineage, Model, Searches, StoredFile

DIGITS = 12
"""Characters of a SHA-256 that are shown."""

NAMED = 4
"""Trees that are named where not all of them are asked for."""


def lineage_lines(found: Lineage, *, trees: bool) -> Iterator[str]:
    """The lines of a lineage; ``trees``: with the names of all trees. They may hold any text."""
    yield f"{found.chain[0]} of run {found.run}" if found.run else found.chain[0]
    if found.recipe.path:
        seed = "not known" if found.seed is None else str(found.seed)
        yield f"  recipe   {_file(found.recipe)}, seed {seed}"
        yield f"  written  {_versions(found.environment)}"
    for note in found.notes:
        yield f"  note     {note}"
    for model in found.models[: len(found.chain)]:
        yield from _model(model, trees)
    others = found.models[len(found.chain) :]
    if others:
        yield ""
        yield "models that the trees were searched with, and their ancestors"
    for model in others:
        yield from _model(model, trees)


def _model(model: Model, trees: bool) -> Iterator[str]:
    made = model.made
    yield ""
    yield f"{model.name}: {_description(model)}"
    if made.parent is not None:
        yield f"  from     {made.parent}"
    if made.updates is not None:
        yield f"  trained  {made.updates} updates on {made.samples} samples"
    yield from (f"  weights  {_file(file)}" for file in model.weights)
    for one in model.samples:
        yield f"  samples  {one.phase}: {one.samples} of {len(one.trees)} trees, {_file(one.file)}"
    for searched in model.searches:
        yield f"  trees    {_searches(searched)}"
        names = searched.trees or ()
        shown = names if trees else names[:NAMED]
        if shown:
            yield f"           {', '.join(shown)}{', …' if len(shown) < len(names) else ''}"
    if made.by_name and (model.samples or model.searches):
        yield "  note     the run has not noted what this was made from; the names of its phases say it"
    yield from (f"  note     {note}" for note in model.notes)


def _description(model: Model) -> str:
    made = model.made
    if made.role == "base":
        return "base model, given to the run"
    parts = [made.role if made.iteration is None else f"{made.role} of iteration {made.iteration}"]
    if made.phase is not None:
        parts.append(f"made by {made.phase}")
    if made.source is not None:
        parts.append(f"taken over from run {made.source}")
    if made.carried is not None:
        parts.append("carried on" if made.carried else "not carried on")
    if made.parent is None and made.phase is not None:
        parts.append("trained from nothing by the data set")
    return ", ".join(parts)


def _searches(searched: Searches) -> str:
    count = "all" if searched.trees is None else str(len(searched.trees))
    models = " and ".join([*searched.policies, *searched.values]) or "models that nobody has noted"
    return f"{searched.phase}: {count} of {searched.stored}, searched with {models}"


def _file(file: StoredFile) -> str:
    digest = "no fingerprint noted" if file.sha256 is None else f"sha256 {file.sha256[:DIGITS]}"
    return f"{file.path} ({digest}{'' if file.wrong is None else f'; now: {file.wrong}'})"


def _versions(environment: Any) -> str:
    if not environment:
        return "by versions that nobody has noted"
    packages = environment.get("packages")
    names = [f"{name} {version}" for name, version in packages.items()] if isinstance(packages, dict) else []
    revision = environment.get("revision")
    own = f"restmcts {environment.get('restmcts', 'of an unknown version')}"
    return ", ".join([own + (f" ({str(revision)[:DIGITS]})" if revision else ""), *names])
