"""Folders of nnU-Net for tests: 20 real cases, planned for the whole data set, with a network that a CPU can train."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from voxfeed.node import find_node, program

DATASET = "Dataset004_Hippocampus"
EXAMPLES = Path(__file__).parents[2] / "examples"


def make_folders(base: Path, cases: int = 20, **changes: Any) -> dict[str, str]:
    """Raw data, plans and the environment variables that name them; nothing is preprocessed.

    Of the cases so many are taken; ``changes`` are made to their dataset.json.
    """
    env = {name: str(base / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    raw, preprocessed = base / "nnUNet_raw" / DATASET, base / "nnUNet_preprocessed" / DATASET
    shutil.copytree(EXAMPLES / "data", raw)
    for folder in ("imagesTr", "labelsTr"):
        for file in sorted((raw / folder).iterdir())[cases:]:
            file.unlink()
    dataset = json.loads((raw / "dataset.json").read_text())
    (raw / "dataset.json").write_text(json.dumps({**dataset, "numTraining": cases, **changes}))
    preprocessed.mkdir(parents=True)
    (base / "nnUNet_results").mkdir()
    shutil.copy(raw / "dataset.json", preprocessed)
    shutil.copy(EXAMPLES / "nnUNetPlans.json", preprocessed)
    (preprocessed / "tinyPlans.json").write_text(json.dumps(tiny(json.loads((EXAMPLES / "nnUNetPlans.json").read_text()))))
    return env


def tiny(plans: dict[str, Any]) -> dict[str, Any]:
    """The same patches, a network of few features."""
    plans["plans_name"] = "tinyPlans"
    for configuration in plans["configurations"].values():
        if "architecture" in configuration:
            arguments = configuration["architecture"]["arch_kwargs"]
            arguments["features_per_stage"] = [max(4, features // 8) for features in arguments["features_per_stage"]]
            configuration["batch_size"] = 2
    return plans


def preprocess(env: dict[str, str]) -> None:
    """nnU-Net's own preprocessing, which its final validation reads."""
    run(env, "nnUNetv2_extract_fingerprint", "-d", "4", "-np", "1")
    run(env, "nnUNetv2_preprocess", "-d", "4", "-plans_name", "tinyPlans", "-c", "3d_fullres", "-np", "1")


def preprocess_here(base: Path, configuration: str, plans: Path | None = None) -> Path:
    """The same files by voxfeed, which takes a moment. Returns the folder of the cases."""
    raw, out = base / "nnUNet_raw" / DATASET, base / "nnUNet_preprocessed" / DATASET
    followed = plans or out / "tinyPlans.json"
    words = ["--format", "nnunet", "--plans", str(followed), "--config", configuration, "--workers", "2"]
    subprocess.run([find_node(), str(program()), "preprocess", str(raw), str(out), *words], check=True, stdout=subprocess.DEVNULL)
    identifier = json.loads(followed.read_text())["configurations"][configuration]["data_identifier"]
    return out / str(identifier)


def run(env: dict[str, str], command: str, *words: str, **more: str) -> str:
    """Runs a command of this Python's environment, and returns what it said."""
    program = Path(sys.executable).parent / command
    done = subprocess.run([str(program), *words], env={**os.environ, **env, **more}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
