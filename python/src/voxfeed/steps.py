"""What each transform of batchgeneratorsv2 is called in voxfeed, and how its parameters are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .reader import Context, Reader

Step = dict[str, Any]


def _spatial(read: Reader, context: Context) -> Step:
    size = list(context.patch_size)[1 if context.dummy2d else 0 :]
    given = [int(edge) for edge in read.take("patch_size")]
    if given != size:
        raise read.refusal("patch_size", f"is {given}, the patches are to have {size}")
    if any(read.take("patch_center_dist_from_border")):
        raise read.refusal("patch_center_dist_from_border", "is not 0, which voxfeed does")
    read.must_be(random_crop=False, p_elastic_deform=0, bg_style_seg_sampling=False, border_mode_seg="constant", padding_value_seg=-1)
    read.must_be(padding_mode_image="zeros", padding_value_image=0, align_corners=False)
    # Of deformations only.
    read.ignore("elastic_deform_scale", "elastic_deform_magnitude", "p_synchronize_def_scale_across_axes", "center_deformation")
    step: Step = {"transform": "spatial", "dummy2d": context.dummy2d}
    # Angles say how large the crop is, even where nothing is rotated.
    step |= {
        "rotationProbability": read.number("p_rotation"),
        "rotation": read.range("rotation"),
        "axisProbability": read.number("p_rot_per_axis"),
    }
    step["scalingProbability"] = read.number("p_scaling")
    if step["scalingProbability"] > 0:
        step |= {"scaling": read.range("scaling"), "scalingPerAxis": not read.flag("p_synchronize_scaling_across_axes")}
    read.ignore("scaling", "p_synchronize_scaling_across_axes")
    names = {"bilinear": "linear", "nearest": "nearest"}
    for parameter, option in (("mode_image", "image"), ("mode_seg", "labels")):
        mode = read.take(parameter)
        if mode not in names:
            raise read.refusal(parameter, f"is {mode!r}, voxfeed has 'bilinear' and 'nearest'")
        step[option] = names[mode]
    # Since 0.3.6; nearest labels have no ties.
    tie = read.take("seg_tiebreak", "nearest")
    if tie != "nearest" and step["labels"] != "nearest":
        raise read.refusal("seg_tiebreak", f"is {tie!r}, voxfeed does what 'nearest' does")
    return step


def _noise(read: Reader, _: Context) -> Step:
    read.must_be(synchronize_channels=True)
    return {"transform": "noise", "sigma": read.range("noise_variance"), **_channels(read)}


def _blur(read: Reader, _: Context) -> Step:
    read.must_be(synchronize_channels=False)
    # How the convolution is computed: it changes the rounding.
    read.ignore("benchmark", "benchmark_use_fft", "benchmark_num_runs")
    return {"transform": "blur", "sigma": read.range("blur_sigma"), "perAxis": not read.flag("synchronize_axes"), **_channels(read)}


def _brightness(read: Reader, _: Context) -> Step:
    read.must_be(synchronize_channels=False)
    return {"transform": "brightness", "factor": read.about_one("multiplier_range"), **_channels(read)}


def _additive_brightness(read: Reader, _: Context) -> Step:
    read.must_be(synchronize_channels=False)
    return {"transform": "additiveBrightness", "mean": read.number("mu"), "sigma": read.number("sigma"), **_channels(read)}


def _contrast(read: Reader, _: Context) -> Step:
    read.must_be(synchronize_channels=False)
    factor = read.about_one("contrast_range")
    return {"transform": "contrast", "factor": factor, "preserveRange": read.flag("preserve_range"), **_channels(read)}


def _low_resolution(read: Reader, context: Context) -> Step:
    read.must_be(synchronize_channels=False, synchronize_axes=True, allowed_channels=None)
    read.ignore("upmodes")
    kept = context.axes(read.take("ignore_axes") or ())
    return {"transform": "lowResolution", "scale": read.range("scale"), **({"ignoreAxes": kept} if kept else {}), **_channels(read)}


def _gamma(read: Reader, _: Context) -> Step:
    read.must_be(synchronize_channels=False)
    flags = {"invert": read.flag("p_invert_image"), "retainStats": read.flag("p_retain_stats")}
    return {"transform": "gamma", "gamma": read.about_one("gamma"), **flags, **_channels(read)}


def _mirror(read: Reader, context: Context) -> Step:
    return {"transform": "mirror", "axes": context.axes(read.take("allowed_axes"))}


def _rotate_quarters(read: Reader, context: Context) -> Step:
    read.must_be(num_axis_combinations=1, num_rot_per_combination=(0, 1, 2, 3))
    _equal_axes(read, context)
    return {"transform": "rotateQuarters"}


def _permute_axes(read: Reader, context: Context) -> Step:
    _equal_axes(read, context)
    return {"transform": "permuteAxes"}


def _equal_axes(read: Reader, context: Context) -> None:
    """Both turn the largest group of axes of one size."""
    size = list(context.patch_size)
    most = max(size.count(edge) for edge in size)
    expected = {axis for axis, edge in enumerate(size) if size.count(edge) == most}
    given = {int(axis) for axis in read.take("allowed_axes")}
    if given != expected:
        raise read.refusal("allowed_axes", f"is {given}, voxfeed takes those that are equally long, {expected}")


def _median(read: Reader, _: Context) -> Step:
    read.must_be(p_same_for_each_channel=0)
    low, high = _whole(read, "filter_size")
    return {"transform": "median", "size": [low, high], **_channels(read)}


def _sharpen(read: Reader, _: Context) -> Step:
    read.must_be(p_same_for_each_channel=0, p_clamp_intensities=0)
    return {"transform": "sharpen", "strength": read.range("strength"), **_channels(read)}


def _blank_rectangles(read: Reader, context: Context) -> Step:
    read.must_be(force_square=False)
    value = read.take("color_fn").rectangle_value
    if getattr(value, "__name__", None) != "mean":
        raise read.refusal("rectangle_value", f"is {value!r}, voxfeed fills with the mean")
    size = [[int(end) for end in pair] for pair in read.take("rectangle_size")]
    expected = [[max(1, edge // 10), edge // 3] for edge in context.patch_size]
    if size != expected:
        raise read.refusal("rectangle_size", f"is {size}, voxfeed knows a tenth to a third of the patch, {expected}")
    return {"transform": "blankRectangles", "size": [1 / 10, 1 / 3], "count": list(_whole(read, "num_rectangles")), **_channels(read)}


def _bump_width(shape: Sequence[int], axis: int) -> float:
    return float(np.exp(np.random.uniform(np.log(shape[axis] // 6), np.log(shape[axis]))))


def _gradient_strength(*_: Any) -> float:
    return np.random.uniform(-5, -1) if np.random.uniform() < 0.5 else np.random.uniform(1, 5)


def _local_gamma_exponent(*_: Any) -> float:
    return np.random.uniform(0.01, 0.8) if np.random.uniform() < 0.5 else np.random.uniform(1.5, 4)


def _bump(read: Reader, context: Context) -> Step:
    read.must_be(same_for_all_channels=False)
    read.must_behave("scale", _bump_width, [64, 96, 80], len(context.patch_size) - 1)
    return {"centre": read.range("loc"), "width": [1 / 6, 1]}


def _brightness_gradient(read: Reader, context: Context) -> Step:
    read.must_be(mean_centered=False, clip_intensities=False)
    read.must_behave("max_strength", _gradient_strength, None, None)
    return {"transform": "brightnessGradient", "strength": [1, 5], **_bump(read, context), **_channels(read)}


def _local_gamma(read: Reader, context: Context) -> Step:
    read.must_behave("gamma", _local_gamma_exponent)
    exponents = {"brightening": [0.01, 0.8], "darkening": [1.5, 4]}
    return {"transform": "localGamma", **exponents, **_bump(read, context), **_channels(read)}


def _mask(read: Reader, _: Context) -> Step:
    read.must_be(channel_idx_in_seg=0, set_outside_to=0)
    return {"transform": "mask", "channels": [int(channel) for channel in read.take("apply_to_channels")]}


def _replace_label(read: Reader, _: Context) -> Step:
    read.must_be(segmentation_channels=None)
    return {"transform": "replaceLabel", "from": int(read.number("label_value")), "to": int(read.number("set_to"))}


def _one_hot(read: Reader, _: Context) -> Step:
    read.must_be(source_channel_idx=1, remove_channel_from_source=True)
    return {"transform": "oneHot", "labels": [int(label) for label in read.take("all_labels")]}


def _binary_operators(read: Reader, _: Context) -> Step:
    operators = {f"binary_{name}_torch" for name in ("dilation", "erosion", "closing", "opening")}
    given = {getattr(each, "__name__", repr(each)) for each in read.take("any_of_these")}
    if given != operators:
        raise read.refusal("any_of_these", f"is {sorted(given)}, voxfeed has {sorted(operators)}")
    return {"transform": "binaryOperators", "radius": read.range("strel_size"), **_cascade_channels(read)}


def _remove_component(read: Reader, _: Context) -> Step:
    read.must_be(fill_with_other_class_p=0)
    limit = read.number("dont_do_if_covers_more_than_x_percent")
    return {"transform": "removeComponent", "limit": limit, **_cascade_channels(read)}


def _cascade_channels(read: Reader) -> Step:
    given = sorted(int(channel) for channel in read.take("channel_idx"))  # batchgeneratorsv2 shuffles them in place
    if given != list(range(-len(given), 0)):
        raise read.refusal("channel_idx", f"is {given}, voxfeed takes the last ones, from -{len(given)} to -1")
    return {"channels": len(given), "channelProbability": read.number("p_per_label")}


def _channels(read: Reader) -> Step:
    return {"channelProbability": read.number("p_per_channel")}


def _whole(read: Reader, name: str) -> tuple[int, int]:
    """Whole numbers as NumPy's ``randint`` draws them, without the upper end; or one number."""
    value = read.take(name)
    if isinstance(value, int):
        return value, value
    if not isinstance(value, (tuple, list)) or len(value) != 2 or any(math.floor(end) != end for end in value):
        raise read.refusal(name, f"is {value!r}, voxfeed draws between two whole numbers")
    return int(value[0]), int(value[1]) - 1


#: Transforms that are options of the loader in voxfeed: they make the targets.
LABELS = ("ConvertSegmentationToRegionsTransform", "DownsampleSegForDSTransform")

STEPS: dict[str, Callable[[Reader, Context], Step]] = {
    "SpatialTransform": _spatial,
    "GaussianNoiseTransform": _noise,
    "GaussianBlurTransform": _blur,
    "MultiplicativeBrightnessTransform": _brightness,
    "BrightnessAdditiveTransform": _additive_brightness,
    "ContrastTransform": _contrast,
    "SimulateLowResolutionTransform": _low_resolution,
    "GammaTransform": _gamma,
    "MirrorTransform": _mirror,
    "Rot90Transform": _rotate_quarters,
    "TransposeAxesTransform": _permute_axes,
    "MedianFilterTransform": _median,
    "SharpeningTransform": _sharpen,
    "BlankRectangleTransform": _blank_rectangles,
    "BrightnessGradientAdditiveTransform": _brightness_gradient,
    "LocalGammaTransform": _local_gamma,
    "MaskImageTransform": _mask,
    "RemoveLabelTransform": _replace_label,
    "MoveSegAsOneHotToDataTransform": _one_hot,
    "ApplyRandomBinaryOperatorTransform": _binary_operators,
    "RemoveRandomConnectedComponentFromOneHotEncodingTransform": _remove_component,
}
