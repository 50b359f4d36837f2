"""The recipe of a run: one typed tree of settings, read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError
from restmcts.grading.registry import GRADERS
from restmcts.labels import Labels, label_rule
from restmcts.labels.registry import rule_settings
from restmcts.problems.registry import DATA_SETS, DataSetSettings, data_set_settings
from restmcts.search.registry import METHODS, method_settings
from restmcts.search.settings import Method, RuleName
from restmcts.settings import Settings, checked
from restmcts.training.settings import PolicyTraining, ValueTraining
from store.files.layout import RunLayout
from store.tree import Tree

OLD_TINY = (
    '[tiny] is a table of restmcts 0.1.0 before data sets had names: write data_set = "tiny" and the keys of'
    " [tiny] and [tiny.problems] in [problems], and those of [tiny.base] in [problems.base]"
)
OLD_GYM = (
    '[problems.gym] is a table of restmcts 0.1.0 before data sets had names: write data_set = "reasoning-gym"'
    " and its keys in [problems]"
)
"""What is said about recipes and stored runs with the keys of earlier versions."""


def _chosen_data_set(values: Any) -> Any:
    """The table ``[problems]`` as the settings of its data set."""
    if not isinstance(values, Mapping):
        return values
    if "gym" in values:
        raise ValueError(OLD_GYM)
    try:
        settings = data_set_settings(values)
        GRADERS.origin(settings.grader)
    except InputError as error:
        raise ValueError(str(error)) from None
    return settings


Problems = Annotated[SerializeAsAny[DataSetSettings], BeforeValidator(_chosen_data_set)]
"""The settings of a data set; which class they have is decided by the key ``data_set``."""


class SamplingSettings(Settings):
    """How the policy samples in every search; greedy decoding has temperature 0 whatever stands here.

    ``drop_repeats`` drops a step that repeats an earlier one of the same partial solution.
    """

    temperature: float = Field(default=0.7, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    step_tokens: int = Field(default=64, ge=1)
    trace_tokens: int = Field(default=512, ge=1)
    drop_repeats: bool = True


class BootstrapSettings(Settings):
    """The unguided trees of the base policy that the first value model learns from.

    ``problems`` training problems (None: all), ``traces`` whole traces for each. A correct trace that fewer
    than ``least_samples`` of them gave counts as unverified: where errors can cancel out, rare traces are
    right by luck. Before it learns from the
    trees, a value model may start on solved examples, which are the demonstrations and the correct traces:
    ``perturbed`` copies of each, in every other one of which a step is replaced by one of another example or
    by a mistake of the policy (paper, Section 3.2; 0 leaves this out), and the first errors of the other
    traces, ``errors`` times.
    """

    problems: int | None = Field(default=None, ge=1)
    traces: int = Field(default=16, ge=2)
    least_samples: int = Field(default=1, ge=1)
    perturbed: int = Field(default=0, ge=0)
    errors: int = Field(default=1, ge=0)


class MethodChoice(Settings):
    """A search method with its settings; ``method`` names it, ``settings`` are checked against it."""

    method: str
    settings: dict[str, Any] = Field(default_factory=dict)

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

    ``problems`` are drawn anew in each iteration (None: all training problems); ``budget`` is in
    generated tokens a tree.
    """

    method: str = "mcts"
    problems: int | None = Field(default=None, ge=1)
    budget: int | None = Field(default=None, ge=1)

    @classmethod
    def default_settings(cls, method: str) -> Mapping[str, Any]:
        """The settings of the method for data generation, where nothing else is written."""
        return METHODS.get(method, "generation").generation


class LabelSettings(Settings):
    """How step values are inferred from verified trees.

    ``rule`` is one of :data:`restmcts.labels.LABEL_RULES`; ``settings`` are checked against it. ``memory``:
    the models of an iteration learn from the trees of this iteration only (``latest``), or of the bootstrap
    and all iterations so far (``all``).
    """

    rule: str = "rest-mcts"
    settings: dict[str, Any] | None = None
    memory: Literal["latest", "all"] = "all"

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Fill the settings of the rule up, so that a stored recipe says everything."""
        if not isinstance(values, dict) or not isinstance(values.get("settings") or {}, dict):
            return values
        rule = values.get("rule", cls.model_fields["rule"].default)
        if not isinstance(rule, str):
            return values
        try:
            settings = rule_settings(rule, values.get("settings") or {}, f"rule {rule!r}")
        except InputError as error:
            raise ValueError(str(error)) from None
        return values | {"settings": None if settings is None else settings.model_dump(mode="json")}

    def build(self) -> Callable[[Tree], Labels]:
        """The rule as a function of a tree, with its settings."""
        return label_rule(self.rule, self.settings)


class SelectionSettings(Settings):
    """Which correct traces the policy learns from.

    ``by`` ``threshold`` keeps traces whose value is at least ``threshold``; ``rank`` the ``top`` most
    valued of each problem. ``demonstrations`` are mixed in, as many as this share of the traces.
    """

    by: Literal["rank", "threshold"] = "rank"
    top: int = Field(default=2, ge=1)
    threshold: float = Field(default=0.2, ge=0, le=1)
    demonstrations: float = Field(default=0.0, ge=0)


class EvaluatedMethod(MethodChoice):
    """A method to evaluate; ``answers`` are the answer rules read from the same trees."""

    answers: list[RuleName] = Field(default_factory=list)

    def build(self) -> Method:
        """The settings of the method, complete; the search values what the answer rules read."""
        return super().build().model_copy(update={"read_by": list(self.answers)})


class EvaluationSettings(Settings):
    """What is measured on held-out problems.

    Attributes:
        methods: what is compared in the closing table.
        traces: token budgets, as multiples of the mean trace of the base policy; the same for all
            methods.
        each_iteration: methods measured on the test problems after every iteration too, at the largest
            of ``iteration_traces``.
        problems: the first so many test problems; None: all.
    """

    methods: list[EvaluatedMethod] = Field(default_factory=list)
    traces: list[float] = Field(default_factory=lambda: [3.0, 10.0, 30.0])
    each_iteration: list[EvaluatedMethod] = Field(default_factory=list)
    iteration_traces: float = Field(default=10.0, gt=0)
    problems: int | None = Field(default=None, ge=1)


class Recipe(Settings):
    """Everything that a run is made of; the defaults are the paper's settings where it has any.

    Attributes:
        recipe: the name of the recipe and, where none is given, of the run.
        seed: the one seed of everything random.
        iterations: rounds of search and training.
        concurrency: searches that run side by side.
        value_start: the training on solved examples and their perturbed copies (bootstrap.perturbed).
        value_training: the training on labelled trees.
        value_update: the same for iterations after the bootstrap, where it differs.
        control: train a second policy on the demonstrations alone, for as many updates, to compare.
    """

    recipe: str
    seed: int = Field(default=1, ge=0)
    iterations: int = Field(default=2, ge=1)
    concurrency: int = Field(default=64, ge=1)
    control: bool = False
    models: ModelSettings = ModelSettings()
    problems: Problems = Field(default_factory=dict, validate_default=True)
    sampling: SamplingSettings = SamplingSettings()
    bootstrap: BootstrapSettings = BootstrapSettings()
    generation: GenerationSettings = GenerationSettings()
    labels: LabelSettings = LabelSettings()
    selection: SelectionSettings = SelectionSettings()
    policy_training: PolicyTraining = PolicyTraining()
    value_start: ValueTraining = ValueTraining()
    value_training: ValueTraining = ValueTraining()
    value_update: ValueTraining | None = None
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="before")
    @classmethod
    def _no_old_keys(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "tiny" in values:
            raise ValueError(OLD_TINY)
        return values

    @model_validator(mode="after")
    def _is_complete(self) -> Recipe:
        if self.models.policy is None and DATA_SETS[self.problems.data_set].make_policy is None:
            raise ValueError("models.policy is missing: name the folder of the base policy")
        if self.generation.build().endless and self.generation.budget is None:
            raise ValueError("generation.budget is missing: this method ends only by its token budget")
        return self


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: the name of a shipped recipe, or a TOML file.
        overrides: ``key=value`` pairs; dots go into tables, values are TOML (or plain text).

    Raises:
        InputError: there is none, or something in it is wrong.
    """
    text, where = _recipe_text(name_or_path)
    return override_values(_parsed(text, where), overrides, where)


def override_values(values: dict[str, Any], overrides: Sequence[str], where: str) -> Recipe:
    """A recipe from nested tables and ``key=value`` pairs; see :func:`load_recipe`."""
    for override in overrides:
        path, value = parse_override(override)
        _put(values, path, value, override)
    return checked(Recipe, values, where)


def nested_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """``key=value`` pairs as nested tables."""
    values: dict[str, Any] = {}
    for override in overrides:
        path, value = parse_override(override)
        _put(values, path, value, override)
    return values


def parse_override(override: str) -> tuple[list[str], Any]:
    """The path and the value of ``a.b=value``; the value is TOML, or plain text where it is not.

    Raises:
        InputError: it is not of that form.
    """
    key, separator, text = override.partition("=")
    if not separator or not all(key.split(".")):
        raise InputError(f"-o {override!r}: write key=value, for example -o seed=2")
    try:
        return key.split("."), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key.split("."), text


def stored_text(root: Path, run: str) -> str:
    """The text of ``run.toml`` of a stored run.

    Raises:
        InputError: there is no such run.
    """
    path = RunLayout(root, run).config
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise InputError(f"no run {run!r} in {root}: `restmcts runs --root {root}` lists them") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read it: {error}") from None


def stored_recipe(root: Path, run: str) -> tuple[Recipe, str]:
    """The recipe of a stored run, and the text that it was read from."""
    text = stored_text(root, run)
    where = str(RunLayout(root, run).config)
    return checked(Recipe, _parsed(text, where), where), text


def stored_labels(root: Path, run: str, rule: str) -> LabelSettings:
    """A label rule, with the settings that the recipe of a stored run has for it."""
    where = str(RunLayout(root, run).config)
    table = _parsed(stored_text(root, run), where).get("labels", {})
    return checked(LabelSettings, table if table.get("rule") == rule else {"rule": rule}, where)


def stored_bootstrap(root: Path, run: str) -> BootstrapSettings:
    """The table ``[bootstrap]`` of a stored run, whatever else its recipe holds."""
    where = str(RunLayout(root, run).config)
    return checked(BootstrapSettings, _parsed(stored_text(root, run), where).get("bootstrap", {}), where)


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None


def shipped_recipes() -> dict[str, str]:
    """The text of each recipe that comes with the package, by name."""
    package = Path(str(files("restmcts")))
    # Inside the wheel the recipes lie in the package; in a checkout they are beside it.
    folder = next(found for found in (package / "configs", package.parent / "configs") if found.is_dir())
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.toml"))}


def _recipe_text(name_or_path: str) -> tuple[str, str]:
    path = Path(name_or_path)
    recipes = shipped_recipes()
    # A folder may well have the name of a recipe: that of its model, for example.
    if path.suffix == ".toml" or path.is_file() or (path.exists() and name_or_path not in recipes):
        try:
            return path.read_text("utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot read the recipe: {error}") from None
    if name_or_path not in recipes:
        known = ", ".join(sorted(recipes))
        raise InputError(f"no recipe {name_or_path!r}: give a .toml file or one of: {known}")
    return recipes[name_or_path], f"recipe {name_or_path}"


def _put(values: dict[str, Any], path: Sequence[str], value: Any, override: str) -> None:
    *tables, last = path
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise InputError(f"-o {override!r}: {table!r} is not a table")
        values = inner
    values[last] = value


def recipe_toml(recipe: Recipe) -> str:
    """The complete recipe, defaults included, as TOML: what ``run.toml`` holds."""
    import tomlkit

    return tomlkit.dumps(_without_none(recipe.model_dump(mode="json")))


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is not set is left out."""
    kept = {key: value for key, value in values.items() if value is not None}
    return {
        key: _without_none(value)
        if isinstance(value, Mapping)
        else [_without_none(item) if isinstance(item, Mapping) else item for item in value]
        if isinstance(value, list)
        else value
        for key, value in kept.items()
    }
