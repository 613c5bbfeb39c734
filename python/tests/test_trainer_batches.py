"""What a trainer gets in place of nnU-Net's own batches: shapes and types, of every kind of training."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import pytest
import torch
from nnunet_data import DATASET, make_folders, preprocess_here
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

from voxfeed.errors import DatasetError, StateError, VoxfeedError
from voxfeed.nnunet import VoxfeedMixin
from voxfeed.nnunet.trainer import save_state

PATCH = (40, 56, 40)
Make = Callable[..., Any]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes a trainer, fed by voxfeed, on six cases of which it validates on the last two."""
    made: list[Any] = []

    def trainer(configuration: str = "3d_fullres", base: str = "nnUNetTrainer", plans: Any = None, **changes: Any) -> Any:
        if not made:
            for name, value in make_folders(tmp_path, 6, **changes).items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("VOXFEED_WORKERS", "1")
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
        from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

        class Split(VoxfeedMixin, recursive_find_trainer_class_by_name(base)):  # type: ignore[misc]
            def do_split(self) -> tuple[list[str], list[str]]:
                ids = cases_of(self)
                return ids[:4], ids[4:]

        assert issubclass(Split, nnUNetTrainer)
        folder = tmp_path / "nnUNet_preprocessed" / DATASET
        stored = "2d" if configuration == "2d" else "3d_fullres"
        if not (folder / f"nnUNetPlans_{stored}").exists():
            preprocess_here(tmp_path, stored)
        given = json.loads((folder / "tinyPlans.json").read_text())
        dataset = json.loads((folder / "dataset.json").read_text())
        with contextlib.redirect_stdout(io.StringIO()):
            one = Split(
                {**given, **(plans(given) if plans else {}), "continue_training": False}, configuration, 0, dataset, torch.device("cpu")
            )
            one._set_batch_size_and_oversample()
        made.append(one)
        return one

    yield trainer
    for one in made:
        if getattr(one, "voxfeed", None) is not None:
            one.voxfeed.close()


def cases_of(trainer: Any) -> list[str]:
    return sorted(path.stem for path in Path(trainer.preprocessed_dataset_folder).glob("*.pkl"))


def feeds(trainer: Any) -> tuple[Any, Any]:
    with contextlib.redirect_stdout(io.StringIO()):
        return trainer.get_dataloaders()


def test_labels_with_deep_supervision_ignore_label_and_a_split_of_its_own(make: Make) -> None:
    trainer = make(labels={"background": 0, "Anterior": 1, "ignore": 2})
    training, validation = feeds(trainer)
    batch, other = next(training), next(validation)
    for taken in (batch, other):
        assert taken["data"].dtype == torch.float32 and taken["data"].shape == (2, 1, *PATCH)
        assert [(target.dtype, target.shape[1]) for target in taken["target"]] == [(torch.int16, 1)] * 3
        assert int(taken["target"][0].min()) >= 0
    ids = trainer.do_split()
    assert set(batch["keys"]) <= set(ids[0]) and set(other["keys"]) <= set(ids[1]) and isinstance(batch["keys"], np.ndarray)


def test_regions_are_masks(make: Make) -> None:
    trainer = make(labels={"background": 0, "whole": [1, 2], "posterior": 2}, regions_class_order=[1, 2])
    training, _ = feeds(trainer)
    target = next(training)["target"]
    memory = trainer.voxfeed._feed.memory
    assert all(memory.address <= each.data_ptr() < memory.address + len(memory) for each in target)
    assert [(each.dtype, each.shape[1]) for each in target] == [(torch.bool, 2)] * 3
    assert bool((target[0][:, 0] | ~target[0][:, 1]).all()) and bool(target[0].any())


def test_without_deep_supervision_there_is_one_target(make: Make) -> None:
    training, _ = feeds(make(base="nnUNetTrainerNoDeepSupervision"))
    target = next(training)["target"]
    assert isinstance(target, torch.Tensor) and target.shape == (2, 1, *PATCH)


def test_2d_patches(make: Make) -> None:
    trainer = make("2d")
    batch = next(feeds(trainer)[0])
    size = tuple(trainer.configuration_manager.patch_size)
    assert batch["data"].shape[2:] == size and batch["target"][0].shape[2:] == size


def cascade(plans: dict[str, Any]) -> dict[str, Any]:
    added = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    lower = {"inherits_from": "3d_fullres", "data_identifier": "nnUNetPlans_3d_lowres", "next_stage": "3d_cascade_fullres"}
    return {"configurations": {**plans["configurations"], "3d_cascade_fullres": added, "3d_lowres": lower}}


@pytest.mark.parametrize("ending", ["b2nd", "npz"])
def test_cascades_get_the_previous_stage(make: Make, ending: str) -> None:
    trainer = make("3d_cascade_fullres", plans=cascade)
    with pytest.raises(VoxfeedError, match="no such file or directory"):
        feeds(trainer)
    previous = Path(trainer.folder_with_segs_from_previous_stage)
    previous.mkdir(parents=True)
    with pytest.raises(VoxfeedError, match="there is no previous-stage segmentation of .* Predict every case"):
        feeds(trainer)
    # As the release of that time leaves them.
    for case in cases_of(trainer):
        segmentation = np.ones(blosc2.open(str(Path(trainer.preprocessed_dataset_folder) / f"{case}_seg.b2nd")).shape[1:], np.uint8)
        if ending == "npz":
            np.savez_compressed(previous / f"{case}.npz", seg=segmentation)
        else:
            nnUNetDatasetBlosc2.save_seg(segmentation, str(previous / case))
    training, validation = feeds(trainer)
    batch = next(validation)
    assert batch["data"].shape == (2, 3, *PATCH)
    # Every voxel has label 1 in the previous stage, but those beyond the volume.
    assert float(batch["data"][:, 1].mean()) > 0.3 and float(batch["data"][:, 2].abs().max()) == 0
    assert next(training)["data"].shape == (2, 3, *PATCH)


def test_probabilistic_oversampling_and_positions_by_epoch(make: Make) -> None:
    trainer = make(base="nnUNetTrainer_probabilisticOversampling_033")
    trainer.current_epoch = 3
    training, validation = feeds(trainer)
    assert (training.stream.next_batch, validation.stream.next_batch) == (750, 150)
    state = trainer.voxfeed.state()
    assert state["probabilisticOversampling"] is True and state["oversample"] == 0.33


def test_a_changed_training_is_noticed(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make()
    feeds(trainer)
    checkpoint = str(tmp_path / "checkpoint.pth")
    save_state(trainer, checkpoint)
    same = make()
    same.voxfeed_checkpoint = checkpoint
    feeds(same)
    monkeypatch.setenv("VOXFEED_SEED", "9")
    other = make()
    other.voxfeed_checkpoint = checkpoint
    with pytest.raises(StateError, match="other data or options: seed changed. Restore them, or remove the file"):
        feeds(other)


def test_preprocessed_data_are_missing(make: Make) -> None:
    trainer = make()
    Path(trainer.preprocessed_dataset_folder).rename(Path(trainer.preprocessed_dataset_folder).with_name("elsewhere"))
    with pytest.raises(DatasetError, match="there is no such folder. Preprocess first: voxfeed-nnunet-preprocess, or nnUNetv2_preprocess"):
        feeds(trainer)


def test_archives_of_older_releases_are_unpacked_and_give_the_same_batches(make: Make) -> None:
    expected = next(feeds(make())[0])
    trainer = make()
    folder = Path(trainer.preprocessed_dataset_folder)
    for case in cases_of(trainer):
        data, seg = (blosc2.open(str(folder / f"{case}{part}.b2nd"))[:] for part in ("", "_seg"))
        np.savez_compressed(folder / f"{case}.npz", data=data, seg=seg)
        for part in ("", "_seg"):
            (folder / f"{case}{part}.b2nd").unlink()
    batch = next(feeds(trainer)[0])
    assert len(list(folder.glob("*_seg.npy"))) == 6
    assert torch.equal(batch["data"], expected["data"]) and all(map(torch.equal, batch["target"], expected["target"]))


RANK = """
import contextlib, io, json, os, sys, torch, torch.distributed as dist
sys.path.insert(0, sys.argv[1])
dist.init_process_group("gloo")
from voxfeed.nnunet import patch
patch()
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
nnUNetTrainer.do_split = lambda self: (CASES[:4], CASES[4:])
folder = sys.argv[2]
CASES = sorted(name.split("_0000")[0] for name in os.listdir(os.environ["nnUNet_raw"] + "/" + os.path.basename(folder) + "/imagesTr"))
with contextlib.redirect_stdout(io.StringIO()):
    plans = {**json.load(open(folder + "/tinyPlans.json")), "continue_training": False}
    plans["configurations"]["3d_fullres"]["batch_size"] = 3
    trainer = nnUNetTrainer(plans, "3d_fullres", 0, json.load(open(folder + "/dataset.json")), torch.device("cpu"))
    trainer._set_batch_size_and_oversample()
    training, validation = trainer.get_dataloaders()
batches = [next(training)["data"] for _ in range(3)] + [next(validation)["data"]]
torch.save({"batches": [batch.clone() for batch in batches], "share": trainer.oversample_foreground_percent}, sys.argv[3])
trainer.voxfeed.close()
"""


def batches_of_three(plans: dict[str, Any]) -> dict[str, Any]:
    plans["configurations"]["3d_fullres"]["batch_size"] = 3
    return plans


def test_two_ranks_make_the_batches_of_one(make: Make, tmp_path: Path) -> None:
    training, validation = feeds(make(plans=batches_of_three))
    expected = [next(training)["data"] for _ in range(3)] + [next(validation)["data"]]
    folder, here = tmp_path / "nnUNet_preprocessed" / DATASET, Path(__file__).parent
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29571", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(here), str(folder), str(tmp_path / f"rank{rank}.pt")], env={**env, "RANK": str(rank)}
        )
        for rank in range(2)
    ]
    assert [rank.wait() for rank in ranks] == [0, 0]
    parts = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    assert [part["batches"][0].shape[0] for part in parts] == [2, 1]
    for i, whole in enumerate(expected):
        assert torch.equal(torch.cat([part["batches"][i] for part in parts]), whole)
