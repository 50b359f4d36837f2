"""`restmcts eval --from`: what stored trees say when they are answered, labelled and cut anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restmcts.errors import InputError, StoreError

if TYPE_CHECKING:
    from restmcts.loops.stored.anew import Anew, FromTrees, Known, Source
    from restmcts.loops.stored.label_agreement import Agreement

RANKS = ("ranked by", "AUC of finished solutions", "95 % interval")
AGREEMENT = ("rule", "steps", "shared", "within 0.1", "mean difference", "correlation")


@dataclass(frozen=True, slots=True)
class AskedAnew:
    """What was asked for: the options of `restmcts eval --from`.

    ``names``: ``RUN`` or ``RUN/PHASE``; ``labels``: label rules to compare with that of the run;
    ``problems``: a file of the problems, where a grader needs more of them than the trees say (None: those
    of the run).
    """

    names: Sequence[str]
    answers: Sequence[str]
    budgets: Sequence[int]
    grader: str | None
    labels: Sequence[str]
    problems: Path | None
    overrides: Sequence[str]


def show_anew(root: Path, asked: AskedAnew, as_json: bool, *, shared: bool = False) -> None:
    """Print what the trees of runs or phases say anew, and store it where a run can be written.

    Args:
        shared: show what one budget for all problems would have come to, instead.

    Raises:
        InputError: see :func:`restmcts.loops.stored.anew.sources` and ``from_trees``; or there is no such
            rule.
    """
    from restmcts.cli.output.console import print_json
    from restmcts.loops.stored.anew import from_trees, sources

    wanted = _wanted(asked)
    chosen = {str(source): source for name in asked.names for source in sources(root, name)}
    if shared:
        _show_shared(chosen, wanted, as_json)
        return
    found = []
    for source in chosen.values():
        known = _problems(root, source, asked.problems) if wanted.grader else {}
        found.append((from_trees(source, wanted, known), _agreement(root, source, asked.labels)))
    stored = [_kept(root, anew) for anew, _ in found]
    if as_json:
        print_json([_as_dict(*pair, kept) for pair, kept in zip(found, stored, strict=True)])
        return
    for (anew, agreement), kept in zip(found, stored, strict=True):
        _print(anew, agreement, kept)


def _wanted(asked: AskedAnew) -> Anew:
    from restmcts.labels import LABEL_RULES
    from restmcts.loops.stored.anew import Anew
    from restmcts.recipe_text import nested_overrides
    from store.answering.rules import RULES

    tables = nested_overrides(asked.overrides)
    constants = tables.pop("constants", {})
    if tables or not isinstance(constants, dict):
        raise InputError(
            f"--from: -o {next(iter(tables), 'constants')}: only constants.KEY=VALUE can be changed"
        )
    for rule in asked.answers:
        if rule not in RULES:
            raise InputError(f"--answer {rule!r}: unknown answer rule: choose from {', '.join(RULES)}")
    for rule in asked.labels:
        LABEL_RULES.get(rule, "--labels")
    return Anew(list(dict.fromkeys(asked.answers)), asked.budgets, constants, asked.grader)


def _show_shared(chosen: Mapping[str, Source], wanted: Anew, as_json: bool) -> None:
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.tables import print_shared
    from restmcts.loops.stored.shared_anew import shared_anew

    means = sorted(set(wanted.budgets))
    if not means:
        raise InputError("--budget-shared: give the mean tokens a problem with --budget")
    found = {name: shared_anew(source, means, wanted.answers) for name, source in chosen.items()}
    if as_json:
        print_json([{"from": name, "rows": rows} for name, rows in found.items()])
        return
    for name, rows in found.items():
        print_shared(f"{name}: one budget for all problems, thresholds chosen on the other half", rows)


def _problems(root: Path, source: Source, file: Path | None) -> Known:
    """What is known of the problems of a run; nothing, with a note, where they cannot be read."""
    from restmcts.cli.output.text import note
    from restmcts.cli.received import check_files
    from restmcts.problems.jsonl import load_problems
    from restmcts.problems.registry import load_splits
    from restmcts.stored_recipes import stored_recipe

    if file is not None:
        return {(problem.id, problem.text): problem for problem in load_problems(file.expanduser())}
    run = source.layout.run
    try:
        recipe, _ = stored_recipe(root, run)
        check_files(root, run, recipe)
        splits = load_splits(recipe.problems, recipe.seed)
    except InputError as error:
        note(f"{source}: graded by what the trees say of the problems, without tolerances ({error})")
        return {}
    problems = (*splits.train, *splits.validation, *splits.test)
    return {(problem.id, problem.text): problem for problem in problems}


def _agreement(root: Path, source: Source, rules: Sequence[str]) -> list[Agreement]:
    from restmcts.loops.run import least_samples
    from restmcts.loops.stored.label_agreement import label_agreement
    from restmcts.stored_recipes import stored_bootstrap, stored_labels, stored_recipe

    if not rules:
        return []
    run = source.layout.run
    chosen = {rule: stored_labels(root, run, rule).build() for rule in dict.fromkeys(rules)}
    own = stored_recipe(root, run)[0].labels.build()
    least = least_samples(stored_bootstrap(root, run), source.phase.name)
    return label_agreement(source.records(), chosen, own, least)


def _kept(root: Path, found: FromTrees) -> str | None:
    """The phase that keeps the rows; None, with a note, where the run cannot be written."""
    from restmcts.cli.output.text import note
    from restmcts.loops.stored.anew import keep
    from restmcts.stored_recipes import stored_text
    from store.runs.writer import RunWriter

    run = found.source.layout.run
    try:
        text = stored_text(root, run)
        with RunWriter.create_or_open(root, run, config=text, environment={}, note=note) as writer:
            keep(writer, found)
    except StoreError as error:
        note(f"{found.source}: shown, but not stored: {error}")
        return None
    return found.name


def _as_dict(found: FromTrees, agreement: Sequence[Agreement], kept: str | None) -> dict[str, Any]:
    return {
        "run": found.source.layout.run,
        "from": found.source.phase.name,
        "phase": kept,
        "trees": found.trees,
        "rows": [{name: value for name, value in asdict(row).items() if name != "run"} for row in found.rows],
        "ranks": found.ranks,
        "labels": [asdict(one) for one in agreement],
    }


def _print(found: FromTrees, agreement: Sequence[Agreement], kept: str | None) -> None:
    from restmcts.cli.output.console import print_table
    from restmcts.cli.output.tables import print_evaluations
    from restmcts.cli.output.text import note

    for line in found.notes:
        note(line)
    where = "not stored" if kept is None else kept
    print_evaluations(f"{found.source}, {found.trees} trees answered anew ({where})", found.rows)
    if found.ranks:
        rows = [
            (name, f"{figures['auc']:.3f}", f"{figures['low']:.3f} - {figures['high']:.3f}")
            for name, figures in found.ranks.items()
        ]
        print_table("finished solutions, right ones above wrong ones", RANKS, rows)
    if agreement:
        print_table(
            "labels beside those of the run's rule", AGREEMENT, [_label_cells(one) for one in agreement]
        )


def _label_cells(one: Agreement) -> tuple[object, ...]:
    figures = (one.near, one.difference, one.correlation)
    return one.rule, one.steps, one.shared, *("–" if each is None else f"{each:.3f}" for each in figures)
