"""Folders that voxfeed preprocesses for nnU-Net: equal to nnU-Net's own, and trained and validated by nnU-Net alone."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import blosc2
import nibabel
import numpy as np
import pytest
from conftest import preprocess as with_voxfeed
from nnunet_data import DATASET, make_folders, run

FOLDER = "nnUNetPlans_3d_fullres"
ONE_PROCESS = {"nnUNet_compile": "f", "nnUNet_def_n_proc": "1", "nnUNet_n_proc_DA": "0", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ten cases, preprocessed by voxfeed alone."""
    env = make_folders(tmp_path_factory.mktemp("ours"), cases=10)
    raw, preprocessed = (Path(env[name]) for name in ("nnUNet_raw", "nnUNet_preprocessed"))
    plans = preprocessed / DATASET / "tinyPlans.json"
    with_voxfeed(raw / DATASET, preprocessed, "--format", "nnunet", "--plans", str(plans), "--config", "3d_fullres", "--workers", "2")
    return env | ONE_PROCESS | {"nnUNet_extTrainer": str(Path(__file__).parent / "trainers")}


def test_is_what_nnunet_writes(env: dict[str, str], tmp_path: Path) -> None:
    theirs = make_folders(tmp_path, cases=10)
    run(theirs, "nnUNetv2_preprocess", "-d", "4", "-plans_name", "tinyPlans", "-c", "3d_fullres", "-np", "1")
    ours, own = (Path(each["nnUNet_preprocessed"]) / DATASET for each in (env, theirs))
    assert compare(own / FOLDER, ours / FOLDER) == 10
    first = Path("gt_segmentations") / "hippocampus_001.nii.gz"
    assert (ours / first).read_bytes() == (own / first).read_bytes()
    sizes = [sum(path.stat().st_size for path in (folder / FOLDER).iterdir()) for folder in (own, ours)]
    assert sizes[1] < 1.02 * sizes[0]


def test_nnunet_trains_and_validates(env: dict[str, str]) -> None:
    said = run(env, "nnUNetv2_train", "4", "3d_fullres", "0", "-p", "tinyPlans", "-tr", "nnUNetTrainerShort", "-device", "cpu")
    assert "Mean Validation Dice" in said
    fold = Path(env["nnUNet_results"]) / DATASET / "nnUNetTrainerShort__tinyPlans__3d_fullres" / "fold_0"
    assert len((fold / "losses.txt").read_text().splitlines()) == 9
    # Every case of the fold was predicted, brought back to its image, and compared with its label.
    validated = json.loads((fold / "validation" / "summary.json").read_text())["metric_per_case"]
    splits = json.loads((Path(env["nnUNet_preprocessed"]) / DATASET / "splits_final.json").read_text())
    assert sorted(Path(case["reference_file"]).name.removesuffix(".nii.gz") for case in validated) == splits[0]["val"]
    image, predicted = (nibabel.load(validated[0][name]) for name in ("reference_file", "prediction_file"))
    assert image.shape == predicted.shape and np.allclose(image.affine, predicted.affine, atol=1e-5)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_channels_regions_ignored_labels_crops_and_turned_axes(tmp_path: Path, ending: str) -> None:
    """Read by SimpleITK, and by nibabel: what both preprocessors say of it is the same."""
    env = {name: str(tmp_path / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    name = "Dataset011_Odd"
    raw = Path(env["nnUNet_raw"]) / name
    make_odd(raw, ending)
    run(env, "voxfeed-nnunet-preprocess", "-d", "11", "-np", "2", "--no_pbar")
    ours = Path(env["nnUNet_preprocessed"]) / name
    assert json.loads((ours / "nnUNetPlans.json").read_text())["transpose_forward"] != [0, 1, 2]
    own = tmp_path / "own" / name
    own.mkdir(parents=True)
    for file in ("dataset.json", "nnUNetPlans.json"):
        shutil.copy(ours / file, own)
    run(env, "nnUNetv2_preprocess", "-d", "11", "-np", "1", "-c", "2d", "3d_fullres", nnUNet_preprocessed=str(own.parent))
    for folder in ("nnUNetPlans_2d", FOLDER):
        assert compare(own / folder, ours / folder) == 5


def test_arguments_of_nnunet(env: dict[str, str], tmp_path: Path) -> None:
    elsewhere = {**env, "nnUNet_preprocessed": str(tmp_path)}
    words = ("-d", "4", "-pl", "nnUNetPlannerResEncM", "-np", "2", "1", "--verify_dataset_integrity", "--no_pbar")
    said = run(elsewhere, "voxfeed-nnunet-preprocess", *words, "-c", "3d_fullres", "3d_lowres")
    assert "nnUNetResEncUNetMPlans.json has no configuration 3d_lowres: it is skipped" in said
    assert len(list((tmp_path / DATASET / FOLDER).glob("*.pkl"))) == 10
    assert not (tmp_path / DATASET / "nnUNetPlans_2d").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-d", "4", "-overwrite_plans_name", "mine"], "-overwrite_plans_name: plans have the planner's name"),
        (["-d", "4", "-preprocessor_name", "Mine"], "-preprocessor_name: cases are preprocessed as by nnU-Net's DefaultPreprocessor"),
        (["-d", "4", "-np", "0"], "-np: it is a number of threads"),
        (["-d", "5"], "Dataset005_*: there is none"),
        (["-d", "4", "-pl", "Mine"], "argument -pl: invalid choice: 'Mine'"),
    ],
)
def test_refuses_what_it_cannot_do(env: dict[str, str], words: list[str], message: str) -> None:
    program = Path(sys.executable).parent / "voxfeed-nnunet-preprocess"
    done = subprocess.run([str(program), *words], env={**env}, capture_output=True, text=True)
    assert done.returncode != 0 and message in done.stderr


def test_names_the_variable_that_is_not_set(env: dict[str, str]) -> None:
    program = Path(sys.executable).parent / "voxfeed-nnunet-preprocess"
    done = subprocess.run([str(program), "-d", "4"], env={"nnUNet_raw": env["nnUNet_raw"]}, capture_output=True, text=True)
    assert done.returncode == 1 and "error: nnUNet_preprocessed: this environment variable is not set" in done.stderr


def compare(own: Path, ours: Path) -> int:
    """Holds voxels, labels, divisions and properties of two folders against each other. Returns the number of cases."""
    cases = sorted(path.stem for path in own.glob("*.pkl"))
    assert sorted(path.name for path in own.iterdir()) == sorted(path.name for path in ours.iterdir())
    for case in cases:
        for ending in (".b2nd", "_seg.b2nd"):
            theirs, mine = (blosc2.open(str(folder / f"{case}{ending}")) for folder in (own, ours))
            assert (mine.shape, mine.chunks, mine.blocks, mine.dtype) == (theirs.shape, theirs.chunks, theirs.blocks, theirs.dtype)
            if ending == ".b2nd":
                assert np.abs(mine[:] - theirs[:]).max() < 1e-4
            else:
                assert np.array_equal(mine[:], theirs[:])
        theirs, mine = (pickle.loads((folder / f"{case}.pkl").read_bytes()) for folder in (own, ours))
        del mine["voxfeed"]
        same(theirs, mine)
    return len(cases)


def same(theirs: Any, mine: Any) -> None:
    """Equal types, orders and values; positions in millimetres but for rounding."""
    if isinstance(theirs, dict):
        assert list(mine) == list(theirs)
        for key in theirs:
            same(theirs[key], mine[key])
    elif isinstance(theirs, np.ndarray):
        assert mine.dtype == theirs.dtype and mine.shape == theirs.shape and np.allclose(mine, theirs, rtol=1e-6, atol=1e-6)
    elif isinstance(theirs, (tuple, list)):
        assert type(mine) is type(theirs) and len(mine) == len(theirs)
        for each, other in zip(theirs, mine, strict=True):
            same(each, other)
    elif isinstance(theirs, float):
        assert isinstance(mine, float) and abs(mine - theirs) < 1e-5
    else:
        assert type(mine) is type(theirs) and mine == theirs


def make_odd(raw: Path, ending: str) -> None:
    """Two channels with a margin of zeros, thick slices along x, an oblique orientation, regions and an ignored label."""
    for folder in ("imagesTr", "labelsTr"):
        (raw / folder).mkdir(parents=True)
    labels = {"background": 0, "whole": [1, 2], "core": 2, "rare": 3, "ignore": 4}
    content = {
        "channel_names": {"0": "CT", "1": "T2"},
        "labels": labels,
        "numTraining": 5,
        "file_ending": ending,
        "regions_class_order": [1, 2, 3],
    }
    (raw / "dataset.json").write_text(json.dumps(content))
    random = np.random.default_rng(3)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    for case in range(5):
        shape = (14 + case, 40, 44 - case)
        affine = np.eye(4)
        affine[:3, :3] = turn * [4.0, 0.9, 1.1]
        affine[:3, 3] = [10.5, -20.25, 30]
        inside = np.zeros(shape, bool)
        inside[2:-1, 3:-4, 5:-2] = True
        waves = np.sin(np.indices(shape).sum(0) / 5) * 100 + random.normal(size=shape) * 20
        for channel in range(2):
            image = np.where(inside, waves + 300 * channel + 50, 0).astype(np.int16 if channel == 0 else np.float32)
            write(raw / "imagesTr" / f"odd_{case}_{channel:04d}{ending}", image, affine)
        label = np.where(inside & (waves > 40), 1, 0) + np.where(inside & (waves > 80), 1, 0)
        label[4, 10:14, 10:14] = 4
        if case > 0:
            label[8, 20, 20] = 3
        write(raw / "labelsTr" / f"odd_{case}{ending}", label.astype(np.uint8), affine)


def write(path: Path, voxels: np.ndarray[Any, Any], affine: np.ndarray[Any, Any]) -> None:
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nibabel.save(image, path)
