"""The folders that a trainer of nnU-Net is fed from: its own, as they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DatasetError


def unpacked_folder(trainer: Any) -> Path:
    """The preprocessed cases of a trainer's configuration.

    Archives of older releases are unpacked first, as the trainer itself does when its training starts.

    Raises
    ------
    DatasetError
        If there is no such folder.
    """
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
    from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA

    folder = Path(trainer.preprocessed_dataset_folder)
    if not folder.is_dir():
        raise DatasetError(str(folder), "there is no such folder", "Preprocess first: voxfeed-nnunet-preprocess, or nnUNetv2_preprocess")
    # The trainer reads its data again in its final validation, by a class that its own method would find.
    if trainer.dataset_class is None:
        trainer.dataset_class = infer_dataset_class(str(folder))
    processes = max(1, get_allowed_n_proc_DA() // 2)
    trainer.dataset_class.unpack_dataset(str(folder), overwrite_existing=False, num_processes=processes, verify=True)
    return folder


def previous_stage_of(trainer: Any) -> str | None:
    """Where the previous stage of a cascade left its segmentations."""
    return str(trainer.folder_with_segs_from_previous_stage) if trainer.is_cascaded else None
