"""`restmcts search` and `restmcts eval` with models on a server, end to end."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.check import check
from store.events import Critiqued
from store.index.reader import StoreReader
from store.queries import TreeFilter
from tests.engines.fault_server import FaultServer
from tests.engines.faults import logprob, usage

KEY = "sk-secret-0123456789"
COMMAND = (sys.executable, "-c", "from restmcts.cli import main; main()")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(key=KEY) as running:
        yield running


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    return write_problems(tmp_path, 3)


def write_problems(folder: Path, number: int) -> Path:
    path = folder / f"problems-{number}.jsonl"
    rows = [{"id": f"p{place}", "problem": f"What is x{place}?", "answer": "1"} for place in range(number)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def restmcts(*words: object, key: str = KEY, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    environment |= {"MY_API_KEY": key, "COLUMNS": "200", "OMP_NUM_THREADS": "1"} | variables
    return subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, env=environment, check=False
    )


def hosted(server: FaultServer, *more: str) -> list[str]:
    settings = [
        "models.engine=openai",
        f"models.openai.base_url={server.url}",
        "models.openai.api_key_variable=MY_API_KEY",
        "models.openai.retries=1",
        *more,
    ]
    return [word for setting in settings for word in ("-o", setting)]


def test_search_by_a_policy_that_values_itself(server: FaultServer, problems: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    more = ("models.critic=prompted", "generation.settings.rounds=4", "generation.settings.early_stop=false")
    done = restmcts(
        "search", "--problems", problems, "--policy", "org/tiny", "--root", root, "--json",
        "--method", "mcts", *hosted(server, *more),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["trees"], summary["failed"]) == (3, 0)
    assert summary["value_tokens"] > 0
    with StoreReader(root) as reader:
        record = reader.record("search-mcts", "search/0")
    assert (record.header.policy, record.header.value) == ("org/tiny", "org/tiny")
    assert record.result.cost.critic > 0
    advice = [event.advice for event in record.events if isinstance(event, Critiqued) and event.advice]
    assert "Look at the\x1b[31m sign." in advice
    assert any("Advice for the next step: Look" in json.dumps(seen.body) for seen in server.posts)
    stored = [path for path in root.rglob("*") if path.is_file()]
    assert any(path.name == "run.toml" for path in stored)
    assert not [path for path in stored if KEY.encode() in path.read_bytes()]
    assert KEY not in done.stdout + done.stderr


def test_eval_of_a_policy_on_a_server(server: FaultServer, problems: Path, tmp_path: Path) -> None:
    done = restmcts(
        "eval", "--policy", "org/tiny:1b", "--problems", problems, "--root", tmp_path / "store", "--json",
        "--method", "greedy", "--method", "best-of-n", "--budget", 150, *hosted(server),
        "-o", "best-of-n.samples=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["run"] == "eval-tiny-1b"
    rows = {row["method"]: row for row in summary["rows"]}
    assert {"greedy", "best-of-n, last"} <= rows.keys()
    assert 0 < rows["best-of-n, last"]["policy_tokens"] <= 150


@pytest.mark.parametrize(
    ("number", "fine", "said"),
    [(3, 0, "all 3 searches failed"), (30, 4, "20 searches one after the other failed")],
)
def test_searches_that_failed_are_run_again(
    server: FaultServer, tmp_path: Path, number: int, fine: int, said: str
) -> None:
    asked = (
        "search", "--problems", write_problems(tmp_path, number), "--policy", "tiny", "--json",
        "--method", "greedy", *hosted(server, "concurrency=1", "models.openai.concurrency=1"),
    )  # fmt: skip
    calm = restmcts(*asked, "--root", tmp_path / "calm")
    assert calm.returncode == 0, calm.stderr
    # The first requests find out what the server can do; then each search makes one.
    probes = len(server.posts) - number
    server.fail(*["fine"] * (probes + fine), *[500] * 1000)
    broken = restmcts(*asked, "--root", tmp_path / "shaken")
    assert broken.returncode == 1
    assert said in broken.stderr and "no luck" in broken.stderr and "are run once more" in broken.stderr
    server.mend()
    posts = len(server.posts)
    mended = restmcts(*asked, "--root", tmp_path / "shaken")
    assert mended.returncode == 0, mended.stderr
    assert len(server.posts) - posts == probes + number - fine
    assert answers(tmp_path / "shaken") == answers(tmp_path / "calm")
    assert check(tmp_path / "shaken") == []


def answers(root: Path) -> list[tuple[str, str | None, bool | None]]:
    """What became of every search of a store."""
    with StoreReader(root) as reader:
        trees = reader.trees(TreeFilter("search-greedy"))
    return [(tree.id, tree.answer, tree.correct) for tree in trees]


def test_odd_replies_fail_their_searches_and_no_other(
    server: FaultServer, problems: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    asked = (
        "search", "--problems", write_problems(tmp_path, 9), "--policy", "tiny", "--root", root, "--json",
        "--method", "greedy", *hosted(server, "concurrency=1", "models.openai.retries=0"),
    )  # fmt: skip
    with FaultServer(key=KEY) as calm:
        assert restmcts(*asked, "--run", "calm", "-o", f"models.openai.base_url={calm.url}").returncode == 0
        probes = len(calm.posts) - 9
    faults = (usage(completion_tokens=2**63), usage(completion_tokens=2**64), logprob(math.nan))
    server.fail(*["fine"] * (probes + 3), *faults)
    done = restmcts(*asked)
    assert done.returncode == 3, done.stderr
    assert (json.loads(done.stdout)["trees"], json.loads(done.stdout)["failed"]) == (9, 3)
    assert "3 of 9 searches failed" in done.stderr
    assert check(root) == []
    again = restmcts(*asked)
    assert (again.returncode, again.stdout) == (3, done.stdout)


def test_a_password_in_the_address_of_the_environment_is_in_no_file(problems: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    asked = (
        "search",
        "--problems",
        problems,
        "--policy",
        "tiny",
        "--root",
        root,
        "-o",
        "models.engine=openai",
    )
    for debug in ((), ("--debug",)):
        done = restmcts(*debug, *asked, OPENAI_BASE_URL=f"http://user:{KEY}@127.0.0.1:9/v1")
        assert done.returncode == 2
        assert "OPENAI_BASE_URL must hold no user name, password" in done.stderr
        assert KEY not in done.stdout + done.stderr
    assert not [path for path in root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_a_stored_run_keeps_its_recipe(tmp_path: Path, server: FaultServer, problems: Path) -> None:
    asked = ("search", "--problems", problems, "--policy", "tiny", "--root", tmp_path, "--method", "greedy")
    assert restmcts(*asked, *hosted(server)).returncode == 0
    done = restmcts("eval", "search-greedy", "--root", tmp_path, "-o", "models.engine=transformers")
    assert done.returncode == 2
    assert "keeps its recipe" in done.stderr


def test_a_stored_recipe_alone_sends_nothing(tmp_path: Path, server: FaultServer, problems: Path) -> None:
    asked = ("search", "--problems", problems, "--policy", "tiny", "--root", tmp_path, "--method", "greedy")
    assert restmcts(*asked, *hosted(server)).returncode == 0
    compared = ("eval", "search-greedy", "--root", tmp_path, "--method", "greedy")
    url, sent = server.url, len(server.seen)
    for words in (
        (),
        ("--base-url", url),
        ("--api-key-variable", "MY_API_KEY"),
        ("--base-url", f"{url}x", "--api-key-variable", "MY_API_KEY"),
        ("--base-url", url, "--api-key-variable", "OTHER_API_KEY"),
    ):
        done = restmcts(*compared, *words)
        assert done.returncode == 2
        assert f"sends its problems to {url}, with the key in MY_API_KEY" in done.stderr
        assert f"--base-url {url} --api-key-variable MY_API_KEY" in done.stderr
    assert len(server.seen) == sent
    done = restmcts(*compared, "--base-url", url, "--api-key-variable", "MY_API_KEY")
    assert done.returncode == 0, done.stderr


def test_a_stored_recipe_with_several_servers_wants_each_repeated(
    tmp_path: Path, server: FaultServer, problems: Path
) -> None:
    with FaultServer(key=KEY) as other:
        urls = [server.url, other.url]
        listed = json.dumps(urls)
        more = ("-o", f"models.openai.base_urls={listed}", "-o", "models.openai.api_key_variable=MY_API_KEY")
        asked = (
            "search",
            "--problems",
            problems,
            "--policy",
            "tiny",
            "--root",
            tmp_path,
            "--method",
            "greedy",
        )
        done = restmcts(*asked, "-o", "models.engine=openai", *more)
        assert done.returncode == 0, done.stderr
        assert server.posts and other.posts
        sent = len(server.seen) + len(other.seen)
        key = ("--api-key-variable", "MY_API_KEY")
        compared = ("eval", "search-greedy", "--root", tmp_path, "--method", "greedy", *key)
        done = restmcts(*compared, "--base-url", urls[0])
        assert done.returncode == 2
        assert f"sends its problems to {urls[0]}, {urls[1]}, with the key in MY_API_KEY" in done.stderr
        assert f"repeat: --base-url {urls[0]} --base-url {urls[1]} {' '.join(key)}" in done.stderr
        assert len(server.seen) + len(other.seen) == sent
        done = restmcts(*compared, "--base-url", urls[1], "--base-url", urls[0])
        assert done.returncode == 0, done.stderr


def test_a_received_recipe_gets_no_variable_and_no_file(
    tmp_path: Path, server: FaultServer, problems: Path
) -> None:
    root, secret = tmp_path / "store", tmp_path / "secret.jsonl"
    secret.write_text('{"problem": "my secret", "answer": "7"}\n')
    asked = ("search", "--problems", problems, "--policy", "tiny", "--root", root, "--method", "greedy")
    assert restmcts(*asked, *hosted(server)).returncode == 0
    config, sent = root / "runs" / "search-greedy" / "run.toml", len(server.seen)
    config.write_text(config.read_text().replace(str(problems), str(secret)))
    words = ("--base-url", server.url, "--api-key-variable", "MY_API_KEY")
    done = restmcts("eval", "search-greedy", "--root", root, "--method", "greedy", *words)
    assert (done.returncode, "--problems FILE" in done.stderr) == (2, True)
    config.write_text(config.read_text().replace("MY_API_KEY", "AWS_SECRET_ACCESS_KEY"))
    done = restmcts("eval", "search-greedy", "--root", root, "--method", "greedy", *words)
    assert (done.returncode, "_API_KEY or _TOKEN" in done.stderr) == (2, True)
    assert len(server.seen) == sent


@pytest.mark.parametrize("engine", ["engine", "value_engine"])
def test_models_on_a_server_cannot_be_trained(engine: str, tmp_path: Path) -> None:
    root = tmp_path / "store"
    done = restmcts("iterate", "tiny", "--root", root, "-o", f"models.{engine}=openai")
    assert done.returncode == 2
    assert "cannot be trained" in done.stderr and done.stderr.count("\n") == 1
    assert not root.exists()


def test_a_value_model_cannot_be_made_from_a_policy_on_a_server(
    server: FaultServer, problems: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"problem": "another one", "answer": "7"}\n')
    done = restmcts(
        "search", "--problems", problems, "--policy", "tiny", "--train", other, "--root", tmp_path,
        *hosted(server, "models.value_engine=transformers"),
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be trained" in done.stderr


def test_a_refused_key_is_one_line_without_the_key(
    server: FaultServer, problems: Path, tmp_path: Path
) -> None:
    wrong = "sk-wrong-9876543210"
    asked = ("search", "--problems", problems, "--policy", "tiny", "--root", tmp_path, *hosted(server))
    for debug in ((), ("--debug",)):
        done = restmcts(*debug, *asked, key=wrong)
        assert done.returncode == 1
        assert "MY_API_KEY is missing or refused" in done.stderr
        assert wrong not in done.stdout + done.stderr
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and wrong.encode() in path.read_bytes()
    ]


def test_failed_searches_of_a_phase_that_is_done_are_run_again(server: FaultServer, tmp_path: Path) -> None:
    asked = (
        "search", "--problems", write_problems(tmp_path, 6), "--policy", "tiny", "--json",
        "--method", "greedy", *hosted(server, "concurrency=1", "models.openai.concurrency=1"),
    )  # fmt: skip
    calm = restmcts(*asked, "--root", tmp_path / "calm")
    probes = len(server.posts) - 6
    server.fail(*["fine"] * (probes + 2), *[500] * 4)
    root = tmp_path / "shaken"
    broken = restmcts(*asked, "--root", root)
    server.mend()
    assert broken.returncode == 3, broken.stderr
    assert json.loads(broken.stdout)["failed"] == 2
    assert "2 searches failed; the same command with --retry-failed runs them again" in broken.stderr
    posts = len(server.posts)
    assert restmcts(*asked, "--root", root).returncode == 3
    assert len(server.posts) == posts
    mended = restmcts(*asked, "--root", root, "--retry-failed")
    assert mended.returncode == 0, mended.stderr
    assert len(server.posts) == posts + probes + 2
    assert json.loads(mended.stdout) == json.loads(calm.stdout)
    with StoreReader(root) as reader:
        trees = reader.trees(TreeFilter("search-greedy"))
    assert [(tree.number, tree.reason) for tree in trees if tree.reason == "failed"] == []
    assert len(trees) == 6
    assert check(root) == []
