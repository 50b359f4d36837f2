"""Servers that models are behind; importing it imports no engine."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from restmcts.settings import Settings, listed
from store.encoding.fields import plain

ADDRESS_FORM: Final = "must look like http://127.0.0.1:8000/v1"

OWN_KEYS: Final = frozenset(
    {
        "add_generation_prompt", "continue_final_message", "logprobs", "max_completion_tokens", "max_tokens",
        "messages", "model", "n", "prompt", "seed", "stop", "stream", "temperature", "top_p",
    }
)  # fmt: skip
"""What requests to a server hold, and what would change the form of a reply."""
_KEY_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)?_(API_KEY|TOKEN)|API_KEY", re.ASCII)


def address_problem(address: str) -> str | None:
    """What is wrong with the address of a server, without repeating it; None: nothing."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ADDRESS_FORM
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return "must hold no user name, password or query: keys are not stored"
    return None if usable and address.isprintable() and " " not in address else ADDRESS_FORM


def _json_values(table: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON does not have, such as dates and numbers that are not finite."""
    try:
        orjson.dumps(plain(table), option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"holds a value that JSON does not have: {error}") from None
    return table


JsonTable = Annotated[dict[str, Any], AfterValidator(_json_values)]
"""A table whose values can be sent as JSON."""


class ServerSettings(Settings):
    """One server, or several that serve the same model."""

    table: ClassVar[str]
    """Where the keys stand in a recipe."""

    address_variable: ClassVar[str]
    """The environment variable with the addresses, where the settings have none."""

    hosted: ClassVar[str | None] = None
    """Where requests go without any address; None: that is an error."""

    base_url: str | None = Field(
        default=None,
        description="address of the server; none: `base_urls`, or what the environment says",
    )
    base_urls: Annotated[list[str], BeforeValidator(listed)] = Field(
        default_factory=list,
        description=(
            "addresses of several servers of the same model, instead of `base_url`. A server that fails is"
            " left out and asked again later"
        ),
    )
    api_key_variable: str = Field(
        default="OPENAI_API_KEY",
        description=(
            "name of the environment variable that holds the key, ending in `_API_KEY` or `_TOKEN`. Keys are"
            " neither stored nor shown; a server whose address is given may need none"
        ),
    )
    concurrency: int = Field(
        default=32,
        ge=1,
        description="requests in flight to each server, for the policy and for the value model",
    )
    timeout: float = Field(
        default=120.0,
        gt=0,
        allow_inf_nan=False,
        description=(
            "seconds in which the whole reply to a request has to come; after that the request is tried again"
        ),
    )
    retries: int = Field(
        default=5,
        ge=0,
        description="how often a request is tried again before its search fails",
    )
    context: int | None = Field(
        default=None,
        ge=1,
        description=(
            "tokens that the model reads; none: the number that the server gives, otherwise 4096. The"
            " smaller of the two counts"
        ),
    )

    @property
    def given(self) -> list[str]:
        """The addresses that are given here."""
        return self.base_urls if self.base_url is None else [self.base_url]

    @model_validator(mode="after")
    def _holds_no_secret(self) -> Self:
        """Recipes are stored and shown: refuse what looks like a key, without repeating it."""
        if not _KEY_VARIABLE.fullmatch(self.api_key_variable):
            raise ValueError(
                "api_key_variable is the name of an environment variable, not the key itself; it ends in"
                " _API_KEY or _TOKEN, so that nothing else is ever sent"
            )
        for key, addresses in (("base_url", [self.base_url]), ("base_urls", self.base_urls)):
            for address in addresses:
                if address is not None and (problem := address_problem(address)):
                    raise ValueError(f"{key} {problem}")
        return self

    @model_validator(mode="after")
    def _names_each_server_once(self) -> Self:
        if self.base_url is not None and self.base_urls:
            raise ValueError("base_url and base_urls are given: name one server, or a list of servers")
        plain_urls = [address.rstrip("/") for address in self.base_urls]
        if len(set(plain_urls)) < len(plain_urls):
            raise ValueError("base_urls names a server twice")
        return self


class OpenAiSettings(ServerSettings):
    """OpenAI-compatible servers, for models with the engine `openai`.

    The engine needs `pip install "restmcts[openai]"`.
    """

    table: ClassVar[str] = "models.openai"
    address_variable: ClassVar[str] = "OPENAI_BASE_URL"
    hosted: ClassVar[str | None] = "https://api.openai.com/v1"

    base_url: str | None = Field(
        default=None,
        description=(
            "address of the server, which often ends in `/v1`; none: `base_urls`, the addresses in"
            " `OPENAI_BASE_URL` with spaces between them, or OpenAI itself"
        ),
    )
    api: Literal["auto", "completions", "chat"] = Field(
        default="auto",
        description="`completions`, `chat`, or `auto`: completions if the server has them",
    )
    seeds: bool = Field(
        default=True,
        description="send a seed with every request, so that servers that use seeds repeat their samples",
    )
    template: str | None = Field(
        default=None,
        description=(
            "the prompt, with `{problem}` and `{instruction}`; none: one for completions, and the user's"
            " turn of a chat"
        ),
    )
    instruction: str | None = Field(
        default=None,
        description=(
            "what the model is told to do with a problem; none: to solve it step by step, one step a line,"
            " with the answer in `\\boxed{}`"
        ),
    )
    extra_body: JsonTable = Field(
        default_factory=dict,
        description=(
            "more keys for every request, whose meaning is the server's, for example `{ top_k = 20 }`. They"
            " are stored with the recipe, so they must hold no keys and passwords"
        ),
    )
    value_samples: int = Field(
        default=1,
        ge=1,
        description="number of grades of a prompted value model that are averaged for one value",
    )

    @field_validator("extra_body")
    @classmethod
    def _keeps_requests(cls, table: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(OWN_KEYS & table.keys())
        if taken:
            raise ValueError(
                f"{taken[0]} is a key that restmcts sets itself, by other settings: leave it out"
            )
        return table


class PoolingSettings(ServerSettings):
    """Servers that `vllm serve FOLDER --runner pooling` starts, for value models with the engine `pooling`.

    `models.value` is the same folder, whose tokenizer and configuration are read here. The engine needs
    `pip install "restmcts[openai]"`.
    """

    table: ClassVar[str] = "models.pooling"
    address_variable: ClassVar[str] = "POOLING_BASE_URL"

    base_url: str | None = Field(
        default=None,
        description=(
            "address of the server, with or without `/v1`; none: `base_urls`, or the addresses in"
            " `POOLING_BASE_URL` with spaces between them"
        ),
    )
    context: int | None = Field(
        default=None,
        ge=1,
        description="tokens that the model reads; none: what servers and folder say. The least counts",
    )
    model: str | None = Field(
        default=None,
        description="name of the value model on the servers; none: the only one that they serve",
    )
