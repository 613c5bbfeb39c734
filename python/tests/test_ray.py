"""A store that a Ray cluster makes, of which one machine dies in the middle: byte for byte that of one run."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from conftest import EXAMPLES
from conftest import preprocess as in_one_run
from ray.cluster_utils import Cluster

from voxfeed.errors import OptionError, VoxfeedError
from voxfeed.node import find_node
from voxfeed.ray import preprocess

CASES = 8


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "Dataset004_Hippocampus"
    shutil.copytree(EXAMPLES / "data", path)
    for folder in ("imagesTr", "labelsTr"):
        for file in sorted((path / folder).iterdir())[CASES:]:
            file.unlink()
    (path / "dataset.json").write_text(json.dumps({**json.loads((path / "dataset.json").read_text()), "numTraining": CASES}))
    return path


@pytest.fixture(scope="module")
def alone(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that one run makes."""
    path = tmp_path_factory.mktemp("alone") / "store"
    in_one_run(raw, path)
    return contents(path)


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what is known of the machine that is to die: whoever writes cases there stays in the middle, and is noted."""
    node = tmp_path / "node"
    node.write_text(
        "#!/bin/sh\n"
        f'if [ "$RAY_RAYLET_PID" = "$(cat {tmp_path}/raylet 2>/dev/null)" ]; then\n'
        f'  case "$*" in *" preprocess "*--part*) echo "$@" >{tmp_path}/begun; exec sleep 600;; esac\n'
        "fi\n"
        f'exec {find_node()} "$@"\n'
    )
    node.chmod(0o755)
    monkeypatch.setenv("VOXFEED_NODE", str(node))
    return tmp_path


@pytest.fixture
def cluster(dying: Path) -> Iterator[Cluster]:
    """Two machines of one core each, as Ray has them for tests: they inherit this environment."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    (dying / "raylet").write_text(str(second.all_processes["raylet"][0].process.pid))
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def one_machine() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_a_machine_that_dies_in_the_middle(raw: Path, alone: dict[str, bytes], cluster: Cluster, dying: Path) -> None:
    seen = []
    second = cluster.list_all_nodes()[1]

    def kill(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))
        if (stage, done) == ("writing cases", 1):
            while not (dying / "begun").exists():
                time.sleep(0.1)
            cluster.remove_node(second, allow_graceful=False)

    report = preprocess(raw, dying / "store", parts=4, on_progress=kill)
    assert not second.any_processes_alive()
    assert (report["cases"], report["written"]) == (CASES, 0)
    assert seen[:5] == [("reading cases", done, 4) for done in range(5)]
    assert seen[-2:] == [("finishing", 0, 1), ("finishing", 1, 1)]
    assert contents(dying / "store") == alone


def test_an_interruption_is_no_harm(raw: Path, alone: dict[str, bytes], one_machine: None, tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("writing cases", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preprocess(raw, tmp_path / "store", parts=4, on_progress=interrupt)
    preprocess(raw, tmp_path / "store", parts=4)
    assert contents(tmp_path / "store") == alone


def test_what_parts_refuse_is_said_after_the_others_are_done(raw: Path, one_machine: None, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(raw, bad)
    images = sorted((bad / "imagesTr").iterdir())
    for image in images[:2]:
        image.write_bytes(b"no image")
    with pytest.raises(VoxfeedError, match="reading cases: 2 of 2 tasks failed") as refused:
        preprocess(bad, tmp_path / "store", parts=2)
    assert all(str(image) in str(refused.value) for image in images[:2])
    assert len(list((tmp_path / "store" / "fingerprint_cache").iterdir())) == CASES - 2


@pytest.mark.parametrize("wrong", [{"parts": 0}, {"cpus": 0.5}])
def test_numbers_that_cannot_be_used(raw: Path, tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(wrong))}: .* is not a whole number from 1 on"):
        preprocess(raw, tmp_path / "store", **wrong)


def contents(folder: Path) -> dict[str, bytes]:
    return {os.fspath(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
