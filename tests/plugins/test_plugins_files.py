"""One file outside of any distribution adds a method to every command; it runs only where a user names it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from restmcts import registry as registries
from restmcts.errors import InputError
from restmcts.labels import LABEL_RULES
from restmcts.loops.registry import LOOPS
from restmcts.plugins import load_plugin
from restmcts.recipe import load_recipe, override_values, recipe_toml
from restmcts.search.registry import METHODS
from restmcts.stored_recipes import stored_recipe
from store.check import check
from store.files.fingerprints import fingerprint_file
from store.files.inputs import ITSELF
from store.files.journal import read_journal
from store.files.layout import RunLayout
from store.index.reader import StoreReader
from tests.cli.commands import SMALL, refused, restmcts, write_lines
from tests.plugins.conftest import SOURCE
from tests.plugins.test_plugins_commands import journal
from tui.replay.player import Player

EXAMPLE = SOURCE / "restmcts_example"
FILE = EXAMPLE / "best_first_step.py"
TRACE = "PYTHON_LOADED"


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is loaded, before the test and after it."""
    files: dict[str, registries.LoadedFile] = {}
    monkeypatch.setattr("restmcts.registry.FILES", files)
    monkeypatch.setattr("restmcts.plugins.FILES", files)
    for registry in (METHODS, LABEL_RULES, LOOPS):
        monkeypatch.setattr(registry, "_loaded", {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the method's file that a test may change."""
    return Path(shutil.copy(FILE, tmp_path / "mine.py"))


def test_the_method_of_the_documents_is_the_one_that_is_tested() -> None:
    code = FILE.read_text("utf-8")
    assert len(code.splitlines()) <= 40
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text("utf-8")
    assert f"```python\n{code}```" in guide


# What a file adds to the registries


@pytest.mark.usefixtures("nothing_loaded")
def test_each_registry_finds_what_is_its_own(file: Path) -> None:
    load_plugin(file)
    load_plugin(EXAMPLE / "discounted.py")
    load_plugin(EXAMPLE / "expert_iteration.py")
    assert METHODS["best-first-step"].settings().answer_by == "value-vote"
    assert METHODS.is_added("best-first-step") and not METHODS.is_added("mcts")
    assert "discounted" in LABEL_RULES and "discounted" not in METHODS
    assert [*LOOPS][-1] == "expert-iteration"
    digest = fingerprint_file(file).sha256
    assert METHODS.origins(["best-first-step"]) == {"best-first-step": f"mine.py sha256:{digest[:12]}"}


@pytest.mark.usefixtures("nothing_loaded")
def test_a_file_is_run_once(file: Path) -> None:
    assert load_plugin(file) is load_plugin(file)
    assert len(registries.FILES) == 1
    file.write_text(file.read_text() + "\n")
    with pytest.raises(InputError, match=r"mine\.py: the plug-in has changed since"):
        load_plugin(file)


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (", "cannot be loaded: SyntaxError: "),
        ("raise SystemExit(0)", "cannot be loaded: SystemExit: 0"),
        ("x = '\0'", "cannot be loaded: SyntaxError: "),
    ],
)
def test_a_file_that_cannot_be_run_is_named(code: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(code)
    with pytest.raises(InputError) as caught:
        load_plugin(file)
    assert str(caught.value).startswith(f"{file}: the plug-in {message}")
    assert registries.FILES == {}


@pytest.mark.usefixtures("nothing_loaded")
def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.py", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=f"cannot read the plug-in: {reason}"):
            load_plugin(path)


@pytest.mark.usefixtures("nothing_loaded")
def test_a_file_cannot_take_a_name(tmp_path: Path, file: Path) -> None:
    file.write_text(file.read_text().replace("BEST_FIRST_STEP =", "MCTS ="))
    load_plugin(file)
    message = r"mine\.py: the search method 'mcts' is there already, from restmcts .*: give MCTS another name"
    for ask in (lambda: METHODS["mcts"], lambda: METHODS["greedy"], lambda: [*METHODS]):
        with pytest.raises(InputError, match=message):
            ask()


@pytest.mark.usefixtures("nothing_loaded")
def test_two_files_cannot_have_the_same_name(tmp_path: Path, file: Path) -> None:
    load_plugin(file)
    load_plugin(Path(shutil.copy(file, tmp_path / "other.py")))
    with pytest.raises(InputError, match=r"other\.py: the search method 'best-first-step' .* from mine\.py"):
        METHODS["best-first-step"]


@pytest.mark.usefixtures("nothing_loaded")
def test_what_a_file_imports_keeps_its_name(file: Path) -> None:
    file.write_text(f"from restmcts.search.methods.mcts import MCTS\n{file.read_text()}")
    load_plugin(file)
    assert str(METHODS.origin("mcts")).startswith("restmcts ")
    assert "best-first-step" in METHODS


# Who may run a file


def booby_trapped(folder: Path) -> Path:
    """A plug-in that says so when it runs."""
    file = folder / "trap.py"
    file.write_text(f"import os\nos.environ[{TRACE!r}] = 'yes'\n")
    return file


@pytest.mark.usefixtures("nothing_loaded")
def test_a_recipe_that_is_a_file_runs_its_plugins(tmp_path: Path, file: Path) -> None:
    """Paths in it are relative to its folder."""
    path = tmp_path / "mine.toml"
    path.write_text('recipe = "mine"\nplugins = "mine.py"\n[problems]\ndata_set = "tiny"\n')
    read = load_recipe(str(path), ["generation.method=best-first-step", "generation.budget=40"])
    assert read.plugins == [str(file)]
    assert read.generation.settings["first_steps"] == 4
    assert f'plugins = ["{file}"]' in recipe_toml(read)


@pytest.mark.usefixtures("nothing_loaded")
def test_a_stored_recipe_runs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACE, raising=False)
    trap = booby_trapped(tmp_path)
    layout = RunLayout(tmp_path / "store", "theirs")
    layout.folder.mkdir(parents=True)
    text = recipe_toml(override_values({"recipe": "x", "problems": {"data_set": "tiny"}}, [], "x"))
    layout.config.write_text(text.replace("plugins = []", f"plugins = [{str(trap)!r}]"))
    stored, _ = stored_recipe(layout.root, "theirs")
    assert stored.plugins == [str(trap)] and registries.FILES == {}
    unknown = layout.config.read_text().replace('method = "mcts"', 'method = "trap"', 1)
    layout.config.write_text(unknown)
    with pytest.raises(InputError, match=r"'trap'.*whose code runs only if you name them: -o plugins=.*trap"):
        stored_recipe(layout.root, "theirs")
    assert registries.FILES == {}
    assert TRACE not in os.environ


@pytest.mark.parametrize("value", ["3", "[1]", '[""]', "{ a = 1 }"])
def test_plugins_are_paths(value: str) -> None:
    with pytest.raises(InputError, match="plugins: write the path of a Python file, or a list of such paths"):
        load_recipe("tiny", [f"plugins={value}"])


# From the command line


@pytest.fixture(scope="module")
def searched(policy: Path, value: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the file and a store that was searched with it."""
    folder = tmp_path_factory.mktemp("file")
    shutil.copy(FILE, folder / "mine.py")
    rows = [{"problem": f"Apply +1, +{add} to 4", "answer": str(5 + add)} for add in (1, 2, 3)]
    write_lines(folder / "problems.jsonl", *rows)
    restmcts(*asked(folder, policy, value), "--limit", 2)
    return folder


def asked(folder: Path, policy: Path, value: Path) -> list[object]:
    models = ("--policy", policy, "--value", value, "--method", "best-first-step", "--budget", 60)
    files = ("--problems", folder / "problems.jsonl", "--root", folder / "store")
    return ["search", *files, *models, "-o", f"plugins={folder / 'mine.py'}", "--run", "mine"]


@pytest.fixture
def own(searched: Path, tmp_path: Path) -> Path:
    """A copy of the searched folder that a test may change; the run knows the file where it was."""
    shutil.copytree(searched, tmp_path / "own")
    return tmp_path / "own"


def test_a_run_stores_what_ran(searched: Path) -> None:
    file = searched / "mine.py"
    digest = fingerprint_file(file).sha256
    root = searched / "store"
    assert journal(root, "mine")[-1]["search_methods"] == {"best-first-step": f"mine.py sha256:{digest[:12]}"}
    inputs = read_journal(RunLayout(root, "mine")).inputs
    assert inputs[str(file)][ITSELF].fingerprint.sha256 == digest
    assert check(root) == []


def test_a_search_goes_on_with_the_same_file_alone(searched: Path, policy: Path, value: Path) -> None:
    words = asked(searched, policy, value)
    restmcts(*words, "--limit", 3)
    before = (searched / "store" / "runs" / "mine" / "trees" / "search.jsonl").read_bytes()
    assert before.count(b"\n") == 3
    file = searched / "mine.py"
    code = file.read_text()
    try:
        file.write_text(code.replace("Restarts", "restarts"))
        line = refused(*words, "--limit", 3)
    finally:
        file.write_text(code)
    assert f"{file}: run 'mine' began with another content: has other content in the same" in line
    assert (searched / "store" / "runs" / "mine" / "trees" / "search.jsonl").read_bytes() == before


def test_trees_of_a_method_that_is_not_there_are_shown_and_exported(own: Path) -> None:
    root = own / "store"
    shown = restmcts("show", "mine/search/0", "--root", root).output
    assert "best-first-step" in shown
    assert restmcts("show", "mine", "--root", root, "--json").json()
    restmcts("export", "tree", "mine/search/0", "--root", root, "--output", own / "tree.json")
    assert (own / "tree.json").stat().st_size > 0
    rule = ("--rule", "discounted", "--plugin", EXAMPLE / "discounted.py")
    restmcts("label", "mine", "--root", root, *rule)
    assert journal(root, "mine")[-1]["label_rules"]["discounted"].startswith("discounted.py sha256:")
    assert str(EXAMPLE / "discounted.py") in read_journal(RunLayout(root, "mine")).inputs
    with StoreReader(root) as reader:
        player = Player(reader.record("mine", "search/0"))
    while player.position < player.length:
        player.forward()
    assert player.answer is not None and player.answer.text == player.record.result.answer


def test_eval_runs_a_file_that_is_named_and_no_other(own: Path, searched: Path) -> None:
    root, limits = own / "store", ("--budget", 40, "--limit", 2)
    words = ("eval", "mine", "--root", root, "--method", "best-first-step", *limits)
    line = refused(*words)
    assert "unknown search method 'best-first-step'" in line
    assert f"-o plugins={searched / 'mine.py'}" in line
    (own / "mine.py").write_text("raise SystemExit('this code ran')\n")
    line = refused(*words, "-o", f"plugins={own / 'mine.py'}")
    assert f"{own / 'mine.py'}: run 'mine' began with another content" in line
    shutil.copy(FILE, own / "mine.py")
    done = restmcts(*words, "-o", f"plugins={own / 'mine.py'}", "--json").json()
    named = [(row["method"], row["budget"]) for row in done["rows"]]
    assert named == [("best-first-step", 40), ("oracle (best-first-step)", 40)]
    assert str(own / "mine.py") in read_journal(RunLayout(root, "mine")).inputs


def test_methods_lists_what_a_file_has(file: Path) -> None:
    rows = restmcts("methods", "--plugin", file, "--json").json()
    (row,) = (row for row in rows if row["name"] == "best-first-step")
    assert (row["kind"], row["distribution"]) == ("search method", "mine.py")
    assert row["version"] == f"sha256:{fingerprint_file(file).sha256[:12]}"


def test_iterate_plans_with_a_method_of_a_file(file: Path, tmp_path: Path) -> None:
    """A recipe of its own, and its method in the search phase and in the closing table."""
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'plugins = ["mine.py"]\n{SMALL.read_text("utf-8")}')
    method = '{ method = "best-first-step", settings = { traces = 2 } }'
    chosen = ("-o", "generation.method=best-first-step", "-o", f"evaluation.methods=[{method}]")
    words = ("iterate", recipe, "--root", tmp_path / "store", *chosen, "-o", "generation.settings={}")
    plan = restmcts(*words, "--dry-run", "--json").json()
    assert "1.search" in {phase["name"] for phase in plan["phases"]} and not (tmp_path / "store").exists()
