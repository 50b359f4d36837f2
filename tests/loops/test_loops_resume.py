"""Every loop, interrupted at the end of each of its phases, ends with what it would have made undisturbed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.base import Sample, SamplingRequest
from store.check import check
from store.files.layout import RunLayout
from store.runs.judgements import JudgementFile
from store.runs.writer import RunWriter
from tests.loops.scripted import Marker, Scripts, opened, recipe, to_the_end
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


@pytest.mark.parametrize("tokens", [None, 900])
def test_judging_goes_on_behind_the_last_judgement(
    scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: int | None
) -> None:
    own = {"samples": 4, "judgements": 2, "judge_tokens": 10, "judge_share": 0.4}
    wanted = recipe(
        loop="self-rewarding", loop_settings=own, generation={"tokens": tokens}, iterations=1, concurrency=2
    )
    to_the_end(tmp_path / "whole", wanted)
    asked = sum(len(policy.calls) for policy in scripts.policies if isinstance(policy, Marker))
    propose, calls, lost = Marker.propose, 0, 0

    async def killed_often(marker: Marker, request: SamplingRequest) -> list[Sample]:
        nonlocal calls, lost
        calls += 1
        if calls % 6 == 0:
            lost += 1
            raise Killed
        return await propose(marker, request)

    monkeypatch.setattr(Marker, "propose", killed_often)
    kills, path = 0, RunLayout(tmp_path / "killed", "run").judgements("1.judge")
    while True:
        try:
            to_the_end(tmp_path / "killed", wanted)
        except Killed:
            kills += 1
            path.write_bytes(path.read_bytes() + b'{"format":1,"tree":"1.sea')
        else:
            break
    assert kills >= 2
    assert calls == asked + lost
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not [finding for finding in check(tmp_path / "killed") if "judgements" in finding]
    path.write_bytes(path.read_bytes().replace(b"points", b"pionts", 1))
    assert [finding for finding in check(tmp_path / "killed") if f"{path}:1: " in finding]


def test_a_judgement_of_another_trace_does_not_count(scripts: Scripts, tmp_path: Path) -> None:
    own = {"samples": 4, "judgements": 2, "judge_tokens": 10}
    wanted = recipe(loop="self-rewarding", loop_settings=own, iterations=1)
    to_the_end(tmp_path / "whole", wanted)
    layout = RunLayout(tmp_path / "whole", "run")
    with JudgementFile(layout, "1.judge") as file:
        judgements = list(file.found.values())
    assert len(judgements) > 10 and all(each.replies for each in judgements)
    other = RunLayout(tmp_path / "other", "run")
    with JudgementFile(other, "1.judge") as file:
        for each in judgements:
            file.add(replace(each, text="0" * 16, points=0.0))
    to_the_end(tmp_path / "other", wanted)
    assert contents(tmp_path / "other") == contents(tmp_path / "whole")
