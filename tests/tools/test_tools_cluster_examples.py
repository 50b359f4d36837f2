"""The examples for clusters are sound, and start what they say."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from restmcts.recipe import load_recipe

FOLDER = Path(__file__).parents[2] / "configs" / "cluster"

# Each takes the place of a program of a cluster, and notes what it is asked.
PROGRAMS = {
    "scontrol": 'if [ "$1" = show ]; then printf "one\\ntwo\\n"; else echo "scontrol $*" >> "$NOTES"; fi',
    "srun": """
        while [[ "$1" == --* ]]; do shift; done
        if [ "$1" = hostname ]; then echo "10.0.0.1 10.0.0.2"; else exec "$@"; fi""",
    "ray": """
        if [ "$1" = start ]; then
            echo "ray $* $RAY_AUTH_MODE $RAY_AUTH_TOKEN" >> "$NOTES"
            exec tail -f /dev/null
        fi""",
    "python": """
        if [ "$1" = -c ]; then echo secret; exit; fi
        until [ "$(grep -c "^ray start" "$NOTES")" = "$2" ]; do :; done""",
    "restmcts": 'echo "restmcts $*" >> "$NOTES"; exit "${EXIT:-0}"',
}


def run(script: str, folder: Path, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    """The exit code of a script, and what it has asked the programs of a cluster."""
    programs = folder / "bin"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    notes = folder / "notes"
    notes.touch()
    known = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "ENVIRONMENT": str(folder),
        "STORE": "store",
        "NOTES": str(notes),
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": "nodes",
        "SLURM_GPUS_ON_NODE": "8",
    }
    command = ["bash", str(FOLDER / script), *arguments]
    ended = subprocess.run(command, cwd=folder, env=os.environ | known | environment, timeout=60, check=False)
    return ended.returncode, notes.read_text().splitlines()


@pytest.mark.parametrize("code", [0, 1, 143])
def test_slurm_starts_ray_and_one_command(code: int, tmp_path: Path) -> None:
    status, asked = run("slurm.sbatch", tmp_path, "mine.toml", "-o", "seed=2", EXIT=str(code))
    assert status == code
    started = [line for line in asked if line.startswith("ray start")]
    assert sorted("--head" in line for line in started) == [False, True]
    assert all("10.0.0.1" in line and line.endswith("--num-gpus=8 token secret") for line in started)
    keys = "-o cluster.engine=ray -o cluster.address=auto -o cluster.workers=16 -o seed=2"
    assert f"restmcts iterate mine.toml --root store {keys}" in asked
    assert ("scontrol requeue 4711" in asked) == (code == 143)


def test_slurm_searches_shards_and_merges_them(tmp_path: Path) -> None:
    for name in ("search", "merge"):
        (tmp_path / name).mkdir()
    job = {"SLURM_ARRAY_TASK_ID": "3"}
    status, asked = run("slurm-shards.sbatch", tmp_path / "search", "--data", "gsm8k", **job)
    assert (status, asked) == (0, ["restmcts search --data gsm8k --root store --shard 3/64"])
    status, asked = run("slurm-shards.sbatch", tmp_path / "merge", "merge")
    assert (status, asked) == (
        0,
        ["restmcts store merge store --into store", "restmcts store check --root store"],
    )


@pytest.fixture
def job() -> Any:
    yaml = pytest.importorskip("yaml")
    (found,) = (
        document
        for document in yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text("utf-8"))
        if document["kind"] == "RayJob"
    )
    return found["spec"]


def test_kuberay_has_room_for_all_workers(job: Any) -> None:
    """The command is read as a shell would read it, and its recipe is loaded with its keys."""
    cluster = job["rayClusterSpec"]
    shell, script = shlex.split(job["entrypoint"])[1:]
    assert shell == "-c"
    words = shlex.split(script)
    recipe = load_recipe(
        words[words.index("iterate") + 1], [words[at + 1] for at, w in enumerate(words) if w == "-o"]
    )
    nodes = 1 + sum(group["replicas"] for group in cluster["workerGroupSpecs"])
    assert recipe.cluster.workers == 8 * nodes and recipe.cluster.gpus_per_worker == 1
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        assert container["resources"]["limits"]["nvidia.com/gpu"] == group["rayStartParams"]["num-gpus"]


def test_kuberay_has_the_fields_of_its_version(job: Any) -> None:
    """Those of the API reference of KubeRay that are used here; others would be dropped without a word."""
    cluster = job["rayClusterSpec"]
    assert job.keys() <= {
        "entrypoint", "submissionMode", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished",
        "rayClusterSpec",
    }  # fmt: skip
    assert cluster.keys() <= {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"}
    assert cluster["headGroupSpec"].keys() <= {"rayStartParams", "template"}
    known = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
    assert all(group.keys() == known for group in cluster["workerGroupSpecs"])
    assert all(isinstance(value, str) for value in cluster["headGroupSpec"]["rayStartParams"].values())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_a_recipe_for_a_cluster_uses_it(path: Path) -> None:
    assert load_recipe(str(path)).cluster.engine == "ray"
