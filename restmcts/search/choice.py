"""A search method and its settings, as a recipe chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from restmcts.errors import InputError
from restmcts.search.registry import METHODS, method_settings
from restmcts.search.settings import NO_LIMITS, Limits, Method, RuleName
from restmcts.settings import Settings

Temperature = Annotated[float, Field(gt=0)]


class MethodChoice(Settings):
    """A search method with its settings."""

    method: str = Field(description="name of a search method, see [Methods](#methods)")
    settings: dict[str, Any] = Field(default_factory=dict, description="settings of that method")

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Fill the settings up, so that a stored recipe says everything."""
        if not isinstance(values, dict) or not isinstance(values.get("settings", {}), dict):
            return values
        method = values.get("method", cls.model_fields["method"].default)
        if not isinstance(method, str):
            return values
        try:
            given = values["settings"] if "settings" in values else cls.default_settings(method)
            settings = method_settings(method, given, f"method {method!r}")
        except InputError as error:
            raise ValueError(str(error)) from None
        return values | {"settings": settings.model_dump(mode="json")}

    @classmethod
    def default_settings(cls, method: str) -> Mapping[str, Any]:
        """What ``settings`` holds where nothing is written."""
        return {}

    def build(self) -> Method:
        """The settings of the method, complete."""
        return method_settings(self.method, self.settings, f"method {self.method!r}")


class GenerationSettings(MethodChoice):
    """The search of training trees, in each iteration.

    Where `settings` is left out, it holds the settings of the method for data generation. Where it is
    written, a key that is left out has the default of the method.
    """

    method: str = Field(default="mcts", description="name of a search method, see [Methods](#methods)")
    problems: int | None = Field(
        default=None,
        ge=1,
        description="training problems drawn in each iteration; none: all",
    )
    budget: int | None = Field(
        default=None,
        ge=1,
        description="generated tokens a tree; required for methods that end only by their budget",
    )
    limits: Limits = Field(default=NO_LIMITS, description="further hard limits of a tree")
    tokens: int | None = Field(
        default=None,
        ge=1,
        description=(
            "generated tokens of an iteration, those of judges and of `temperatures` included: as many"
            " problems are searched, in a random order, as they certainly pay for. They need a `budget`,"
            " unless the method samples a number of traces; none: every problem is searched"
        ),
    )
    temperatures: list[Temperature] = Field(
        default_factory=list,
        description=(
            "sampling temperatures to choose from anew in each iteration, by the balance of the traces of a"
            " few problems; empty: `sampling.temperature`"
        ),
    )
    tuning_problems: int = Field(
        default=20, ge=1, description="with `temperatures`: training problems that each is tried on"
    )
    tuning_traces: int = Field(
        default=8, ge=1, description="with `temperatures`: traces that are sampled of each of these problems"
    )

    @classmethod
    def default_settings(cls, method: str) -> Mapping[str, Any]:
        """The settings of the method for data generation, where nothing else is written."""
        return METHODS.get(method, "generation").generation

    def budget_within(self, trace: int) -> int | None:
        """The token budget of one search where the iteration has one, else ``budget``.

        Args:
            trace: the longest trace, in tokens.

        Raises:
            InputError: nothing limits a search, or the tokens of the iteration pay for none.
        """
        if self.tokens is None:
            return self.budget
        budget = self.budget or self.build().most_tokens(trace)
        if budget is None:
            raise InputError(
                f"generation.tokens: a search by {self.method!r} may take any number of tokens: give it a"
                " generation.budget"
            )
        if budget > self.tokens:
            raise InputError(
                f"generation.tokens = {self.tokens} do not pay for a single search, which may take {budget}"
            )
        return budget


class EvaluatedMethod(MethodChoice):
    """A method to evaluate, with its settings."""

    answers: list[RuleName] = Field(
        default_factory=list,
        description="answer rules to read from the same trees; empty: the `answer_by` of the method",
    )

    def build(self) -> Method:
        """The settings of the method, complete; the search values what the answer rules read."""
        return super().build().model_copy(update={"read_by": list(self.answers)})
