"""Where a checkpoint comes from: the chain, the samples and trees behind it, and what of it is damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restmcts.errors import InputError, RestmctsError
from restmcts.loops.stored.lineage import Lineage, Made, SampleSet, Searches, StoredFile, chain_and_others
from restmcts.loops.stored.stored_run import lineage, lineage_of_folder
from store.errors import StoreError
from store.files.folders import model_files, new_folder
from store.runs.writer import RunWriter
from tests.store.build import CHECKPOINT, POLICY_SAMPLE, VALUE_SAMPLE, open_run, record
from tests.support.stores import make_older

GIVEN = "/models/base"
CONFIG = f'recipe = "tiny"\nseed = 5\n[models]\npolicy = "{GIVEN}"\n'


def phase(writer: RunWriter, name: str, kind: str, work: Callable[[], None], **summary: Any) -> None:
    writer.start_phase(name, kind, int(name[0]))
    work()
    writer.finish_phase(name, summary)


def search(writer: RunWriter, name: str, policy: str, value: str | None) -> None:
    def work() -> None:
        for number in range(3):
            writer.add_tree(record(number, name, policy=policy, value=value))

    phase(writer, name, "search", work)


def train(writer: RunWriter, number: int, role: str, parent: str, samples_from: Sequence[str]) -> None:
    name, path = f"{number}.train-{role}", f"checkpoints/{number}/{role}"

    def work() -> None:
        target = writer.layout.checkpoint(number, role)
        with new_folder(target) as folder:
            (folder / "config.json").write_text('{"layers": 1}\n')
            (folder / "model.safetensors").write_bytes(f"{name} {role}".encode())
        writer.add_checkpoint_files(name, target, model_files(target))
        row = replace(CHECKPOINT, iteration=number, kind=role, path=path, parent=parent, carried=True)
        writer.add_checkpoint(row)

    said = {"checkpoint": path, "parent": parent, "updates": 4, "samples": 2}
    phase(writer, name, "train", work, **said, samples_from=list(samples_from))


def fill(writer: RunWriter) -> None:
    """The base makes trees, a value model learns from them, and the policy from all trees."""

    def write(name: str, *samples: Any) -> None:
        phase(writer, name, "label", lambda: writer.write_samples(name, samples))

    search(writer, "0.search", GIVEN, None)
    write("0.label", replace(VALUE_SAMPLE, trees=("0.search/0",)))
    train(writer, 0, "value", GIVEN, ["0.label"])
    search(writer, "1.search", GIVEN, "checkpoints/0/value")
    write(
        "1.select",
        replace(POLICY_SAMPLE, trees=("0.search/1", "1.search/2")),
        replace(POLICY_SAMPLE, trees=("1.search/2",)),
    )
    train(writer, 1, "policy", GIVEN, ["1.select"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lineage")
    with open_run(root, config=CONFIG) as writer:
        fill(writer)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "store")
    return tmp_path / "store"


def notes(found: Lineage) -> str:
    return "\n".join([*found.notes, *(note for model in found.models for note in model.notes)])


def test_the_chain_and_the_models_of_the_searches(made: Path) -> None:
    found = lineage(made, "first", "1/policy")
    assert found.chain == ("checkpoints/1/policy", GIVEN)
    assert [model.name for model in found.models] == [*found.chain, "checkpoints/0/value"]
    policy, base, value = found.models
    assert (policy.made.role, policy.made.phase, policy.made.updates) == ("policy", "1.train-policy", 4)
    (samples,) = policy.samples
    assert (samples.phase, samples.samples, samples.trees) == ("1.select", 2, ("0.search/1", "1.search/2"))
    assert samples.file.sha256 is not None and samples.file.wrong is None
    assert policy.searches == (
        Searches("0.search", 0, ("0.search/1",), 3, (GIVEN,), ()),
        Searches("1.search", 1, ("1.search/2",), 3, (GIVEN,), ("checkpoints/0/value",)),
    )
    assert base.made.role == "base"
    assert value.made.parent == GIVEN and value.searches[0].trees == ("0.search/0",)
    assert found.seed == 5 and found.environment["python"] == "3.11"
    assert found.recipe.sha256 is not None and notes(found) == ""
    assert lineage(made, "first", "checkpoints/1/policy") == found


def test_what_was_noted_is_preferred_to_names(made: Path) -> None:
    assert not lineage(made, "first", "1/policy").models[0].made.by_name


def test_a_run_of_an_older_version_is_read_by_the_names_of_its_phases(root: Path) -> None:
    """No samples_from, no checksums and no fingerprints: the samples are those of the phase before."""
    journal = root / "runs" / "first" / "phases.jsonl"
    make_older(journal)
    text = journal.read_text()
    journal.write_text(text.replace('"samples_from": ["1.select"]', '"samples_from": []'))
    policy = lineage(root, "first", "1/policy").models[0]
    assert policy.made.by_name and policy.samples[0].phase == "1.select"
    assert policy.samples[0].file.sha256 is None and policy.weights == ()
    assert "nobody has noted the files" in policy.notes[0]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("samples/1.select.jsonl", "samples of 1.select: missing"),
        ("trees/1.search.jsonl", "1 trees of 1.search are gone, such as 1.search/2"),
        ("checkpoints/1/policy/model.safetensors", "model.safetensors: missing"),
        ("env.json", "versions are not known"),
        ("run.toml", "run.toml: cannot be read"),
        ("checkpoints.jsonl", ""),
    ],
)
def test_what_is_gone_is_named_and_the_rest_is_shown(root: Path, path: str, message: str) -> None:
    (root / "runs" / "first" / path).unlink()
    found = lineage(root, "first", "1/policy")
    assert found.chain == ("checkpoints/1/policy", GIVEN)
    assert message in notes(found)


def test_a_changed_file_is_named(root: Path) -> None:
    path = root / "runs" / "first" / "samples" / "1.select.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"problem-0"', b'"problem-1"', 1))
    found = lineage(root, "first", "1/policy")
    assert "samples of 1.select: other content in the same" in notes(found)
    assert f"{path}:1" in notes(found)
    assert found.models[0].samples[0].samples == 1, "the line that can be read still counts"


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    run = root / "runs" / "first"
    (run / "samples" / "1.select.jsonl").rename(outside)
    (run / "samples" / "1.select.jsonl").symlink_to(outside)
    config = run / "checkpoints" / "1" / "policy" / "config.json"
    config.unlink()
    config.symlink_to(outside)
    found = lineage(root, "first", "1/policy")
    assert found.models[0].samples == ()
    assert notes(found).count("a symbolic link") == 2


@pytest.mark.parametrize("model", ["2/policy", "1/other", "checkpoints/7/policy"])
def test_a_checkpoint_that_is_not_there_is_bad_input(made: Path, model: str) -> None:
    with pytest.raises(InputError, match="it has checkpoints/0/value, checkpoints/1/policy"):
        lineage(made, "first", model)


def test_a_folder_of_a_run_has_the_lineage_of_its_run(made: Path) -> None:
    folder = made / "runs" / "first" / "checkpoints" / "1" / "policy"
    assert lineage_of_folder(folder) == lineage(made, "first", "1/policy")


def test_a_folder_alone_has_what_its_marker_says(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "alone"
    shutil.copytree(made / "runs" / "first" / "checkpoints" / "1" / "policy", folder)
    (folder / "config.json").write_text("{}")
    found = lineage_of_folder(folder)
    files = {file.path: file for file in found.models[0].weights}
    assert files["model.safetensors"].wrong is None and "bytes instead of" in str(files["config.json"].wrong)
    assert "lies in no run" in found.notes[0]
    (folder / "restmcts-checkpoint.json").unlink()
    with pytest.raises(InputError, match=r"no restmcts-checkpoint\.json"):
        lineage_of_folder(folder)


def test_a_marker_leads_to_no_other_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    folder = tmp_path / "alone"
    folder.mkdir()
    row = f'"../secret": {{"bytes": 1, "sha256": "{"0" * 64}"}}'
    (folder / "restmcts-checkpoint.json").write_text(f'{{"format": 1, "files": {{{row}}}}}')
    (file,) = lineage_of_folder(folder).models[0].weights
    assert file == StoredFile("../secret", None, "is a name that leads out of the folder")


FILES = [
    "phases.jsonl",
    "checkpoints.jsonl",
    "samples/1.select.jsonl",
    "trees/1.search.jsonl",
    "run.toml",
    "env.json",
]


@given(st.sampled_from(FILES), st.floats(0, 0.999), st.binary(min_size=1, max_size=4), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_never_ends_in_anything_but_a_lineage_or_a_line(
    made: Path, tmp_path: Path, name: str, where: float, junk: bytes, cut: bool
) -> None:
    root = tmp_path / "damaged"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(made, root)
    path = root / "runs" / "first" / name
    data = path.read_bytes()
    place = int(len(data) * where)
    path.write_bytes(data[:place] + junk + (b"" if cut else data[place + len(junk) :]))
    try:
        found = lineage(root, "first", "1/policy")
    except (InputError, StoreError, RestmctsError) as error:
        assert str(error)
    else:
        assert found.chain[0] == "checkpoints/1/policy"


class Looped:
    """A run whose checkpoints are ancestors of each other."""

    def made(self, model: str) -> Made:
        return Made("policy", parent={"a": "b", "b": "a"}.get(model), samples_from=("s",))

    def weights(self, model: str) -> tuple[list[StoredFile], list[str]]:
        return [], []

    def sample_set(self, phase: str) -> tuple[SampleSet, list[str]]:
        return SampleSet(phase, StoredFile("s", None), 1, ("t/0",)), []

    def searches(self, phase: str, trees: Sequence[str] | None) -> tuple[Searches, list[str]]:
        return Searches(phase, 1, tuple(trees or ()), 1, ("a", "c"), ()), []


def test_a_circle_ends() -> None:
    chain, models = chain_and_others(Looped(), "a")
    assert chain == ("a", "b") and [model.name for model in models] == ["a", "b", "c"]
