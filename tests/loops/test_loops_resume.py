"""Every loop, interrupted at the end of each of its phases, ends with what it would have made undisturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from store.runs.writer import RunWriter
from tests.loops.scripted import Scripts, opened, recipe, to_the_end
from tests.support.stores import contents

GUIDED: dict[str, Any] = {"method": "mcts-improved", "budget": 60, "tokens": 420}

RUNS: dict[str, dict[str, Any]] = {
    "rest-mcts": {"generation": GUIDED, "control": True},
    "step-pairs": {"loop": "step-pairs", "generation": GUIDED},
    "rest-em": {
        "loop": "rest-em",
        "loop_settings": {"samples": 4, "bootstrap": True},
        "generation": {"tokens": 700, "temperatures": [0.5, 1.0], "tuning_problems": 2, "tuning_traces": 3},
        "control": True,
    },
    "self-rewarding": {
        "loop": "self-rewarding",
        "loop_settings": {"samples": 4, "judgements": 2, "judge_tokens": 10, "judge_share": 0.4},
        "generation": {"tokens": 900},
        "control": True,
    },
    "self-rewarding by likelihood": {
        "loop": "self-rewarding",
        "loop_settings": {"samples": 4, "judge": "likelihood"},
    },
}

PHASES = {
    "rest-mcts": (
        "search label select train-policy validate train-value evaluate train-control evaluate-control"
    ),
    "step-pairs": "search label select pair train-policy train-preference validate train-value evaluate",
    "rest-em": "tune search select train-policy validate evaluate train-control evaluate-control",
    "self-rewarding": "search judge pair train-policy validate evaluate train-control evaluate-control",
    "self-rewarding by likelihood": "search judge pair train-policy validate evaluate",
}


class Killed(BaseException):
    """What ends a run as a signal does: nothing is noted any more."""


def phases_of(root: Path, kind: dict[str, Any]) -> list[str]:
    with opened(root, recipe(**kind)) as run:
        return [phase.name for phase in run.writer.phases()]


@pytest.mark.parametrize("name", RUNS)
def test_a_loop_goes_on_after_an_interruption_in_any_phase(
    scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    wanted = recipe(**RUNS[name])
    to_the_end(tmp_path / "whole", wanted)
    expected = contents(tmp_path / "whole")
    phases = phases_of(tmp_path / "whole", RUNS[name])
    for iteration in (1, 2):
        assert [phase[2:] for phase in phases if phase.startswith(f"{iteration}.")] == PHASES[name].split()
    finish = RunWriter.finish_phase
    killed_in: list[str] = []

    def killed_once(writer: RunWriter, phase: str, summary: dict[str, Any]) -> None:
        if phase not in killed_in:
            killed_in.append(phase)
            raise Killed
        finish(writer, phase, summary)

    monkeypatch.setattr(RunWriter, "finish_phase", killed_once)
    for _ in phases:
        with pytest.raises(Killed):
            to_the_end(tmp_path / "killed", wanted)
    to_the_end(tmp_path / "killed", wanted)
    assert killed_in == phases
    assert contents(tmp_path / "killed") == expected
