"""A trainer of nnU-Net, read: the options of the loader that feeds it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from ..errors import OptionError, TransformError
from ..transforms import Translation, translate

#: Set by ``voxfeed-nnunet-train``, so that processes of a data-parallel training have them, too.
SEED = "VOXFEED_SEED"
WORKERS = "VOXFEED_WORKERS"
PYTHON_TRANSFORMS = "VOXFEED_PYTHON_TRANSFORMS"

#: What nnU-Net's trainers divide the patch size by for the crop around it: nnUNetTrainer, nnUNetTrainerDA5.
CROP_SCALES = (0.85, 0.7)


@dataclass
class Wishes:
    """What a trainer wants.

    Attributes
    ----------
    options
        Of the loader, but for what the store decides.
    training, validation
        Transforms that Python has to do.
    """

    options: dict[str, Any]
    training: list[Any] = field(default_factory=list)
    validation: list[Any] = field(default_factory=list)


def wishes_of(trainer: Any) -> Wishes:
    """Reads everything that decides batches from a trainer, as its own ``get_dataloaders`` does.

    Raises
    ------
    TransformError
        For what has no equal in voxfeed, unless Python may do it.
    """
    patch_size = [int(edge) for edge in trainer.configuration_manager.patch_size]
    scales = trainer._get_deep_supervision_scales()
    # It sets inference_allowed_mirroring_axes besides: without it checkpoints forget mirroring in prediction.
    rotation, dummy2d, initial, mirror = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    labels = trainer.label_manager
    common = {
        "is_cascaded": trainer.is_cascaded,
        "foreground_labels": labels.foreground_labels,
        "regions": labels.foreground_regions if labels.has_regions else None,
        "ignore_label": labels.ignore_label,
    }
    masked = trainer.configuration_manager.use_mask_for_norm
    training = translate(
        trainer.get_training_transforms(patch_size, rotation, scales, mirror, dummy2d, use_mask_for_norm=masked, **common), patch_size
    )
    validation = translate(trainer.get_validation_transforms(scales, **common), patch_size)
    for translation in (training, validation):
        if translation.why is not None and os.environ.get(PYTHON_TRANSFORMS) != "1":
            raise translation.why
    initial = [int(edge) for edge in initial]
    spatial = next((step for step in training.steps if step["transform"] == "spatial"), None)
    if spatial is not None:
        spatial["cropScale"] = _crop_scale(patch_size, spatial["rotation"], dummy2d, initial)
    elif training.why is None and initial != patch_size:
        raise TransformError("initial_patch_size", f"it is {initial}, and nothing crops it to {patch_size}", "Add a SpatialTransform")
    read_size = patch_size if spatial is not None or training.why is None else initial
    if read_size != patch_size and trainer.is_cascaded:
        raise TransformError("SpatialTransform", "it cannot run in Python in a cascade", "Use a trainer whose first transform voxfeed has")
    in_python = training.why is not None or validation.why is not None
    if in_python and read_size != patch_size:
        # Validation patches are cut from the middle in Python.
        validation.rest = validation.rest or []
    options: dict[str, Any] = {
        "patchSize": read_size,
        "batchSize": int(trainer.configuration_manager.batch_size),
        "augmentation": training.steps,
        "validation": {"augmentation": validation.steps},
        "epochs": {"training": int(trainer.num_iterations_per_epoch), "validation": int(trainer.num_val_iterations_per_epoch)},
        "probabilisticOversampling": bool(trainer.probabilistic_oversampling),
        "oversample": float(trainer.voxfeed_oversample),
        "seed": _number(SEED, 0),
        **_targets(training, validation, in_python),
    }
    if (workers := _number(WORKERS, -1)) >= 0:
        options["workers"] = workers
    return Wishes(options, training.rest, validation.rest)


def _targets(training: Translation, validation: Translation, in_python: bool) -> dict[str, Any]:
    """Regions and deep supervision, which both streams must have alike."""
    if in_python:
        return {"regions": False, "deepSupervision": False}
    if (training.regions, training.scales) != (validation.regions, validation.scales):
        raise TransformError(
            "get_validation_transforms",
            "it makes other targets than get_training_transforms",
            "Make both alike, or run them in Python with --python-transforms",
        )
    return {"regions": training.regions is not None, "deepSupervision": training.scales or False}


def _crop_scale(patch_size: list[int], rotation: list[float], dummy2d: bool, initial: list[int]) -> float:
    """What voxfeed divides by for the crop that this trainer reads."""
    from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size

    for scale in CROP_SCALES:
        size = [int(edge) for edge in get_patch_size(patch_size, rotation, rotation, rotation, (scale, 1))]
        if dummy2d:
            size[0] = patch_size[0]
        if size == initial:
            return scale
    raise TransformError(
        "initial_patch_size",
        f"it is {initial}, voxfeed knows how nnUNetTrainer and nnUNetTrainerDA5 choose it",
        "Leave configure_rotation_dummyDA_mirroring_and_inital_patch_size as one of them has it",
    )


def _number(name: str, default: int) -> int:
    given = os.environ.get(name)
    if given is None:
        return default
    if not given.isdigit():
        raise OptionError(name, f"{given!r} is no whole number", "Set it to one, or unset it")
    return int(given)
