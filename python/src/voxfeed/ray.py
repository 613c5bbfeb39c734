"""Preprocessing on a Ray cluster: parts as tasks, run again where a machine dies. ``pip install 'voxfeed[ray]'``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import OptionError, VoxfeedError
from .node import find_node, program

try:
    import ray
except ImportError as error:
    raise ImportError("voxfeed.ray needs Ray: pip install 'voxfeed[ray]'") from error

#: Told of each stage how many of its parts are done.
OnProgress = Callable[[str, int, int], None]

#: Becomes a program that ends with its parent, as the process of a task that is killed cannot end its own. Linux has that.
WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)
#: Seconds until a part is tried again whose predecessor, on a machine that Ray has given up, still writes.
PAUSE = 5


class Done(NamedTuple):
    """How a run of the command ended."""

    stdout: str
    notes: list[str]
    #: Why it failed; empty if it did not.
    error: str


class TryAgainError(Exception):
    """The run was killed, or another process still has its part."""


def preprocess(
    raw: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    config: str | None = None,
    plans: str | os.PathLike[str] | None = None,
    planner: str | None = None,
    dtype: str | None = None,
    arrays: str | None = None,
    parts: int | None = None,
    cpus: int = 1,
    memory_gb: float | None = None,
    retries: int = 5,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Plans and preprocesses a raw nnU-Net data set into a store, on all machines of a Ray cluster.

    The store is byte for byte that of ``voxfeed preprocess RAW STORE``. Called again after an interruption, it goes on where it stopped.

    Parameters
    ----------
    raw, store
        Folders that every machine sees under these names.
    config, plans, planner
        As ``--config``, ``--plans`` and ``--planner``. With ``plans``, nothing is planned.
    dtype, arrays
        As ``--dtype`` and ``--arrays``: how the store is written.
    parts
        How many tasks share the cases. Default: four for every task that the cluster can run at once now. The same number as before
        is not needed to go on after an interruption.
    cpus
        Of a task; so many threads it has.
    memory_gb
        GiB that a task may take, which Ray then keeps for it. Default: its share of half of the machine's memory.
    retries
        How often a part is run again whose machine or process died.
    on_progress
        Called with the stage, the parts that are done, and the parts there are. Default: lines on standard error.

    Returns
    -------
    dict
        The report of ``voxfeed preprocess --finish --json``, ``notes`` of all parts in it.

    Raises
    ------
    OptionError
        For a number that cannot be used.
    VoxfeedError
        With what the parts of a stage refused, after all of them have ended.
    """
    for name, value in (("parts", parts), ("cpus", cpus)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise OptionError(name, f"{value!r} is not a whole number from 1 on", "Give one")
    if not ray.is_initialized():
        ray.init()
    many = parts if parts is not None else 4 * max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus)
    raw, store = str(Path(raw).absolute()), str(Path(store).absolute())
    follow = None if plans is None else str(Path(plans).absolute())
    tasks = _Tasks(raw, many, cpus, memory_gb, retries, on_progress or _show)
    if follow is None:
        planning = ["plan", raw, "--out", store, *_flag("--planner", planner)]
        tasks.parts("reading cases", planning)
        planned = json.loads(tasks.one("planning", [*planning, "--finish", "--json"]))
        follow = str(Path(store) / f"{planned['plans_name']}.json")
    words = ["preprocess", raw, store, "--plans", follow, *_flag("--config", config), *_flag("--dtype", dtype), *_flag("--arrays", arrays)]
    tasks.parts("writing cases", words)
    report: dict[str, Any] = json.loads(tasks.one("finishing", [*words, "--finish", "--json"]))
    return {**report, "notes": sorted({*report["notes"], *tasks.notes})}


class _Tasks:
    """Runs commands as tasks, and gathers what they note."""

    def __init__(self, where: str, many: int, cpus: int, memory_gb: float | None, retries: int, on_progress: OnProgress) -> None:
        self.where = where
        self.many = many
        self.limits = (cpus, memory_gb)
        self.on_progress = on_progress
        self.notes: set[str] = set()
        resources = {} if memory_gb is None else {"memory": int(memory_gb * 2**30)}
        self.task = ray.remote(num_cpus=cpus, max_retries=retries, retry_exceptions=[TryAgainError], **resources)(run)

    def parts(self, stage: str, words: Sequence[str]) -> None:
        self._run(stage, [[*words, "--part", f"{number}/{self.many}"] for number in range(1, self.many + 1)])

    def one(self, stage: str, words: Sequence[str]) -> str:
        return self._run(stage, [list(words)])[0].stdout

    def _run(self, stage: str, commands: list[list[str]]) -> list[Done]:
        """Errors of one part keep no other from its work."""
        pending = [self.task.remote(command, *self.limits) for command in commands]
        done: list[Done] = []
        self.on_progress(stage, 0, len(commands))
        try:
            while pending:
                ended, pending = ray.wait(pending)
                done += [_outcome(each) for each in ended]
                self.on_progress(stage, len(done), len(commands))
        except BaseException:
            for each in pending:
                ray.cancel(each, force=True)
            raise
        self.notes.update(note for each in done for note in each.notes)
        errors = [each.error for each in done if each.error]
        if errors:
            raise VoxfeedError(self.where, f"{stage}: {len(errors)} of {len(commands)} tasks failed", "\n".join(sorted(set(errors))))
        return done


def _outcome(task: Any) -> Done:
    try:
        done: Done = ray.get(task)
        return done
    except ray.exceptions.RayError as error:
        return Done("", [], str(getattr(error, "cause", None) or error))


def run(words: list[str], cpus: int, memory_gb: float | None) -> Done:
    """One command of voxfeed, on the machine that a task is on."""
    command = [find_node(), str(program()), *words, "--workers", str(cpus), "--max-memory-gb", str(memory_gb or _share(cpus))]
    if sys.platform == "linux":
        command = [sys.executable, "-c", WITH_PARENT, str(os.getpid()), *command]
    ended = subprocess.run(command, capture_output=True, text=True)
    lines = ended.stderr.splitlines()
    notes = [line.removeprefix("note: ") for line in lines if line.startswith("note: ")]
    if ended.returncode < 0:
        raise TryAgainError(f"{' '.join(words)}: killed by signal {-ended.returncode}")
    if ended.returncode == 0:
        return Done(ended.stdout, notes, "")
    begin = next((i for i, line in enumerate(lines) if line.startswith("error: ")), 0)
    error = "\n".join(lines[begin:]).removeprefix("error: ")
    if "has been writing into it" in error:
        time.sleep(PAUSE)
        raise TryAgainError(error)
    return Done("", notes, error)


def _share(cpus: int) -> float:
    """GiB: half of what this machine has, divided among as many tasks as run here at once."""
    here = ray.get_runtime_context().get_node_id()
    cores = next((node["Resources"].get("CPU", cpus) for node in ray.nodes() if node["NodeID"] == here), cpus)
    return _memory() / 2**31 * min(1.0, cpus / cores)


def _memory() -> int:
    """Bytes that the machine has, or that its container may take."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return whole


def _flag(name: str, value: str | None) -> list[str]:
    return [] if value is None else [name, value]


def _show(stage: str, done: int, total: int) -> None:
    print(f"{stage}: {done} of {total} tasks", file=sys.stderr, flush=True)
