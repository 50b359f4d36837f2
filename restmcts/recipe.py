"""The recipe of a run: one typed tree of settings, read from TOML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, model_validator

from restmcts.engines.registry import ENGINES
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError
from restmcts.evaluation.reading.usage import ORDERS
from restmcts.grading.registry import GRADERS
from restmcts.labels import Labels, label_rule
from restmcts.labels.registry import rule_settings
from restmcts.paths import with_path
from restmcts.plugins import load_plugin, plugin_files
from restmcts.problems.registry import DATA_SETS, DataSetSettings, data_set_settings
from restmcts.recipe_text import parse_override, parsed, put, recipe_text
from restmcts.samples.selection import SelectionSettings
from restmcts.search.choice import EvaluatedMethod, GenerationSettings
from restmcts.search.settings import NO_LIMITS, Limits
from restmcts.settings import Settings, checked, listed
from restmcts.training.settings import (
    ONE_PROCESS,
    PolicyTraining,
    PreferenceTraining,
    ProcessSettings,
    TrainingSettings,
    ValueTraining,
)
from restmcts.training.values.labels import check_objectives
from restmcts.workers.cluster.settings import ClusterSettings
from store.merging.shards import Shard
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


def _named_shard(text: str) -> str:
    """The name of a shard as :class:`~store.merging.shards.Shard` writes it."""
    try:
        return str(Shard.parse(text))
    except InputError as error:
        raise ValueError(str(error)) from None


class SamplingSettings(Settings):
    """How the policy samples in every search; greedy decoding always has temperature 0."""

    temperature: float = Field(default=0.7, gt=0, description="sampling temperature")
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="nucleus sampling: the share of probability to sample from",
    )
    step_tokens: int = Field(default=64, ge=1, description="longest step, in tokens")
    trace_tokens: int = Field(default=512, ge=1, description="longest trace, in tokens")
    drop_repeats: bool = Field(
        default=True,
        description="drop a step that repeats an earlier step of the same partial solution",
    )


class BootstrapSettings(Settings):
    """The unguided trees of the base policy that the first value model learns from.

    Solved examples are the demonstrations and the correct traces.
    """

    problems: int | None = Field(default=None, ge=1, description="training problems to search; none: all")
    traces: int = Field(default=16, ge=2, description="whole traces sampled for each problem")
    least_samples: int = Field(
        default=1,
        ge=1,
        description=(
            "a correct trace that fewer samples gave counts as unverified: where errors can cancel out, rare"
            " traces are right by luck"
        ),
    )
    perturbed: int = Field(
        default=0,
        ge=0,
        description=(
            "copies of each solved example that the value model is trained on before the trees (paper,"
            " Section 3.2). Every other copy has a wrong step: of another example, or a mistake of the"
            " policy. 0 leaves this stage out"
        ),
    )
    errors: int = Field(
        default=1,
        ge=0,
        description="how often the first errors of the sampled traces are added to that stage",
    )


class RuleChoice(Settings):
    """A label rule with its settings."""

    rule: str = Field(
        default="rest-mcts",
        description="name of a label rule, see [Label rules](#label-rules)",
    )
    settings: dict[str, Any] | None = Field(
        default=None,
        description="settings of the rule, for a rule that has some",
    )

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


class LabelSettings(RuleChoice):
    """How step values are inferred from verified trees."""

    memory: Literal["latest", "all"] = Field(
        default="all",
        description=(
            "the trees that the models of an iteration learn from: those of the bootstrap and all iterations"
            " (`all`), or of this iteration (`latest`)"
        ),
    )


class EvaluationSettings(Settings):
    """What is measured on test problems."""

    methods: list[EvaluatedMethod] = Field(
        default_factory=list,
        description="the methods of the closing table; empty: no closing table",
    )
    traces: list[float] = Field(
        default_factory=lambda: [3.0, 10.0, 30.0],
        description=(
            "token budgets of the closing table, as multiples of the mean trace of the base policy; the same"
            " for all methods"
        ),
    )
    each_iteration: list[EvaluatedMethod] = Field(
        default_factory=list,
        description=(
            "methods measured on the test problems after every iteration, in addition to greedy decoding"
        ),
    )
    iteration_traces: Annotated[list[Annotated[float, Field(gt=0)]], BeforeValidator(listed)] = Field(
        default_factory=lambda: [10.0],
        min_length=1,
        description=(
            "token budgets of `each_iteration`, as multiples of the mean trace; a single one may be written"
            " without brackets"
        ),
    )
    problems: int | None = Field(
        default=None,
        ge=1,
        description="number of test problems, from the first; none: all",
    )
    limits: Limits = Field(default=NO_LIMITS, description="hard limits of a search besides its token budget")
    orders: int = Field(
        default=ORDERS,
        ge=0,
        le=10_000,
        description=(
            "orders of the traces of Self-Consistency and Best-of-N that the outcome of a problem is a mean"
            " over, at every budget; 0: the one order in which they were sampled"
        ),
    )


class Recipe(Settings):
    """Everything that a run is made of; the defaults are the paper's settings where it has any."""

    recipe: str = Field(description="name of the recipe and, without `--run`, of the run")
    loop: str = Field(default="rest-mcts", description="name of the self-training loop, see [Loops](#loops)")
    loop_settings: dict[str, Any] = Field(default_factory=dict, description="settings of the loop")
    plugins: Annotated[list[str], BeforeValidator(listed)] = Field(
        default_factory=list,
        description=(
            "Python files that define search methods, label rules, data sets, graders, engines or loops; a"
            " single one may be written without brackets"
        ),
    )
    seed: int = Field(default=1, ge=0, lt=2**63, description="the one seed of everything random")
    iterations: int = Field(default=2, ge=1, description="iterations of search and training")
    concurrency: int = Field(
        default=64,
        ge=1,
        description="searches that run at the same time; changes the speed, not the trees",
    )
    shard: Annotated[str, AfterValidator(_named_shard)] | None = Field(
        default=None,
        description=(
            "the part of the problems that `restmcts search` searches, as NUMBER/COUNT: every COUNT-th, from"
            " the one at place NUMBER; none: all"
        ),
    )
    control: bool = Field(
        default=False,
        description=(
            "train a second policy on the demonstrations alone, for as many updates, and measure it too"
        ),
    )
    cluster: ClusterSettings = ClusterSettings()
    models: ModelSettings = ModelSettings()
    problems: Problems = Field(default_factory=dict, validate_default=True)
    sampling: SamplingSettings = SamplingSettings()
    bootstrap: BootstrapSettings = BootstrapSettings()
    generation: GenerationSettings = GenerationSettings()
    labels: LabelSettings = LabelSettings()
    selection: SelectionSettings = SelectionSettings()
    training: ProcessSettings = Field(
        default=ONE_PROCESS,
        description="the processes of all trainings; a run may go on with others",
    )
    policy_training: PolicyTraining = PolicyTraining()
    preference_training: PreferenceTraining = PreferenceTraining()
    value_start: ValueTraining = Field(
        default=ValueTraining(),
        description=(
            "training of the value model on solved examples and their perturbed copies"
            " (`bootstrap.perturbed`)"
        ),
    )
    value_training: ValueTraining = Field(
        default=ValueTraining(),
        description="training of the value model on labelled trees",
    )
    value_update: ValueTraining | None = Field(
        default=None,
        description="if given, replaces `value_training` in the iterations after the bootstrap",
    )
    evaluation: EvaluationSettings = EvaluationSettings()

    @property
    def decisive(self) -> Recipe:
        """The recipe without what only says where it is run; a run goes on where this is the same."""
        return self.model_copy(update={"training": ONE_PROCESS, "cluster": ClusterSettings()})

    @property
    def trainings(self) -> list[TrainingSettings]:
        """The settings of all trainings, but that of the base policy of a data set."""
        of_value = (self.value_start, self.value_training, self.value_update)
        return [
            self.policy_training,
            self.preference_training,
            *(training for training in of_value if training is not None),
        ]

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
        stages = {name: getattr(self, name) for name in ("value_start", "value_training", "value_update")}
        try:
            check_objectives(stages, self.labels.rule, self.labels.build, self.models.value_aggregation)
        except InputError as error:
            raise ValueError(str(error)) from None
        return self


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: the name of a shipped recipe, or a TOML file.
        overrides: ``key=value`` pairs; dots go into tables, values are TOML (or plain text).

    Paths in a file are relative to its folder; paths in overrides to the working directory.

    Raises:
        InputError: there is none, or something in it is wrong.
    """
    text, where, folder = recipe_text(name_or_path)
    return override_values(parsed(text, where), overrides, where, folder, load_plugins=True)


def override_values(
    values: dict[str, Any],
    overrides: Sequence[str],
    where: str,
    folder: Path | None = None,
    *,
    load_plugins: bool = False,
) -> Recipe:
    """A recipe from nested tables and ``key=value`` pairs, with absolute paths; see :func:`load_recipe`.

    Args:
        folder: what relative paths in ``values`` are relative to; None: the working directory.
        load_plugins: run the code of the plug-ins, which the user has named.
    """
    typed: list[list[str]] = []
    for override in overrides:
        path, value = parse_override(override)
        put(values, path, value, override)
        typed.append(path)
    files = plugin_files(values, None if ["plugins"] in typed else folder)
    if files:
        values["plugins"] = [str(file) for file in files]
    for file in files if load_plugins else ():
        load_plugin(file)
    recipe = checked(Recipe, values, where)
    for key in _path_keys(recipe):
        is_typed = any(path == list(key[: len(path)]) for path in typed)
        values = with_path(values, key, None if is_typed else folder)
    return checked(Recipe, values, where)


def _path_keys(recipe: Recipe) -> Iterator[tuple[str, ...]]:
    """The keys of a recipe that name files and folders of this machine."""
    models, directory = recipe.models, recipe.cluster.working_directory
    if directory is not None and "://" not in directory:
        yield "cluster", "working_directory"
    if ENGINES[models.engine].local:
        yield "models", "policy"
    if ENGINES[models.valued_by].local:
        yield "models", "value"
    for key in recipe.problems.path_keys():
        yield "problems", *key


def recipe_toml(recipe: Recipe) -> str:
    """The complete recipe, defaults included, as TOML: what ``run.toml`` holds.

    The tables ``[training]`` and ``[cluster]`` are left out: a run may go on elsewhere.
    """
    import tomlkit

    return tomlkit.dumps(_without_none(recipe.model_dump(mode="json", exclude={"training", "cluster"})))


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
