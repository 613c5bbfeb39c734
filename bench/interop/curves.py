"""Loss curves of nnU-Net's training with its own loader and with voxfeed's, two seeds each, on 20 hippocampus cases on the CPU.

    python bench/interop/curves.py OUT_DIR [--steps 600] [--at-once 2]

Needs nnunetv2 and voxfeed (`pip install -e python`) in this Python, and Node. Plans and patches are those of the whole data set, the
network has an eighth of the features, a batch two samples: see `python/tests/nnunet_data.py`. All runs begin with the same weights and
have the same settings; only what makes the batches differs. nnU-Net's loader works in the training process, which leaves out what its
worker processes do with random numbers. Each run has one thread of PyTorch; `--at-once` of them train at the same time.

OUT_DIR gets a file of losses for each run, which is not trained again while it is there, and what `curve_report.py` makes of them.
Prints nnU-Net's log, then the report: the loss of each run at some steps, and how far each two of them are apart.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from curve_report import WINDOW, report

RUNS = [(loader, seed) for seed in (1, 2) for loader in ("nnunetv2", "voxfeed")]
#: Of the initial weights, which all runs share.
WEIGHTS_SEED = 1


def make_trainer(loader: str, steps: int) -> Any:
    """nnUNetTrainer, or the same class fed by voxfeed; it writes down the loss of each step."""
    import torch
    from nnunetv2.paths import nnUNet_preprocessed
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from voxfeed.nnunet import VoxfeedMixin

    class Recorded(nnUNetTrainer):
        def train_step(self, batch: dict) -> dict:
            step = super().train_step(batch)
            self.losses.append(round(float(step["loss"]), 4))
            return step

    class Fed(VoxfeedMixin, Recorded):
        pass

    folder = Path(str(nnUNet_preprocessed.get())) / "Dataset004_Hippocampus"
    plans, dataset = (json.loads((folder / name).read_text()) for name in ("tinyPlans.json", "dataset.json"))
    plans["continue_training"] = False  # nnU-Net's command puts it there
    trainer = (Fed if loader == "voxfeed" else Recorded)(plans, "3d_fullres", 0, dataset, torch.device("cpu"))
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = steps // WINDOW, WINDOW, 4
    trainer.disable_checkpointing = True
    trainer.losses = []
    torch.manual_seed(WEIGHTS_SEED)
    trainer.initialize()
    return trainer


def train(path: Path, loader: str, seed: int, steps: int) -> None:
    """One run, in a process of its own; writes its losses."""
    import torch

    torch.set_num_threads(1)
    trainer = make_trainer(loader, steps)
    weights = hashlib.sha256(b"".join(each.numpy().tobytes() for each in trainer.network.state_dict().values())).hexdigest()
    # Of nnU-Net's own loader, then of voxfeed's.
    for seeding in (random.seed, np.random.seed, torch.manual_seed):
        seeding(seed)
    os.environ["VOXFEED_SEED"], os.environ["VOXFEED_WORKERS"] = str(seed), "1"
    began = time.monotonic()
    trainer.run_training()
    run = {"loader": loader, "seed": seed, "seconds": round(time.monotonic() - began), "weights_before": weights}
    path.write_text(json.dumps({**run, "losses": trainer.losses}))


def train_all(runs: dict[Path, tuple[str, int]], steps: int, at_once: int) -> None:
    """Prepares data and split once, then trains."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "python/tests"))
    from nnunet_data import make_folders, preprocess

    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(make_folders(Path(folder)), nnUNet_def_n_proc="1", nnUNet_n_proc_DA="0", OMP_NUM_THREADS="1")
        preprocess({})
        make_trainer("voxfeed", steps).do_split()
        with ProcessPoolExecutor(at_once, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            for done in [pool.submit(train, path, *run, steps) for path, run in runs.items()]:
                done.result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=600, help=f"a multiple of {WINDOW}")
    parser.add_argument("--at-once", type=int, default=2)
    given = parser.parse_args()
    if given.steps < WINDOW or given.steps % WINDOW:
        parser.error(f"--steps: {given.steps} is no multiple of {WINDOW}")
    given.out.mkdir(parents=True, exist_ok=True)
    runs = {given.out / f"{loader}-{seed}.json": (loader, seed) for loader, seed in RUNS}
    if missing := {path: run for path, run in runs.items() if not path.is_file()}:
        train_all(missing, given.steps, given.at_once)
    report(list(runs), given.out)
