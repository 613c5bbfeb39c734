"""The store that a trainer of nnU-Net is fed from, and the previous stage of a cascade."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError
from ..node import find_node, program

INDEX = "voxfeed.json"


def store_of(trainer: Any) -> Path:
    """Where the store of a trainer's configuration is: beside nnU-Net's own folder, which must hold no files of other types."""
    return Path(trainer.preprocessed_dataset_folder_base) / f"voxfeed_{trainer.configuration_manager.data_identifier}"


def make_store(trainer: Any) -> Path:
    """The store, made from the raw data by the trainer's own plans where it is missing; an interrupted run goes on.

    Raises
    ------
    DatasetError
        If it is missing and there are no raw data, or preprocessing fails. What went wrong stands on the standard error.
    """
    from nnunetv2.paths import nnUNet_raw

    store = store_of(trainer)
    if (store / INDEX).is_file():
        return store
    dataset = trainer.plans_manager.dataset_name
    raw = Path(str(nnUNet_raw.get())) / dataset if nnUNet_raw.is_set() else None
    if raw is None or not raw.is_dir():
        where = "nnUNet_raw" if raw is None else str(raw)
        raise DatasetError(
            where, f"{store} is missing, and so are the raw data that it is made from", "Set nnUNet_raw, or copy the store there"
        )
    with tempfile.TemporaryDirectory() as folder:
        plans = Path(folder) / "plans.json"
        plans.write_text(json.dumps(trainer.plans_manager.plans))
        words = ["preprocess", str(raw), str(store), "--plans", str(plans), "--config", trainer.configuration_name]
        trainer.print_to_log_file(f"voxfeed: preprocessing {raw} into {store}")
        done = subprocess.run([find_node(), str(program()), *words], stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise DatasetError(str(raw), f"`voxfeed {' '.join(words)}` ended with status {done.returncode}", "See what it wrote above")
    return store


def wait_for_store(trainer: Any) -> Path:
    """The store that another process makes. Whoever started both ends this one if the other fails."""
    store = store_of(trainer)
    while not (store / INDEX).is_file():
        time.sleep(1)
    return store


def previous_stage_of(trainer: Any) -> str | None:
    """The folder of a cascade's previous segmentations as ``CASE.npy``, converted once from nnU-Net's own format."""
    if not trainer.is_cascaded:
        return None
    given = Path(trainer.folder_with_segs_from_previous_stage)
    out = store_of(trainer).with_name(f"{store_of(trainer).name}_previous_{type(trainer).__name__}")
    out.mkdir(exist_ok=True)
    for case in [entry["id"] for entry in json.loads((store_of(trainer) / INDEX).read_text())["cases"]]:
        source = next((path for ending in ("b2nd", "npz", "npy") if (path := given / f"{case}.{ending}").is_file()), None)
        if source is None:
            raise DatasetError(
                str(given),
                f"it has no segmentation of {case}",
                f"Train and validate {trainer.configuration_manager.previous_stage_name} in all folds first",
            )
        target = out / f"{case}.npy"
        if not target.is_file() or target.stat().st_mtime < source.stat().st_mtime:
            partial = out / f".{case}.{os.getpid()}.npy"
            np.save(partial, _read(source))
            partial.replace(target)
    return str(out)


def _read(path: Path) -> np.ndarray[Any, Any]:
    """Labels ``[z, y, x]``, as uint8 where they fit."""
    if path.suffix == ".b2nd":
        import blosc2

        labels = blosc2.open(str(path))[:]
    else:
        loaded = np.load(path)
        labels = loaded["seg"] if path.suffix == ".npz" else loaded
    labels = np.asarray(labels)
    while labels.ndim > 3:
        labels = labels[0]
    return np.ascontiguousarray(labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.int16))
