"""What nnU-Net's own loader draws and makes of a folder that nnU-Net preprocessed: boxes, patches, and how often each transform fires.

    python bench/quality/nnunet_samples.py FOLDER Z,Y,X BATCH BOXES PATCHES SEED > SAMPLES.json

`bench/quality/samples.ts` writes the same of voxfeed, and says what the columns are.
"""
import json
import random
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'peers'))
from nnunet_loader import make_loader

import numpy as np
import torch

QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]
NAMES = {
    'GaussianNoiseTransform': 'noise', 'GaussianBlurTransform': 'blur', 'MultiplicativeBrightnessTransform': 'brightness',
    'ContrastTransform': 'contrast', 'SimulateLowResolutionTransform': 'lowResolution', 'GammaTransform': 'gamma',
}


class Watched(dict):
    """Class locations that know which class was asked for last: the one that a box is centred on."""

    asked = None

    def __getitem__(self, key):
        self.asked = key
        return super().__getitem__(key)


def draw_boxes(loader, count):
    boxes = {'case': [], 'forced': [], 'class': [], 'lower': [[], [], []]}
    cases = {}
    while len(boxes['case']) < count:
        for slot, case in enumerate(loader.get_indices()):
            if case not in cases:
                data, _, _, properties = loader._data.load_case(case)
                cases[case] = data.shape[1:], properties['class_locations']
            shape, locations = cases[case]
            forced = loader.get_do_oversample(slot)
            watched = Watched(locations)
            lower, _ = loader.get_bbox(shape, forced, watched)
            boxes['case'].append(str(case))
            boxes['forced'].append(int(forced))
            boxes['class'].append(int(watched.asked) if forced and watched.asked is not None else 0)
            for axis in range(3):
                boxes['lower'][axis].append(int(lower[axis]))
    return {key: column[:count] if key != 'lower' else [one[:count] for one in column] for key, column in boxes.items()}


def watch_transforms(loader, fired):
    """Counts which transforms change an image, by what they draw and by whether the image is another one afterwards."""
    for transform in loader.transforms.transforms:
        kind = type(transform).__name__
        if kind == 'RandomTransform':
            inner = transform.transform
            name = NAMES[type(inner).__name__]
            if name == 'gamma' and inner.p_invert_image:
                name = 'gamma, inverted'
            fired[name] = 0

            def apply(data, _apply=transform.apply, _name=name, **params):
                before = data['image'].clone()
                after = _apply(data, **params)
                fired[_name] += int(not torch.equal(before, after['image']))
                return after

            transform.apply = apply
        elif kind == 'MirrorTransform':
            for axis in transform.allowed_axes:
                fired[f'mirror, axis {axis}'] = 0

            def mirrored(_get=transform.get_parameters, **data):
                drawn = _get(**data)
                for axis in drawn['axes']:
                    fired[f'mirror, axis {axis}'] += 1
                return drawn

            transform.get_parameters = mirrored
        elif kind == 'SpatialTransform':
            fired.update({'rotation': 0, 'scaling': 0})

            def turned(_get=transform.get_parameters, **data):
                drawn = _get(**data)
                if drawn['affine'] is not None:
                    affine = np.asarray(drawn['affine'], dtype=float)
                    fired['rotation'] += int(np.abs(affine - np.diag(np.diag(affine))).max() > 1e-9)
                    fired['scaling'] += int(abs(np.linalg.det(affine) - 1) > 1e-9)
                return drawn

            transform.get_parameters = turned


def measure(image, labels, all_labels):
    ordered = np.sort(image, axis=None)
    found = {'mean': float(ordered.mean(dtype=np.float64)), 'deviation': float(ordered.std(dtype=np.float64))}
    for quantile in QUANTILES:
        found[f'quantile {quantile}'] = float(ordered[int(np.floor(quantile * (ordered.size - 1) + 0.5))])
    found['foreground'] = float((labels > 0).mean())
    for label in all_labels:
        found[f'voxels of label {label}'] = int((labels == label).sum())
    return found


folder, patch, batch = Path(sys.argv[1]), [int(size) for size in sys.argv[2].split(',')], int(sys.argv[3])
boxes, patches, seed = (int(word) for word in sys.argv[4:7])
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)
loader = make_loader(folder, patch, batch, True, 3)
labels = [label for label in loader.annotated_classes_key if label > 0]
drawn = draw_boxes(loader, boxes)
fired = Counter()
watch_transforms(loader, fired)
columns = {}
made = 0
while made < patches:
    made_now = next(loader)
    target = made_now['target'][0] if isinstance(made_now['target'], list) else made_now['target']
    for image, segmentation in zip(made_now['data'].numpy(), target.numpy()):
        for name, value in measure(image, segmentation, labels).items():
            columns.setdefault(name, []).append(value)
        made += 1
print(json.dumps({'boxes': drawn, 'patches': columns, 'transforms': {'samples': made, 'fired': fired}}))
