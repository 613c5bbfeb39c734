"""A trainer of nnU-Net, read: the options of the loader that feeds it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError, TransformError
from ..transforms import Translation, translate

#: Set by ``voxfeed-nnunet-train``, so that the processes of a data-parallel training have them, too.
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
        Of the loader, but for the cases and a cascade's previous stage.
    patch_size
        Of the patches that the network gets.
    in_python
        Transforms that Python has to do, of training and of validation; None: there are none.
    """

    options: dict[str, Any]
    patch_size: list[int]
    in_python: tuple[list[Any], list[Any]] | None


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
    initial = [int(edge) for edge in initial]
    labels = trainer.label_manager
    common = {
        "is_cascaded": trainer.is_cascaded,
        "foreground_labels": labels.foreground_labels,
        "regions": labels.foreground_regions if labels.has_regions else None,
        "ignore_label": labels.ignore_label,
    }
    masked = trainer.configuration_manager.use_mask_for_norm
    pipelines = (
        trainer.get_training_transforms(patch_size, rotation, scales, mirror, dummy2d, use_mask_for_norm=masked, **common),
        trainer.get_validation_transforms(scales, **common),
    )
    training, validation = (translate(pipeline, patch_size) for pipeline in pipelines)
    why = training.why or validation.why
    if why is not None and os.environ.get(PYTHON_TRANSFORMS) != "1":
        raise why
    if why is not None and trainer.is_cascaded:
        raise TransformError(why.where, "transforms of a cascade cannot run in Python", "Use a trainer without it")
    spatial = next((step for step in training.steps if step["transform"] == "spatial"), None)
    if spatial is not None:
        spatial["cropScale"] = _crop_scale(patch_size, spatial["rotation"], dummy2d, initial)
    elif training.why is None and initial != patch_size:
        raise TransformError("initial_patch_size", f"it is {initial}, and nothing crops it to {patch_size}", "Add a SpatialTransform")
    options: dict[str, Any] = {
        # Where Python rotates, it needs what is around a patch.
        "patchSize": patch_size if spatial is not None else initial,
        "batchSize": int(trainer.configuration_manager.batch_size),
        "augmentation": training.steps,
        "validation": {"augmentation": validation.steps},
        "epochs": {"training": int(trainer.num_iterations_per_epoch), "validation": int(trainer.num_val_iterations_per_epoch)},
        "probabilisticOversampling": bool(trainer.probabilistic_oversampling),
        "oversample": float(getattr(trainer, "voxfeed_oversample", trainer.oversample_foreground_percent)),
        "seed": _number(SEED) or 0,
        **(_targets(training, validation) if why is None else {"regions": False, "deepSupervision": False}),
    }
    if (workers := _number(WORKERS)) is not None:
        options["workers"] = workers
    return Wishes(options, patch_size, None if why is None else (training.rest, validation.rest))


def _targets(training: Translation, validation: Translation) -> dict[str, Any]:
    """Regions and deep supervision, which both streams have alike."""
    if (training.regions, training.scales) != (validation.regions, validation.scales):
        raise TransformError(
            "get_validation_transforms",
            "it makes other targets than get_training_transforms",
            "Make both alike, or let Python make them with --python-transforms",
        )
    regions = training.regions is not None
    # nnU-Net's own masks are bool, too.
    return {"regions": regions, "targetType": "bool" if regions else "int16", "deepSupervision": training.scales or False}


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


def _number(name: str) -> int | None:
    given = os.environ.get(name)
    if given is not None and not given.isdigit():
        raise OptionError(name, f"{given!r} is no whole number", "Set it to one, or unset it")
    return None if given is None else int(given)
