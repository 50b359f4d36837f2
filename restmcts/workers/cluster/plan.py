"""What a worker has to know to search: models, settings and plug-ins, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from restmcts.engines.base import Sampling
from restmcts.engines.registry import ENGINES
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError
from restmcts.registry import FILES
from restmcts.settings import checked
from restmcts.workers.base import Models
from restmcts.workers.cluster.folders import ModelFolder, model_folder
from restmcts.workers.cluster.versions import versions


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A plug-in that the run has loaded: its path there, and its code."""

    path: str
    sha256: str
    code: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What all workers of a phase have in common.

    Attributes:
        models: the names of the models.
        folders: the folders of those that are folders, by name.
        settings: the table ``[models]`` of the recipe.
        grader: the name of the grader.
        sampling: how the policy samples.
        drop_repeats: drop a step that repeats an earlier one of its partial solution.
        concurrency: searches that a worker runs at the same time.
        sent: the folders come through the object store, and not by their paths.
        plugins: the plug-ins that the run has loaded.
        versions: what it has run with.
    """

    models: Models
    folders: Mapping[str, ModelFolder]
    settings: dict[str, Any]
    grader: str
    sampling: Sampling
    drop_repeats: bool
    concurrency: int
    sent: bool
    plugins: tuple[PluginFile, ...]
    versions: Mapping[str, str]

    @property
    def all_folders(self) -> Iterator[ModelFolder]:
        """The folders, each followed by that of its base."""
        for folder in self.folders.values():
            yield folder
            if folder.base is not None:
                yield folder.base

    def model_settings(self) -> ModelSettings:
        """The settings of the models; engines of plug-ins have to be loaded before."""
        return checked(ModelSettings, self.settings, "models")

    def to_json(self) -> bytes:
        """The plan as one JSON object."""
        row: dict[str, Any] = {member.name: getattr(self, member.name) for member in fields(self)}
        row["models"], row["sampling"] = asdict(self.models), asdict(self.sampling)
        row["folders"] = {name: folder.to_row() for name, folder in self.folders.items()}
        row["plugins"] = [asdict(plugin) for plugin in self.plugins]
        return json.dumps(row).encode("ascii")

    @classmethod
    def from_json(cls, data: bytes) -> Plan:
        """What :meth:`to_json` gave."""
        row = json.loads(data)
        return cls(
            **{
                **row,
                "models": Models(**row["models"]),
                "sampling": Sampling(**row["sampling"]),
                "folders": {name: ModelFolder.from_row(found) for name, found in row["folders"].items()},
                "plugins": tuple(PluginFile(**plugin) for plugin in row["plugins"]),
            }
        )


def make_plan(
    models: Models,
    folder: Callable[[str], Path],
    settings: ModelSettings,
    grader: str,
    sampling: Sampling,
    *,
    drop_repeats: bool,
    concurrency: int,
    sent: bool,
) -> Plan:
    """The plan for workers that are to search with these models; see :class:`Plan`.

    Args:
        folder: gives the folder of a model by its name.

    Raises:
        InputError: a folder or a plug-in cannot be read.
    """
    engines = {models.policy: settings.engine}
    if models.value is not None:
        engines.setdefault(models.value, settings.valued_by)
    return Plan(
        models=models,
        folders={name: model_folder(folder(name)) for name in engines if ENGINES[engines[name]].local},
        settings=settings.model_dump(mode="json"),
        grader=grader,
        sampling=sampling,
        drop_repeats=drop_repeats,
        concurrency=concurrency,
        sent=sent,
        plugins=tuple(_plugin(Path(path), file.sha256) for path, file in FILES.items()),
        versions=versions(),
    )


def _plugin(path: Path, digest: str) -> PluginFile:
    try:
        code = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the plug-in: {error.strerror or error}") from error
    if sha256(code).hexdigest() != digest:
        raise InputError(f"{path}: the plug-in has changed since this program loaded it: start it again")
    return PluginFile(str(path), digest, code.decode("utf-8"))
