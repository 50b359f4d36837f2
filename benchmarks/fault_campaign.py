"""Lets a disk fail, forget and change what was stored, and looks whether anybody notices.

    python -m benchmarks.fault_campaign faults    # a run without models: every fault at every call
    python -m benchmarks.fault_campaign power     # 200 power failures in a run with models
    python -m benchmarks.fault_campaign damage    # 500 damages to runs with models

faults: one call that changes the disk fails (full, full from then on, an error) or is the last of the process
(before it, or in the middle of it). The run is started again and must end like one that nobody disturbed.

power: the power fails at a random moment; only what was forced to the disk is left, in half of the cases with
a random part of the rest. The run is started again and must end like one that nobody disturbed.

damage: a file of a copied store is damaged. The check must name that, and a run that is started again must
either refuse or end like one that nobody damaged.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from random import Random

import pytest

from restmcts.errors import RestmctsError
from store.check import check
from store.errors import StoreError
from store.runs.writer import RunWriter
from tests.support import small_runs
from tests.support.damage import damage, is_harmless
from tests.support.disk import FAULTS, FaultyDisk, ForgetfulDisk, Killed
from tests.support.stores import contents, problems_of

Outcome = tuple[str, str]
"""What came of one case: its kind, and what went wrong (empty: nothing)."""

SMALL = Path(__file__).parents[1] / "tests" / "cli" / "small.toml"
RUN = "run"
LESS = [
    "bootstrap.problems=12",
    "generation.problems=6",
    "evaluation.problems=3",
    "problems.validation=4",
    "policy_training.updates=2",
    "value_start.updates=2",
    "value_training.updates=2",
]
"""What makes a run with a given policy shorter; it has the same phases."""


def iterate(root: Path, policy: Path | None = None) -> str:
    """Start a run with models in this process, or go on with it; returns what it told on the way.

    ``policy``: the policy to start from, instead of training one, which takes most of the time.
    """
    from restmcts.cli.commands.iterate import iterate as command

    told = io.StringIO()
    given = [] if policy is None else [f'models.policy="{policy}"', *LESS]
    with redirect_stdout(io.StringIO()), redirect_stderr(told):
        command(str(SMALL), root, RUN, override=given, as_json=True)
    return told.getvalue()


def make_policy(folder: Path) -> Path:
    """The policy that the run with models would train first."""
    iterate(folder)
    return folder / "runs" / RUN / "checkpoints" / "0" / "policy"


def faults(folder: Path, options: argparse.Namespace) -> Iterator[Outcome]:
    """Every fault at every call of a run without models, or at every ``options.step``-th."""
    small_runs.go_on(folder / "calm")
    expected = contents(folder / "calm", small_runs.RUN)
    for exchange in (True, False):
        counted = FaultyDisk()
        with counted.mounted(exchange=exchange):
            small_runs.go_on(folder / f"counted-{exchange}")
        for fault in FAULTS:
            for place in range(0, counted.count, options.step):
                disk, root = FaultyDisk(place, fault), folder / "run"
                with suppress(StoreError, Killed), disk.mounted(exchange=exchange):
                    small_runs.go_on(root)
                small_runs.go_on(root)
                wrong = problems_of(root, expected, small_runs.RUN)
                shutil.rmtree(root)
                yield fault, f"at call {place}: {'; '.join(wrong)}" if wrong else ""


def power(folder: Path, options: argparse.Namespace) -> Iterator[Outcome]:
    """Power failures at random moments of a run with models."""
    chance = Random(options.seed)
    policy = make_policy(folder / "base")
    counted = _watched(folder / "calm", {}, policy)
    expected = contents(folder / "calm", RUN)
    moments: dict[int, list[tuple[Path, Random | None]]] = {}
    for number in range(options.moments):
        place = chance.randrange(counted.count)
        luck = Random(number) if number % 2 else None
        moments.setdefault(place, []).append((folder / f"left-{number}", luck))
    _watched(folder / "run", moments, policy)
    print(f"{counted.count} calls of fsync", flush=True)
    for place, left in sorted(moments.items()):
        for root, luck in left:
            kind = "what was forced" if luck is None else "what was forced, and a part of the rest"
            wrong = _gone_on(root, expected, policy)
            shutil.rmtree(root)
            yield kind, f"before fsync {place}: {wrong}" if wrong else ""


def _watched(root: Path, moments: dict[int, list[tuple[Path, Random | None]]], policy: Path) -> ForgetfulDisk:
    root.mkdir()
    disk = ForgetfulDisk(root, moments)
    with disk.mounted():
        iterate(root, policy)
    return disk


def _gone_on(root: Path, expected: dict[str, str], policy: Path) -> str:
    try:
        iterate(root, policy)
    except RestmctsError as error:
        return f"refused: {error}"
    return "; ".join(problems_of(root, expected, RUN))


def damages(folder: Path, options: argparse.Namespace) -> Iterator[Outcome]:
    """Random damages to a finished and to an interrupted run with models."""
    policy = make_policy(folder / "base")
    iterate(folder / "finished", policy)
    _interrupted(folder / "interrupted", options.interrupted_in, policy)
    for name, count in (("finished", options.finished), ("interrupted", options.interrupted)):
        for number in range(count):
            root = folder / "damaged"
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(folder / name / "runs", root / "runs")
            done = damage(root / "runs" / RUN, Random(f"{options.seed} {number}"))
            kind, wrong = _judged(folder, name, policy)
            yield f"{name}, {kind}", f"{done}: {wrong}" if wrong else ""


def _interrupted(root: Path, last: str, policy: Path) -> None:
    """A run that was killed when it started the phase ``last``."""
    start = RunWriter.start_phase

    def stop(writer: RunWriter, name: str, kind: str, iteration: int | None, *, again: bool) -> None:
        start(writer, name, kind, iteration, again=again)
        if name == last:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunWriter, "start_phase", stop)
        with suppress(Killed):
            iterate(root, policy)


def _judged(folder: Path, name: str, policy: Path) -> Outcome:
    """Whether anybody notices what was done to the copy of the run ``name``."""
    root, sound = folder / "damaged", folder / name / "runs" / RUN
    seen = [finding for finding in check(root) if "index.db" not in finding]
    if not seen and not is_harmless(sound, root / "runs" / RUN):
        return "not named", "the check does not see it"
    kind = "named" if seen else "harmless"
    damaged = _changed_weights(sound, root / "runs" / RUN)
    try:
        told = iterate(root, policy)
    except RestmctsError:
        return f"{kind}; a start refuses it", ""
    other = contents(root, RUN).items() ^ contents(folder / "finished", RUN).items()
    if not other:
        return f"{kind}; a start ends as undamaged", ""
    if "is gone" in told:
        return f"{kind}; a start tells it, and ends", ""
    if {path for path, _ in other} == damaged:
        return f"{kind}; a start does not use it", ""
    return kind, "a start ends with something else, and does not tell"


def _changed_weights(before: Path, after: Path) -> set[str]:
    names = [path.relative_to(before).as_posix() for path in before.rglob("*.safetensors")]
    both = [name for name in names if (after / name).is_file()]
    return {name for name in both if (after / name).read_bytes() != (before / name).read_bytes()}


CAMPAIGNS = {"faults": faults, "power": power, "damage": damages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("campaign", choices=CAMPAIGNS)
    parser.add_argument("--step", type=int, default=1, help="faults: only every so manieth call")
    parser.add_argument("--moments", type=int, default=200, help="power: how many failures")
    parser.add_argument("--finished", type=int, default=400, help="damage: how many in a finished run")
    parser.add_argument("--interrupted", type=int, default=100, help="damage: how many in an interrupted run")
    parser.add_argument("--interrupted-in", default="1.validate", help="damage: the phase it was killed in")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seen: Counter[str] = Counter()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind, wrong in CAMPAIGNS[options.campaign](Path(folder), options):
            seen[kind] += 1
            if wrong:
                failed += 1
                print(f"{kind}: {wrong}", flush=True)
    for kind, count in sorted(seen.items()):
        print(f"{count:6}  {kind}")
    print(f"{failed:6}  went wrong")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
