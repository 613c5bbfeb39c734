"""Compares the general spatial transform with batchgeneratorsv2's: on random small volumes with random rotations, scales, centres,
elastic deformations and sampling modes, in two and three axes; and, given a raw data set of nnU-Net's, on patches of its cases that
are rotated and scaled as in nnU-Net's training, every fifth a slice.

    python bench/interop/spatial.py [--cases 300] [--seed 0] [--raw RAW_DIR] [--patches 200]

Needs the releases of `versions.json` from PyPI in a virtual environment, torch for the CPU, and Node 24 on the path. Exits with 1 if in
torch's arithmetic (`nnunetCompat`) any label or image voxel of a case without elastic deformation differs, or if in float64 or out of
the kernels an image is off by more than 1e-4 or more than 0.1 % of the labels are other ones. Cases that are neither turned nor
scaled are reported apart: every label there may tie, and a rounding decides whether it does.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import crop_and_pad_nd
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size

IMAGE_TOLERANCE, LABELS_OFF = 1e-4, 1e-3
# What nnU-Net plans for the hippocampus, and a slice of it.
PATCH, FLAT_PATCH = [40, 56, 40], [56, 40]


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


def write_case(i, folder, image, labels, angles, scales, **arguments):
    """Writes the input down. Returns a description of it, and what the peer makes of it."""
    dim = image.ndim
    peer = SpatialTransform(
        patch_center_dist_from_border=0, p_rotation=1, rotation=lambda image, dim: angles[dim], p_scaling=1,
        scaling=lambda image, dim: scales[dim], padding_value_seg=-1, padding_value_image=-2.5, **arguments,
    )
    image_tensor, labels_tensor = torch.from_numpy(image)[None], torch.from_numpy(labels)[None]
    parameters = peer.get_parameters(image=image_tensor)
    image.tofile(folder / f'{i}.image')
    labels.tofile(folder / f'{i}.labels')
    elastic = parameters['elastic_offsets'] is not None
    if elastic:
        offsets = parameters['elastic_offsets'].permute(dim, *range(dim)).numpy()
        np.concatenate([np.zeros_like(offsets[:3 - dim]), offsets]).tofile(folder / f'{i}.offsets')
    names = {'bilinear': 'linear', 'nearest': 'nearest'}
    case = dict(
        source=list(image.shape), patch=arguments['patch_size'], angles=angles, scales=scales,
        center=[float(c) for c in parameters['center_location_in_pixels']], elastic=elastic, alignCorners=arguments['align_corners'],
        image=dict(interpolation=names[peer.mode_image], padding=peer.padding_mode_image, value=-2.5),
        labels=dict(interpolation=names[peer.mode_seg], padding=peer.border_mode_seg, value=-1),
    )
    case['kernels'] = not (elastic or peer.random_crop or peer.align_corners) and case['image']['padding'] == 'zeros' and (
        case['image']['interpolation'] == 'linear' and case['labels']['padding'] == 'constant')
    wanted = peer._apply_to_image(image_tensor, **parameters)[0].numpy(), peer._apply_to_segmentation(labels_tensor, **parameters)[0].numpy()
    return case, wanted


def random_case(rng, i, folder):
    dim = 3 if i % 3 else 2
    source = [int(n) for n in rng.integers(1 if rng.random() < .1 else 4, 36, dim)]
    patch = source if rng.random() < .1 else [int(n) for n in rng.integers(1 if rng.random() < .1 else 4, 36, dim)]
    angles = [float(a) for a in rng.uniform(-np.pi, np.pi, dim)] if rng.random() < .8 else [0.] * dim
    scales = [float(s) for s in rng.uniform(.5, 2, dim)] if rng.random() < .8 else [1.] * dim
    plain = rng.random() < .3
    return write_case(
        i, folder, rng.normal(size=source).astype(np.float32), random_labels(rng, source), angles, scales, patch_size=patch,
        random_crop=bool(not plain and rng.random() < .4), p_elastic_deform=float(not plain and rng.random() < .2),
        elastic_deform_scale=(.05, .2), elastic_deform_magnitude=(.5, 3), bg_style_seg_sampling=bool(rng.random() < .3),
        mode_seg=str(rng.choice(['bilinear', 'nearest'], p=[.8, .2])),
        border_mode_seg='constant' if plain else str(rng.choice(['constant', 'zeros', 'border', 'reflection'], p=[.55, .15, .15, .15])),
        mode_image='bilinear' if plain else str(rng.choice(['bilinear', 'nearest'], p=[.8, .2])),
        padding_mode_image='zeros' if plain else str(rng.choice(['zeros', 'constant', 'border', 'reflection'], p=[.3, .3, .2, .2])),
        align_corners=bool(not plain and rng.random() < .2),
    )


def real_case(rng, i, folder, raw):
    """A crop of nnU-Net's initial size at a random place of a random case, turned and scaled as in its training."""
    dim = 2 if i % 5 == 4 else 3
    dataset = json.loads((raw / 'dataset.json').read_text())
    label_file = rng.choice(sorted((raw / 'labelsTr').glob('*' + dataset['file_ending'])))
    name = label_file.name[:-len(dataset['file_ending'])]
    labels = np.asarray(nibabel.load(label_file).dataobj).T.astype(np.int16)
    image = np.asarray(nibabel.load(raw / 'imagesTr' / f"{name}_0000{dataset['file_ending']}").dataobj).T.astype(np.float32)
    image = (image - image.mean()) / image.std()
    if dim == 2:
        plane = rng.integers(len(labels))
        image, labels = image[plane], labels[plane]
    patch, turn = (PATCH, np.pi / 6) if dim == 3 else (FLAT_PATCH, np.pi)
    size = [int(n) for n in get_patch_size(patch, *[(-turn, turn)] * 3, (.85, 1.25))]
    missing = [max(n - of, 0) for n, of in zip(size, image.shape)]
    lower = [int(rng.integers(-m // 2, of + m // 2 + m % 2 - n + 1)) for m, of, n in zip(missing, image.shape, size)]
    box = [[low, low + n] for low, n in zip(lower, size)]
    image = np.ascontiguousarray(crop_and_pad_nd(image, box, 0), np.float32)
    labels = np.ascontiguousarray(crop_and_pad_nd(labels, box, -1), np.int16)
    scale = float(rng.uniform(.7, 1.4))
    return write_case(
        i, folder, image, labels, [float(a) for a in rng.uniform(-turn, turn, dim)], [scale] * dim, patch_size=patch, random_crop=False,
        mode_seg='bilinear', border_mode_seg='constant', mode_image='bilinear', padding_mode_image='zeros', align_corners=False,
    )


def kind(case):
    still = not any(case['angles'][-1:] if len(case['source']) == 2 else case['angles']) and set(case['scales']) == {1.}
    return 'elastic' if case['elastic'] else 'unmoved' if still else 'turned or scaled'


def compare(title, make, count, compat):
    """Makes the cases, has voxfeed warp them, and prints by how much they differ. Returns whether that is too much."""
    totals = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases, wanted = zip(*(make(i, folder) for i in range(count)))
        (folder / 'cases.json').write_text(json.dumps(cases))
        subprocess.run(['node', str(Path(__file__).with_suffix('.ts')), name], check=True)
        for i, (case, (image, labels)) in enumerate(zip(cases, wanted)):
            for mode in [compat, 'exact', 'kernels'] if case['kernels'] else [compat, 'exact']:
                total = totals.setdefault((len(case['source']), kind(case), mode), np.zeros(6))
                ours = np.fromfile(folder / f'{i}.image.{mode}', np.float32).reshape(image.shape)
                off = int((np.fromfile(folder / f'{i}.labels.{mode}', np.int16).reshape(labels.shape) != labels).sum())
                total[:4] += 1, labels.size, off, (ours != image).sum()
                if mode == compat and off and not case['elastic']:
                    print(f'case {i}: {off} labels: {case}')
                # Where the nearest voxel changes, a rounding decides between two values.
                if case['image']['interpolation'] == 'linear':
                    total[4] = max(total[4], float(np.abs(ours - image).max()))
                else:
                    total[5] += (np.abs(ours - image) > IMAGE_TOLERANCE).sum()
    failed = False
    for (dim, how, mode), (number, voxels, labels, images, deviation, jumps) in sorted(totals.items()):
        equal = mode == compat and how != 'elastic'
        print(f"{title}, {dim} axes, {how}, {mode}: {int(number)} cases; of {int(voxels)} voxels {int(labels)} labels "
              f'({100 * labels / voxels:.4f} %) and {int(images)} image values differ, images off by {deviation:.2g}, {int(jumps)} voxels beside jumps')
        failed |= labels + images > 0 if equal else deviation > IMAGE_TOLERANCE or (how != 'unmoved' and labels > LABELS_OFF * voxels)
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cases', type=int, default=300)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--raw', type=Path)
    parser.add_argument('--patches', type=int, default=200)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    np.random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    compat = 'fused' if fuses() else 'separate'
    print(f"torch {torch.__version__}, {compat} products and sums in the matrix product")
    failed = compare('random volumes', lambda i, folder: random_case(rng, i, folder), arguments.cases, compat)
    if arguments.raw:
        failed |= compare(arguments.raw.name, lambda i, folder: real_case(rng, i, folder, arguments.raw), arguments.patches, compat)
    sys.exit(int(failed))


if __name__ == '__main__':
    main()
