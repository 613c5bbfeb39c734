"""Compares the general spatial transform with batchgeneratorsv2's, on random small volumes with random rotations, scales, centres,
elastic deformations and sampling modes, in two and three axes.

    python bench/interop/spatial.py [CASES] [SEED]

Needs PyPI's batchgeneratorsv2 0.3.5 (0.3.6 pads and settles ties by other rules), torch for the CPU, and Node 24 on the path. Exits with 1 if in
torch's arithmetic any label or image voxel of a case without elastic deformation differs, or if in float64 an image is off by more
than 5e-5 or more than 0.1 % of the labels are other ones.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform

IMAGE_TOLERANCE, LABELS_OFF = 5e-5, 1e-3


class AxisFixed(SpatialTransform):
    """Holds each axis against its own size where upstream takes the mirrored one's: the rule of our float64 mode."""

    def _compute_out_of_bounds_mask(self, grid, spatial_shape):
        return super()._compute_out_of_bounds_mask(grid, tuple(spatial_shape)[::-1])


def fuses():
    """Whether torch's BLAS rounds once for a product and its sum here."""
    a = torch.linspace(-3, 4, 3000).reshape(-1, 3)
    b = torch.tensor([[.1, .7, -.3], [.2, -.4, .9], [.6, .5, -.8]])
    x, y = a.numpy(), b.numpy()
    separate = x[:, :1] * y[0] + x[:, 1:2] * y[1] + x[:, 2:] * y[2]
    return not np.array_equal((a @ b).numpy(), separate)


def random_labels(rng, shape):
    """Two to six labels in coarse blobs with some noise, the lowest of them sometimes -1; now and then only one."""
    labels = np.sort(rng.choice(np.arange(-1, 9), rng.integers(1 if rng.random() < .1 else 2, 7), replace=False))
    coarse = rng.integers(0, len(labels), [size // 4 + 1 for size in shape])
    for axis, size in enumerate(shape):
        coarse = np.repeat(coarse, 4, axis).take(np.arange(size), axis)
    noisy = np.where(rng.random(shape) < .15, rng.integers(0, len(labels), shape), coarse)
    return labels[noisy].astype(np.int16)


def make_case(rng, i, folder):
    dim = 3 if i % 3 else 2
    source = [int(n) for n in rng.integers(1 if rng.random() < .1 else 4, 36, dim)]
    patch = source if rng.random() < .1 else [int(n) for n in rng.integers(1 if rng.random() < .1 else 4, 36, dim)]
    angles = [float(a) for a in rng.uniform(-np.pi, np.pi, dim)] if rng.random() < .8 else [0.] * dim
    scales = [float(s) for s in rng.uniform(.5, 2, dim)] if rng.random() < .8 else [1.] * dim
    padding = rng.choice(['zeros', 'constant', 'border', 'reflection'], p=[.4, .2, .2, .2])
    border = rng.choice(['constant', 'zeros', 'border', 'reflection'], p=[.7, .1, .1, .1])
    decision = rng.choice(['linear', 'threshold', 'nearest'], p=[.7, .15, .15])
    mode = rng.choice(['linear', 'nearest'], p=[.8, .2])
    elastic = bool(rng.random() < .15)
    align = bool(rng.random() < .15)
    arguments = dict(
        patch_size=patch, patch_center_dist_from_border=0, random_crop=bool(rng.random() < .3), p_elastic_deform=float(elastic),
        elastic_deform_scale=(.05, .2), elastic_deform_magnitude=(.5, 3), p_rotation=1, rotation=lambda image, dim: angles[dim],
        p_scaling=1, scaling=lambda image, dim: scales[dim], bg_style_seg_sampling=bool(decision == 'threshold'),
        mode_seg='nearest' if decision == 'nearest' else 'bilinear', border_mode_seg=str(border), padding_value_seg=-1,
        mode_image='nearest' if mode == 'nearest' else 'bilinear', padding_mode_image=str(padding), padding_value_image=-2.5,
        align_corners=align,
    )
    image, labels = rng.normal(size=source).astype(np.float32), random_labels(rng, source)
    image_tensor, labels_tensor = torch.from_numpy(image)[None], torch.from_numpy(labels)[None]
    peer = SpatialTransform(**arguments)
    parameters = peer.get_parameters(image=image_tensor)
    fixed = AxisFixed(**arguments)
    image.tofile(folder / f'{i}.image')
    labels.tofile(folder / f'{i}.labels')
    if elastic:
        offsets = parameters['elastic_offsets'].permute(dim, *range(dim)).numpy()
        np.concatenate([np.zeros_like(offsets[:3 - dim]), offsets]).tofile(folder / f'{i}.offsets')
    case = dict(
        source=source, patch=patch, angles=angles, scales=scales, center=[float(c) for c in parameters['center_location_in_pixels']],
        elastic=elastic, alignCorners=align, image=dict(interpolation=str(mode), padding=str(padding), value=-2.5),
        labels=dict(interpolation=str(decision), padding=str(border), value=-1),
    )
    wanted = {
        kind: (of._apply_to_image(image_tensor, **parameters)[0].numpy(), of._apply_to_segmentation(labels_tensor, **parameters)[0].numpy())
        for kind, of in (('peer', peer), ('fixed', fixed))
    }
    return case, wanted


def main():
    if not hasattr(SpatialTransform, '_compute_out_of_bounds_mask'):
        sys.exit('this is not batchgeneratorsv2 0.3.5: it has other rules for padding and ties')
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    rng = np.random.default_rng(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    compat = 'fused' if fuses() else 'separate'
    totals = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases, wanted = zip(*(make_case(rng, i, folder) for i in range(count)))
        (folder / 'cases.json').write_text(json.dumps(cases))
        subprocess.run(['node', str(Path(__file__).with_suffix('.ts')), name], check=True)
        for i, (case, of) in enumerate(zip(cases, wanted)):
            totals_of = totals.setdefault((len(case['source']), case['elastic']), np.zeros(6))
            for mode, (image, labels) in ((compat, of['peer']), ('exact', of['fixed'])):
                ours = np.fromfile(folder / f'{i}.image.{mode}', np.float32).reshape(image.shape)
                ours_labels = np.fromfile(folder / f'{i}.labels.{mode}', np.int16).reshape(labels.shape)
                off = int((ours_labels != labels).sum())
                if mode != 'exact':
                    totals_of[:3] += labels.size, off, (ours != image).sum()
                    if off and not case['elastic']:
                        print(f'case {i}: {off} labels: {case}')
                    continue
                totals_of[3] += off
                # Beside a jump (outside or not, which voxel is nearest) a rounding decides between two values.
                smooth = case['image']['interpolation'] == 'linear' and case['image']['padding'] != 'constant'
                if smooth:
                    totals_of[4] = max(totals_of[4], float(np.abs(ours - image).max()))
                else:
                    totals_of[5] += (np.abs(ours - image) > IMAGE_TOLERANCE).sum()
    print(f'torch {torch.__version__}, {count} cases, {"fused" if compat == "fused" else "separate"} products and sums in the matrix product')
    failed = False
    for (dim, elastic), (voxels, labels, images, exact_labels, deviation, jumps) in sorted(totals.items()):
        print(f"{dim} axes{', elastic' if elastic else ''}: of {int(voxels)} voxels in torch's arithmetic {int(labels)} labels and "
              f'{int(images)} image values differ; in float64 {int(exact_labels)} labels, image off by {deviation:.2g}, '
              f'{int(jumps)} voxels beside jumps')
        failed |= deviation > IMAGE_TOLERANCE or exact_labels > LABELS_OFF * voxels or (not elastic and labels + images > 0)
    sys.exit(int(failed))


if __name__ == '__main__':
    main()
