"""Which models run, and on what; importing it imports no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from restmcts.settings import Settings


class OpenAiSettings(Settings):
    """An OpenAI-compatible server, for models with the engine ``openai``.

    Attributes:
        base_url: its address, which often ends in /v1; none: what OPENAI_BASE_URL says, or OpenAI itself.
        api_key_variable: the name of the environment variable that holds the key. Keys come from the
            environment only; they are neither stored nor shown.
        api: ``completions``, ``chat``, or ``auto``: completions where the server has them.
        concurrency: requests in flight, for the policy and for the value model.
        timeout: seconds without a reply after which a request is tried again.
        retries: how often a request is tried again before its search fails.
        context: tokens that the model reads; none: what the server says, otherwise 4096. The smaller one of
            what is given and what the server says counts.
        seeds: send a seed with every request, so that servers that heed it repeat themselves.
        template: the prompt, with ``{problem}`` and ``{instruction}``; none: one for completions, and the
            user's turn of a chat.
        instruction: what the model is told to do with a problem; "" for nothing.
        value_samples: how many grades of a prompted value model are averaged for one value.
    """

    base_url: str | None = None
    api_key_variable: str = "OPENAI_API_KEY"
    api: Literal["auto", "completions", "chat"] = "auto"
    concurrency: int = Field(default=32, ge=1)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=5, ge=0)
    context: int | None = Field(default=None, ge=1)
    seeds: bool = True
    template: str | None = None
    instruction: str | None = None
    value_samples: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _holds_no_secret(self) -> OpenAiSettings:
        """Recipes are stored and shown: refuse what looks like a key, without repeating it."""
        if not (self.api_key_variable.isidentifier() and self.api_key_variable.isascii()):
            raise ValueError("api_key_variable is the name of an environment variable, not the key itself")
        if self.base_url is not None:
            parts = urlsplit(self.base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("base_url must look like http://127.0.0.1:8000/v1")
            if parts.username or parts.password or parts.query:
                raise ValueError("base_url must hold no user name, password or query: keys are not stored")
        return self


class ModelSettings(Settings):
    """Which models, and what runs them.

    Attributes:
        policy: folder of the base policy, or its name on the server; not given for a recipe with
            ``[tiny]``, which trains its own.
        value: folder of a value model to start with, or the name of a model on the server that is asked
            for values; without one, the bootstrap trains it from the policy, or the policy itself is asked.
        value_aggregation: how the value of a partial solution follows from what the value model says at
            the end of each of its steps: the ``last`` one, the ``minimum`` or the ``product``.
        engine: what runs the policy: ``transformers`` here, ``openai`` on a server.
        value_engine: what runs the value model; none: as ``engine``. With ``openai`` a language model is
            asked for values.
        critic: the self-critic: by ``rule``, or ``prompted``: the policy is asked, and may give advice for
            the next step.
        device: ``auto`` takes the GPU where there is one.
        dtype: the type that the engines compute in.
        threads: CPU threads of torch; results are equal only for equal numbers of threads.
        batch: most sequences in one forward pass.
        cache_tokens: tokens whose keys and values are kept for their children.
        reproducible: on a CPU in float32, results do not depend on what else is in the batch.
    """

    policy: str | None = None
    value: str | None = None
    value_aggregation: Literal["last", "minimum", "product"] = "last"
    engine: Literal["transformers", "openai"] = "transformers"
    value_engine: Literal["transformers", "openai"] | None = None
    critic: Literal["rule", "prompted"] = "rule"
    device: Literal["cpu", "cuda", "auto"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: int | None = Field(default=None, ge=1)
    batch: int = Field(default=256, ge=1)
    cache_tokens: int = Field(default=65536, ge=1)
    reproducible: bool = True
    openai: OpenAiSettings = OpenAiSettings()

    @property
    def valued_by(self) -> str:
        """What runs the value model."""
        return self.value_engine or self.engine

    @property
    def policy_name(self) -> str | None:
        """The base policy as runs call it: an absolute folder, or its name on the server."""
        return _name(self.policy, self.engine)

    @property
    def value_name(self) -> str | None:
        """The value model to start with, likewise; a policy on a server is its own unless one is named."""
        if self.value is None and self.valued_by == self.engine == "openai":
            return self.policy_name
        return _name(self.value, self.valued_by)


def _name(model: str | None, engine: str) -> str | None:
    return model if model is None or engine == "openai" else str(Path(model).resolve())
