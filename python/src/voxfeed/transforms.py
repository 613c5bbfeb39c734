"""A trainer's transforms, as batchgeneratorsv2 objects, in the steps of voxfeed's pipeline.

Every parameter of every transform is looked at: one that voxfeed has no equal for is an error that names it, and so is one that a later
release of batchgeneratorsv2 adds. Known are 0.3.5 and 0.3.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import TransformError
from .reader import Context, Reader
from .steps import LABELS, STEPS, Step


@dataclass
class Translation:
    """What becomes of a trainer's transforms.

    Attributes
    ----------
    steps
        What voxfeed does, in its own words.
    why
        What could not be translated, if anything: the steps are those before it.
    rest
        What Python would have to do after the steps, where it makes the targets.
    regions
        The labels of each region, where targets are their masks.
    scales
        The scales of deep supervision; None: one target.
    """

    steps: list[Step] = field(default_factory=list)
    why: TransformError | None = None
    rest: list[Any] = field(default_factory=list)
    regions: list[list[int]] | None = None
    scales: list[list[float]] | None = None


def translate(compose: Any, patch_size: Sequence[int]) -> Translation:
    """Reads a pipeline from its start, as far as voxfeed has an equal for it.

    Parameters
    ----------
    compose
        A ``ComposeTransforms``, as a trainer's ``get_training_transforms`` returns it.
    patch_size
        Of the patches that come out: z, y, x, or y, x.

    """
    done = Translation()
    transforms = list(compose.transforms)
    at = 0
    while at < len(transforms):
        folded = type(transforms[at]).__name__ == "Convert3DTo2DTransform"
        count = 3 if folded else 1
        try:
            if done.regions is not None or done.scales is not None:
                _target(transforms[at], done)
            elif folded:
                done.steps.append(_slicewise(transforms[at : at + 3], patch_size))
            elif type(transforms[at]).__name__ in LABELS:
                _target(transforms[at], done)
            else:
                done.steps.append(step_of(transforms[at], Context(patch_size, dummy2d=False)))
        except TransformError as error:
            done.why = error
            break
        at += count
    # From the first transform that makes targets on, if Python is to make them.
    done.rest = transforms[next((i for i, t in enumerate(transforms[:at]) if type(t).__name__ in LABELS), at) :]
    return done


def step_of(transform: Any, context: Context) -> Step:
    """One transform as a step. Raises `TransformError` where there is none."""
    name = type(transform).__name__
    if name == "RandomTransform":
        reader = Reader(transform)
        step = step_of(reader.take("transform"), context)
        probability = reader.number("apply_probability")
        reader.finish()
        return {**step, "probability": probability * step.get("probability", 1)}
    if name == "OneOfTransform":
        reader = Reader(transform)
        choices = [step_of(each, context) for each in reader.take("list_of_transforms")]
        reader.finish()
        return {"transform": "oneOf", "of": choices}
    if name not in STEPS:
        raise TransformError(name, "voxfeed has no equal for it", "Use a trainer without it, or run it in Python with --python-transforms")
    reader = Reader(transform)
    step = STEPS[name](reader, context)
    reader.finish()
    return step


def _slicewise(transforms: list[Any], patch_size: Sequence[int]) -> Step:
    names = [type(each).__name__ for each in transforms]
    if names != ["Convert3DTo2DTransform", "SpatialTransform", "Convert2DTo3DTransform"]:
        raise TransformError(
            "Convert3DTo2DTransform",
            f"it is followed by {', '.join(names[1:]) or 'nothing'}, voxfeed knows SpatialTransform and Convert2DTo3DTransform",
            "Use a trainer without it, or run it in Python with --python-transforms",
        )
    return step_of(transforms[1], Context(patch_size, dummy2d=True))


def _target(transform: Any, done: Translation) -> None:
    """What is done to the targets at the end: options of the loader, not steps."""
    reader = Reader(transform)
    if reader.name == "ConvertSegmentationToRegionsTransform" and done.scales is None and done.regions is None:
        reader.must_be(channel_in_seg=0)
        done.regions = [[int(label) for label in region.tolist()] for region in reader.take("regions")]
    elif reader.name == "DownsampleSegForDSTransform" and done.scales is None:
        done.scales = [[float(part) for part in scale] for scale in reader.take("ds_scales")]
    else:
        raise reader.refusal(None, "it comes after the transforms that make the targets")
    reader.finish()
