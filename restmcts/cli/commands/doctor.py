"""`restmcts doctor`: what this machine has, what is missing, and how fast it is."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Override, Root

if TYPE_CHECKING:
    from restmcts.tools.speed import Speed


def doctor(
    root: Root = ROOT,
    bench: Annotated[
        bool, typer.Option("--bench", help="Measure the speed of the engines, and of a search on them.")
    ] = False,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="With --bench: a model folder [default: random weights]."),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="With --bench: about how long it may take.")
    ] = 30.0,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            help="What the Ray cluster at this address has: auto, local or an address.",
            metavar="ADDRESS",
        ),
    ] = None,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Show versions, devices and extras, and what to install for the rest; exit code 1 on a problem.

    With --bench, it measures how many tokens a second each installed engine generates: alone (three
    independent samples a prompt, 64 prompts at once), in a search whose values cost nothing, and in a search
    with a value model of the policy's size. It also says which settings look wrong. -o models.KEY=VALUE sets
    the engines, for example -o models.engine=vllm -o models.threads=2; without models.engine, all installed
    engines are measured.

    --cluster ADDRESS shows the nodes of a Ray cluster and what they have, and says which of them have other
    versions than this machine, so that no search can run there.
    """
    from restmcts.errors import InputError

    if bench and cluster is not None:
        raise InputError("--bench measures this machine: leave --cluster out")
    if cluster is not None:
        show_cluster(cluster, as_json)
        return
    if bench:
        measure_speed(policy, override or [], seconds, as_json)
        return
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.tools.doctor import report

    findings = report(root)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        marks = {True: "ok", False: "missing", None: ""}
        rows = [(f.name, marks[f.ok], f.value, f.hint) for f in findings]
        print_table("restmcts doctor", ("what", "", "found", "what to do"), rows)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def show_cluster(address: str, as_json: bool) -> None:
    """Print what the nodes of a cluster have; exit code 1 where searches cannot run on one of them."""
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.workers.cluster.connection import amounts, disconnect
    from restmcts.workers.cluster.inspection import inspect_cluster

    try:
        found = inspect_cluster(address)
    finally:
        disconnect()
    if as_json:
        print_json([asdict(node) for node in found])
    else:
        rows = [
            (node.address, amounts(node.resources), "missing" if node.problem else "ok", node.problem)
            for node in found
        ]
        print_table(f"cluster {address}", ("node", "has", "", "what is wrong"), rows)
    if any(node.problem for node in found):
        raise typer.Exit(1)


def measure_speed(policy: Path | None, overrides: list[str], seconds: float, as_json: bool) -> None:
    """Measure, and print what came out."""
    from restmcts.engines.open import prepare
    from restmcts.engines.settings import ModelSettings
    from restmcts.settings import checked
    from restmcts.tools.speed import advice, engines_here, measure_all

    tables = _model_tables(overrides)
    models = checked(ModelSettings, tables, "models")
    engines = [models.engine] if "engine" in tables else engines_here()
    prepare(models)
    from restmcts.tools.models.random_weights import write_random_policy, write_untrained_value

    with tempfile.TemporaryDirectory() as folder:
        if policy is None:
            policy = Path(folder) / "policy"
            write_random_policy(policy)
        value = Path(folder) / "value"
        write_untrained_value(policy, value, models.dtype)
        speeds = measure_all(policy, value, models, engines, seconds)
    _show(speeds, advice(speeds, models), as_json)


def _model_tables(overrides: list[str]) -> dict[str, object]:
    from restmcts.errors import InputError
    from restmcts.recipe_text import nested_overrides

    tables = nested_overrides(overrides)
    unknown = sorted(set(tables) - {"models"})
    if unknown:
        raise InputError(
            f"-o {unknown[0]}: only settings of models are measured, for example -o models.threads=2"
        )
    found: dict[str, object] = tables.get("models", {})
    return found


def _show(speeds: list[Speed], hints: list[str], as_json: bool) -> None:
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.cli.output.text import say

    if as_json:
        print_json({"speeds": [asdict(speed) | {"ratio": speed.ratio} for speed in speeds], "advice": hints})
        return
    rows = [
        (
            speed.engine,
            f"{speed.alone:,.0f}",
            f"{speed.search:,.0f}",
            f"{speed.ratio:.2f}",
            f"{speed.valued:,.0f}",
            f"{speed.hits:.0%}",
        )
        for speed in speeds
    ]
    columns = ("engine", "alone", "MCTS*", "of alone", "with a value model", "cache hits")
    print_table("generated tokens a second, 64 problems at once", columns, rows)
    for hint in hints:
        say(hint)
    if not hints:
        say("nothing seems to be set badly")
