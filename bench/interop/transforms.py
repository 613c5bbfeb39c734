"""Records what batchgeneratorsv2 makes of small images with given parameters, for the tests of voxfeed's transforms.

    python bench/interop/transforms.py > test/augmentation/transforms/recorded/da5.json

Needs batchgeneratorsv2 in a virtual environment (0.3.5 was used; 0.3.6 gives the same to 2e-6). `image` and `result` are flat in C order, `shape` is
[C, z, y, x] or, of a 2D image, [C, y, x]; `parameters` are voxfeed's, but boxes have a lower and an upper corner.
"""
import json
import sys

import numpy as np
import torch
from batchgeneratorsv2.transforms.local.local_gamma import LocalGammaTransform
from batchgeneratorsv2.transforms.nnunet.random_binary_operator import (
    ApplyRandomBinaryOperatorTransform,
    binary_closing_torch,
    binary_dilation_torch,
    binary_erosion_torch,
    binary_opening_torch,
)
from batchgeneratorsv2.transforms.nnunet.remove_connected_components import RemoveRandomConnectedComponentFromOneHotEncodingTransform
from batchgeneratorsv2.transforms.local.brightness_gradient import BrightnessGradientAdditiveTransform
from batchgeneratorsv2.transforms.noise.blank_rectangle import BlankRectangleTransform
from batchgeneratorsv2.transforms.noise.median_filter import MedianFilterTransform
from batchgeneratorsv2.transforms.noise.sharpen import SharpeningTransform
from batchgeneratorsv2.transforms.spatial.rot90 import Rot90Transform
from batchgeneratorsv2.transforms.spatial.transpose import TransposeAxesTransform
from skimage.morphology import ball, disk

generator = np.random.default_rng(7)
recorded = {}


def flat(array):
    """Masks as a text of zeros and ones; else the shortest numbers that are these float32."""
    values = np.asarray(array, np.float32).ravel()
    if set(values) <= {0, 1}:
        return ''.join(str(int(value)) for value in values)
    return [float(str(value)) for value in values]


def image(*shape):
    return generator.normal(size=shape).round(2).astype(np.float32)


def record(name, before, after, parameters):
    recorded.setdefault(name, []).append({'shape': list(before.shape), 'image': flat(before), 'parameters': parameters, 'result': flat(after)})


def tensor(array):
    return torch.from_numpy(array.copy())


for shape in ((1, 5, 5), (1, 4, 4, 4), (1, 3, 4, 4), (1, 5, 2, 5)):
    before = image(*shape)
    equal = [axis for axis in range(len(shape) - 1) if shape[1:].count(shape[1 + axis]) > 1]
    for a in equal:
        for b in equal:
            for quarters in (1, 2, 3) if a < b else ():
                after = Rot90Transform(1)._maybe_rot90(tensor(before), [quarters], [[a + 1, b + 1]])
                record('rotateQuarters', before, after, {'axes': [a, b], 'quarters': quarters})
before = image(1, 3, 3, 3)
for order in ((0, 2, 1), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
    after = TransposeAxesTransform({0, 1, 2})._apply_to_image(tensor(before), axis_order=[0, *(axis + 1 for axis in order)])
    record('permuteAxes', before, after, {'order': list(order)})

for shape in ((1, 7, 5), (1, 5, 4, 6), (1, 1, 2, 3), (1, 3, 19, 2)):
    for size in (2, 3, 4, 5, 7) if shape != (1, 3, 19, 2) else (3, 4):
        before = image(*shape).round(1)
        after = MedianFilterTransform(size)._apply_to_image(tensor(before), apply_channel=[True], filter_sizes=[size])
        record('median', before, after, {'sizes': [size]})

for shape in ((1, 4, 5), (1, 3, 4, 5), (1, 1, 2, 3)):
    before = image(*shape)
    after = SharpeningTransform()._apply_to_image(tensor(before), apply_channel=[True], strengths=[0.7], clamp_intensities=[False])
    record('sharpen', before, after.reshape(before.shape), {'strengths': [0.7]})

before = image(1, 6, 7)
boxes = [[[1, 2], [4, 6]], [[3, 0], [6, 3]]]
after = BlankRectangleTransform(1, torch.mean, 1)._apply_to_image(tensor(before), apply_channel=[True], rectangles=[boxes])
record('blankRectangles', before, after, {'boxes': [boxes]})
before = image(1, 4, 5, 6)
boxes = [[[0, 1, 2], [2, 4, 5]], [[1, 0, 0], [4, 2, 6]]]
after = BlankRectangleTransform(1, torch.mean, 1)._apply_to_image(tensor(before), apply_channel=[True], rectangles=[boxes])
record('blankRectangles', before, after, {'boxes': [boxes]})


class Given:
    """Gives out numbers in turn where the original would draw them."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def __call__(self, *_):
        return next(self.numbers)


BUMPS = [
    ((7, 5), (0.3, 0.8), (1.7, 3.1)),
    ((6, 4, 5), (-0.5, 1.5, 0.5), (1, 1.5, 5)),
    ((6, 4, 5), (1.5, 1.45, -0.4), (1, 2, 1)),
    ((1, 6, 5), (0.2, 0.4, -0.5), (1, 6, 2)),
]
for shape, places, widths in BUMPS:
    bump = {'centre': [place * size for place, size in zip(places, shape)], 'width': list(widths)}
    before = image(1, *shape)
    gradient = BrightnessGradientAdditiveTransform(Given(widths), Given(places), -2.5, same_for_all_channels=False, mean_centered=False)
    after = gradient(image=tensor(before))['image']
    record('brightnessGradient', before, after, {'gradients': [{**bump, 'strength': -2.5}]})
    for gamma in (0.05, 3.2):
        local = LocalGammaTransform(Given(widths), Given(places), gamma, same_for_all_channels=False)
        record('localGamma', before, local(image=tensor(before))['image'], {'corrections': [{**bump, 'gamma': gamma}]})

for radius in (1, 1.2, 1.5, 1.7, 2, 2.2, 2.5, 3, 3.3, 4.8, 6.1, 7.77, 8):
    for name, element in (('disk', disk(radius)), ('ball', ball(radius))):
        recorded.setdefault(name, []).append({'radius': radius, 'shape': list(element.shape), 'members': int(element.sum()), 'bits': ''.join(map(str, element.ravel())) if element.size < 700 else ''})

OPERATORS = {
    'dilation': binary_dilation_torch,
    'erosion': binary_erosion_torch,
    'closing': binary_closing_torch,
    'opening': binary_opening_torch,
}
for shape in ((11, 40), (9, 10, 8), (3, 5, 33), (1, 4, 4)):
    coarse = generator.integers(0, 3, [-(-size // 3) for size in shape])
    labels = np.kron(coarse, np.ones([3] * len(shape), int))[tuple(slice(size) for size in shape)]
    before = np.stack([labels == 1, labels == 2]).astype(np.float32)
    for operator, function in OPERATORS.items():
        for radius in (1, 1.7, 2.5, 3.3):
            transform = ApplyRandomBinaryOperatorTransform([-2, -1])
            after = transform._apply_to_image(tensor(before), apply_to_channels=[-1, -2], operators=[function] * 2, strel_size=[radius] * 2)
            operations = [{'channel': channel, 'operator': operator, 'radius': radius} for channel in (1, 0)]
            record('binaryOperators', before, after, {'operations': operations})

choose = np.random.choice
for shape in ((9, 14), (6, 7, 8)):
    before = (generator.random((2, *shape)) < (0.25 if len(shape) == 2 else 0.06)).astype(np.float32)
    for pick in (0, 0.3, 0.5, 0.999):
        np.random.choice = lambda candidates: candidates[int(len(candidates) * pick)]
        transform = RemoveRandomConnectedComponentFromOneHotEncodingTransform([-2, -1], 0, 0.15)
        after = transform._apply_to_image(tensor(before), apply_to_channels=[-2, -1])
        record('removeComponent', before, after, {'removals': [{'channel': channel, 'pick': pick} for channel in (0, 1)]})
np.random.choice = choose

json.dump(recorded, sys.stdout, separators=(',', ':'))
