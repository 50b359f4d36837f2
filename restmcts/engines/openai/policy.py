"""A policy behind an OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, or a hosted service."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from restmcts.engines.base import Sample, SamplingRequest, Tokens
from restmcts.engines.openai.byte_prompts import (
    BYTES_PER_TOKEN,
    PROBLEM_END,
    QUESTION_END,
    encode_text,
    estimate_tokens,
    split_prompt,
)
from restmcts.engines.openai.client import OpenAiServer, api_key, one_line, open_servers
from restmcts.engines.openai.empty_samples import EmptySamples
from restmcts.engines.openai.fleet import Fleet
from restmcts.engines.openai.probe import Abilities, Turn, examine, request_body
from restmcts.engines.openai.replies import (
    Choice,
    Reply,
    all_steps,
    first_step,
    generated_tokens,
    total_logprob,
)
from restmcts.engines.openai.thread import RequestThread
from restmcts.engines.server_settings import OpenAiSettings
from restmcts.engines.token_limit import check_total, draw_in_turns
from restmcts.errors import EngineError, InputError
from restmcts.prompts import INSTRUCTION, fill_template
from store.events import Step

TEMPLATE: Final = "Problem:\n{problem}\n\n{instruction}\n\nSolution:\n"
"""The prompt of the completions interface, unless the settings say otherwise. A chat has the problem and the
instruction as the user's turn, and the steps as the beginning of the assistant's."""

CONTEXT: Final = 4096
"""Tokens that a model is taken to read where neither the settings nor the server say it."""

MOST_SAMPLES: Final = 32
"""Samples in one request; more are split."""

SAME_QUESTION: Final = 200
"""Letters that questions about one problem have in common: the opening words, and some of the problem."""

SEED_MASK: Final = 2**31 - 1
"""Some servers keep seeds in 32 bits."""


class OpenAiPolicy:
    """A model on a server as a policy.

    A prompt is the UTF-8 bytes of the problem, a mark, and the bytes of the steps; the template and the
    instruction come around it when it is sent. ``context`` is in bytes too, two for every token that the
    model reads, which leaves room: text that is even denser is refused by the server and fails its search.
    ``generated`` and ``prompt`` of a sample are tokens as the server counts them.

    Samples depend on their seeds as far as the server makes them so; most do not promise it.
    """

    def __init__(
        self,
        model: str,
        settings: OpenAiSettings,
        *,
        name: str | None = None,
        template_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Connect, and find out what the server understands.

        Args:
            model: its name on the server.
            settings: the address and how to talk to it.
            name: how traces call this policy; the model's name by default.
            template_arguments: arguments of the chat template of the model; with some, chats are used.

        Raises:
            InputError: the key is missing, or the settings do not go together.
            EngineError: the server cannot be reached, or refuses everything.
        """
        if settings.template is not None and "{problem}" not in settings.template:
            raise InputError(f"models.openai.template {settings.template!r} must contain {{problem}}")
        if template_arguments and settings.api == "completions":
            raise InputError(
                "models.chat_template_arguments are for chats, but models.openai.api is completions: set that"
                " to chat, or leave the arguments out"
            )
        self.name = name or model
        self._settings = settings
        self._api: Literal["auto", "completions", "chat"] = "chat" if template_arguments else settings.api
        extra = {"chat_template_kwargs": dict(template_arguments)} if template_arguments else {}
        servers = open_servers(settings, model, settings.extra_body | extra)
        self._fleet: Fleet[OpenAiServer, Abilities] = Fleet(
            servers,
            partial(examine, wanted=self._api, seeds=settings.seeds),
            patience=settings.timeout,
            retries=settings.retries,
        )
        self._thread = RequestThread(model, partial(one_line, key=api_key(settings)))
        self._counts: Counter[str] = Counter()
        self._empty = EmptySamples()
        self._tells_stop = False
        try:
            abilities = self._thread.start(self._fleet.open).result()
        except BaseException:
            self.close()
            raise
        self.dialect = abilities.dialect
        context = min(filter(None, (settings.context, abilities.context)), default=CONTEXT)
        self._context_tokens = context
        self.context = context * BYTES_PER_TOKEN - estimate_tokens(self._frame()) * BYTES_PER_TOKEN
        if self.context < 1:
            self.close()
            raise InputError(f"{self.name}: a context of {context} tokens holds nothing but the instruction")

    def prompt(self, problem: str) -> Tokens:
        """The bytes of a problem and the mark after it, ready for the first step to follow."""
        return (*encode_text(problem), PROBLEM_END)

    def question(self, text: str, reply: str) -> Tokens:
        """A prompt that asks the model something else, without template and instruction.

        In a chat ``text`` is the user's turn, and ``reply`` the beginning of the assistant's.
        """
        return (*encode_text(text + "\n"), QUESTION_END, *encode_text(reply))

    def tokens(self, step: Step) -> Tokens:
        """The bytes of the text of a step."""
        return encode_text(step.text)

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        """Sample one continuation for each seed of the request.

        A step begins with the first visible character: where a continuation is only a blank line, it is
        asked for again without a stop string, which is counted too. Samples that might take more than
        ``total_tokens`` are drawn one after the other.

        Raises:
            EngineError: the server failed, the text is too long for the model, or ``total_tokens`` is less
                than one token for each sample; or all samples so far were empty, and there were many.
        """
        check_total(request, self.name)
        turn = self._turn(request.prompt)
        room = self._context_tokens - sum(map(estimate_tokens, (turn.user, turn.steps, self._frame())))
        fitting = replace(request, max_tokens=max(1, min(request.max_tokens, room)))
        if request.total_tokens is None:
            return await self._at_once(turn, fitting)
        return await draw_in_turns(partial(self._at_once, turn), fitting, request.total_tokens)

    async def _at_once(self, turn: Turn, request: SamplingRequest) -> list[Sample]:
        # At temperature 0 servers refuse more than one sample.
        size = MOST_SAMPLES if "n" in self.dialect.features and request.temperature > 0 else 1
        seeds = request.seeds
        parts = [seeds[first : first + size] for first in range(0, len(seeds), size)]
        requests = [replace(request, seeds=part) for part in parts]
        work = [self._thread.run(partial(self._sample, turn, part)) for part in requests]
        return [sample for samples in await asyncio.gather(*work) for sample in samples]

    def stats(self) -> dict[str, float]:
        """Tokens generated, prompt tokens read and found in the server's cache, requests sent, samples, and
        those of them that were empty; of several servers also what :meth:`Fleet.stats` has."""
        names = ("prompt_tokens", "cached_tokens", "generated_tokens")
        return {name: float(self._counts[name]) for name in names} | {
            **self._fleet.stats(),
            "samples": float(self._empty.samples),
            "empty_samples": float(self._empty.empty),
        }

    def remarks(self) -> list[str]:
        """That samples were empty, where their text went, and what to do; which servers were left out. Each
        is said once."""
        return [*self._empty.remarks(), *self._fleet.remarks()]

    def close(self) -> None:
        """Cancel what is under way and close the connections; requests still waiting fail."""
        self._thread.close(self._fleet.close)

    def _frame(self) -> str:
        """The text that is sent around a problem."""
        return (self._settings.template or TEMPLATE) + self._instruction()

    def _instruction(self) -> str:
        given = self._settings.instruction
        return INSTRUCTION if given is None else given

    def _turn(self, prompt: Tokens) -> Turn:
        """The text of a prompt, with what the interface needs around it."""
        mark, text, steps = split_prompt(prompt)
        if mark == QUESTION_END:
            return Turn(text, steps, text[:SAME_QUESTION])
        instruction = self._instruction()
        if self.dialect.api == "chat" and self._settings.template is None:
            return Turn(f"{text}\n\n{instruction}" if instruction else text, steps, text)
        template = self._settings.template or TEMPLATE
        return Turn(fill_template(template, text, instruction), steps, text)

    async def _sample(self, turn: Turn, request: SamplingRequest) -> list[Sample]:
        reply = await self._ask(turn, request, stop=request.until == "step")
        counts = generated_tokens(reply, request.max_tokens)
        read = reply.usage.prompt_tokens if reply.usage else None
        parts = zip(reply.choices, counts, request.seeds, strict=True)
        work = [
            self._finish(turn, replace(request, seeds=[seed]), choice, count, read)
            for choice, count, seed in parts
        ]
        samples = list(await asyncio.gather(*work))
        for sample, choice in zip(samples, reply.choices, strict=True):
            self._empty.count(sample, choice)
        self._empty.check(self.name)
        return samples

    async def _finish(
        self, turn: Turn, request: SamplingRequest, choice: Choice, count: int, read: int | None
    ) -> Sample:
        """The sample of a choice; a step that has not begun yet is asked for again."""
        stopped = request.until == "step"
        self._tells_stop = self._tells_stop or choice.names_stop
        ending = choice.ending(stopped=stopped, tells=self._tells_stop)
        if not stopped:
            steps = all_steps(choice.content, ending)
            if len(steps) == 1:
                steps = (replace(steps[0], logprob=total_logprob(choice)),)
            return Sample(steps, count, ending == "length", read)
        step = first_step(choice.content, ending, total_logprob(choice))
        if step is None and ending in ("step", "unknown"):
            return await self._ask_again(turn, request, count, read)
        return Sample(() if step is None else (step,), count, _cut(step, ending), read)

    async def _ask_again(self, turn: Turn, request: SamplingRequest, count: int, read: int | None) -> Sample:
        """Sample past the blank line that a continuation began with."""
        left = request.max_tokens - count
        if left < 1:
            return Sample((), count, True, read)
        reply = await self._ask(turn, replace(request, max_tokens=left), stop=False)
        choice = reply.choices[0]
        ending = choice.ending(stopped=False, tells=True)
        step = first_step(choice.content, ending)
        generated = count + generated_tokens(reply, left)[0]
        return Sample(() if step is None else (step,), generated, _cut(step, ending), read)

    async def _ask(self, turn: Turn, request: SamplingRequest, *, stop: bool) -> Reply:
        """Send one request; the reply has one choice for each seed."""
        body = request_body(
            self.dialect,
            turn,
            n=len(request.seeds),
            seed=request.seeds[0] & SEED_MASK,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            stop=stop,
        )
        samples, longest, api = len(request.seeds), request.max_tokens, self.dialect.api
        reply = await self._fleet.ask(
            turn.about, lambda server: server.complete(api, body, samples=samples, max_tokens=longest)
        )
        if len(reply.choices) != len(request.seeds):
            raise EngineError(f"{self.name}: {len(reply.choices)} samples came back of {len(request.seeds)}")
        usage: Any = reply.usage
        if usage is not None:
            details = usage.prompt_tokens_details
            self._counts["prompt_tokens"] += usage.prompt_tokens or 0
            self._counts["cached_tokens"] += (details.cached_tokens or 0) if details else 0
        self._counts["generated_tokens"] += sum(generated_tokens(reply, request.max_tokens))
        return reply


def _cut(step: Step | None, ending: str) -> bool:
    """Whether the limit of tokens came before the end of the step."""
    return ending == "length" and not (step is not None and step.text.endswith("\n"))
