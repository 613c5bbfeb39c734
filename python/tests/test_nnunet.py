"""nnU-Net's own command with batches from voxfeed: trained, validated, killed, continued, predicted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from nnunet_data import DATASET, make_folders, preprocess, run

WORDS = ("4", "3d_fullres", "0", "-p", "tinyPlans", "-tr", "nnUNetTrainerShort", "-device", "cpu")
FOLD = Path(DATASET) / "nnUNetTrainerShort__tinyPlans__3d_fullres" / "fold_0"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    env = make_folders(tmp_path_factory.mktemp("nnunet"))
    env |= {
        "nnUNet_extTrainer": str(Path(__file__).parent / "trainers"),
        "nnUNet_compile": "f",
        "nnUNet_def_n_proc": "1",
        "nnUNet_n_proc_DA": "0",
        "OMP_NUM_THREADS": "1",
    }
    preprocess(env)
    return env


@pytest.fixture(scope="module")
def trained(env: dict[str, str]) -> Path:
    said = run(env, "voxfeed-nnunet-train", *WORDS, "--voxfeed-workers", "2")
    assert "voxfeed: seed 0" in said and "Mean Validation Dice" in said
    return Path(env["nnUNet_results"]) / FOLD


def losses(fold: Path) -> list[str]:
    return (fold / "losses.txt").read_text().splitlines()


def test_trains_validates_and_leaves_what_nnunet_leaves(trained: Path) -> None:
    assert [line.split()[0] for line in losses(trained)] == ["0"] * 3 + ["1"] * 3 + ["2"] * 3
    assert (trained / "validation" / "summary.json").is_file()
    checkpoint = torch.load(trained / "checkpoint_final.pth", weights_only=False)
    assert checkpoint["trainer_name"] == "nnUNetTrainerShort" and checkpoint["current_epoch"] == 3
    # Without it, prediction would not mirror.
    assert checkpoint["inference_allowed_mirroring_axes"] == (0, 1, 2)
    state = json.loads((trained / "checkpoint_final.pth.voxfeed.json").read_text())
    assert (state["nextBatch"], state["validation"]["nextBatch"]) == (9, 6)


def test_predicts_without_voxfeed(env: dict[str, str], trained: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    image = next((Path(env["nnUNet_raw"]) / DATASET / "imagesTr").iterdir())
    (images / image.name).symlink_to(image)
    words = ("-i", str(images), "-o", str(tmp_path / "out"), "-d", "4", "-c", "3d_fullres", "-f", "0", "-p", "tinyPlans")
    run(env, "nnUNetv2_predict", *words, "-tr", "nnUNetTrainerShort", "-device", "cpu", "-npp", "1", "-nps", "1", "--disable_tta")
    assert (tmp_path / "out" / image.name.replace("_0000", "")).is_file()


def test_validates_alone(env: dict[str, str], trained: Path) -> None:
    summary = trained / "validation" / "summary.json"
    before = json.loads(summary.read_text())
    summary.unlink()
    run(env, "voxfeed-nnunet-train", *WORDS, "--val")
    assert json.loads(summary.read_text())["foreground_mean"] == before["foreground_mean"]


def test_begins_with_pretrained_weights(env: dict[str, str], trained: Path, tmp_path: Path) -> None:
    again = {**env, "nnUNet_results": str(tmp_path)}
    said = run(again, "voxfeed-nnunet-train", *WORDS, "-pretrained_weights", str(trained / "checkpoint_final.pth"))
    assert "Loading pretrained weights from file" in said
    # The same batches as in the training before, other weights to begin with.
    assert len(losses(tmp_path / FOLD)) == 9 and losses(tmp_path / FOLD)[0] != losses(trained)[0]


def test_goes_on_after_sigkill_with_the_losses_of_an_uninterrupted_training(env: dict[str, str], trained: Path, tmp_path: Path) -> None:
    again = {**env, "nnUNet_results": str(tmp_path)}
    fold = tmp_path / FOLD
    program = Path(sys.executable).parent / "voxfeed-nnunet-train"
    first = subprocess.Popen([str(program), *WORDS, "--voxfeed-workers", "1"], env={**os.environ, **again}, stdout=subprocess.DEVNULL)
    while not (fold / "losses.txt").is_file() or len(losses(fold)) < 7:
        assert first.poll() is None
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = [line for line in losses(fold) if line[0] in "01"]
    assert before == losses(trained)[:6]
    (fold / "losses.txt").unlink()
    run(again, "voxfeed-nnunet-train", *WORDS, "--c")
    assert losses(fold) == losses(trained)[6:]
    weights, expected = (torch.load(each / "checkpoint_final.pth", weights_only=False)["network_weights"] for each in (fold, trained))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    # Another seed is another training.
    state = fold / "checkpoint_final.pth.voxfeed.json"
    assert state.is_file()
    words = [str(program), *WORDS, "--c", "--voxfeed-seed", "5"]
    refused = subprocess.run(words, env={**os.environ, **again}, capture_output=True, text=True)
    assert refused.returncode != 0 and "the training began with other data or options: seed changed" in refused.stderr
