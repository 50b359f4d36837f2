"""What the engines alone need for the work of a search, with nothing waiting for anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from benchmarks.contenders.raw_vllm import Chain, RawEngine, Request, sampling
from benchmarks.contenders.searches import Asked, Recording
from benchmarks.contenders.workload import Workload
from restmcts.engines.base import Sample
from restmcts.engines.batching import Core, Finished, Job
from restmcts.engines.compute import COMPUTE


def replay_vllm(
    policy: RawEngine, value: RawEngine | None, workload: Workload, recording: Recording
) -> tuple[int, dict[str, Any]]:
    """Generate and score on vLLM what a search generated and scored; returns the tokens generated."""
    policy.forget()
    tally = {"tokens": 0, "equal": 0, "computed": 0}
    policy.drive((generate(asked, workload, tally) for asked in recording.proposals), workload.concurrency)
    if value is not None:
        value.forget()
        value.drive(map(score, recording.values), workload.concurrency)
    if tally["tokens"] != recording.tokens:
        raise RuntimeError(f"replayed {tally['tokens']} tokens of {recording.tokens}")
    samples = sum(len(asked.samples) for asked in recording.proposals)
    details = {"equal_samples": tally["equal"] / samples, "prompt_tokens_computed": tally["computed"]}
    return tally["tokens"], details


def generate(asked: Asked, workload: Workload, tally: dict[str, int]) -> Chain:
    """The samples of a request, each as long as it was; together they are one of the chains at once."""
    groups = list(grouped(asked))
    requests: list[Request] = []
    for first, number in groups:
        length = asked.samples[first].generated
        # Nothing else can end a sample, so that there is no need for min_tokens, which costs time.
        forced = {"max_tokens": length, "ignore_eos": True, "seed": asked.request.seeds[first]}
        requests.append((asked.request.prompt, sampling(workload, number, **forced)))
    outputs = yield requests
    for (first, _), output in zip(groups, outputs, strict=True):
        tally["computed"] += len(asked.request.prompt) - (output.num_cached_tokens or 0)
        for place, part in enumerate(output.outputs, start=first):
            tally["tokens"] += len(part.token_ids)
            tally["equal"] += written(asked.samples[place]) == tuple(part.token_ids)[: wrote(asked, place)]


def grouped(asked: Asked) -> Iterator[tuple[int, int]]:
    """Neighbours of equal length as (first, how many): they can be one request, with the seeds they had."""
    lengths = [sample.generated for sample in asked.samples]
    start = 0
    for place, (one, other) in enumerate(pairwise([*lengths, -1]), start=1):
        if one != other or asked.request.seeds[place] != asked.request.seeds[place - 1] + 1:
            yield start, place - start
            start = place


def written(sample: Sample) -> tuple[int, ...]:
    """The tokens of a sample, without the one that ends the text."""
    return tuple(token for step in sample.steps for token in step.tokens)


def wrote(asked: Asked, place: int) -> int:
    return len(written(asked.samples[place]))


def score(prompts: Any) -> Chain:
    """Partial solutions that were scored together."""
    from vllm.pooling_params import PoolingParams

    yield [(prompt, PoolingParams(task="classify", use_activation=False)) for prompt in prompts]


def replay_transformers(
    policy: Any, value: Any, workload: Workload, recording: Recording
) -> tuple[int, dict[str, Any]]:
    """The same on the cores of the engines for transformers, stepped here; ``value`` may be None.

    The engines must have no threads of their own any more. Samples have the seeds that they had and end by
    themselves, so in float32 they are the same ones.
    """
    from restmcts.engines.transformers.decoding import SamplingJob
    from restmcts.engines.transformers.scoring import Scoring

    loop = asyncio.new_event_loop()
    finished: list[Any] = []

    def propose(asked: Asked) -> Job:
        request = asked.request
        room = policy.context - len(request.prompt)
        return SamplingJob(
            future=loop.create_future(),
            loop=loop,
            request=replace(request, max_tokens=min(request.max_tokens, room)),
            prompt=request.prompt,
            open=policy._is_open(request.prompt),
            left=request.total_tokens,
        )

    COMPUTE.call(
        drive_core, policy._decoder, map(propose, recording.proposals), workload.concurrency, finished.extend
    )
    if value is not None:
        jobs = (Scoring(loop.create_future(), loop, tuple(prompts)) for prompts in recording.values)
        COMPUTE.call(drive_core, value._scorer, jobs, workload.concurrency, lambda _: None)
    loop.close()
    samples = [sample for _, part in finished for sample in part]
    return sum(sample.generated for sample in samples), {"recorded_tokens": recording.tokens}


def drive_core(core: Core, jobs: Iterator[Job], concurrency: int, take: Callable[[Finished], None]) -> None:
    """Step ``core`` until it has done all jobs, with ``concurrency`` of them at a time."""
    running = 0
    while True:
        while running < concurrency and (job := next(jobs, None)) is not None:
            core.add(job)
            running += 1
        if not running:
            return
        done = core.step()
        running -= len(done)
        take(done)
