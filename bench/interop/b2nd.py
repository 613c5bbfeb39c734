"""Compares voxfeed's reader of .b2nd files with python-blosc2: random boxes of every file of a folder, each voxel of them.

    python bench/interop/b2nd.py [FOLDER] [--boxes 1000] [--older NNUNET_DATASET_PY [--patch 128 128 128]]

Without a folder, it is one of three made-up cases, written by nnU-Net. With `--older`, the voxels of the folder are first written again into a temporary one, as an older release of nnU-Net does: give its
`nnunetv2/training/dataloading/nnunet_dataset.py`, for example out of PyPI's nnunetv2-2.6.2.tar.gz. Exits with 1 if any voxel differs. Needs
nnunetv2 in this Python, and Node 24 as `node`.
"""
import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, '/tmp')

import blosc2
import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2

parser = argparse.ArgumentParser()
parser.add_argument('folder', type=Path, nargs='?')
parser.add_argument('--boxes', type=int, default=1000)
parser.add_argument('--older', type=Path)
parser.add_argument('--patch', type=int, nargs=3, default=(128, 128, 128), help='that older files are cut for')
options = parser.parse_args()
SCRIPT = Path(__file__).with_suffix('.ts')


def write_older(folder, script):
    """Every case of the folder as the release writes it that the script is of."""
    spec = importlib.util.spec_from_file_location('older_nnunet_dataset', script)
    older = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(older)
    dataset = older.nnUNetDatasetBlosc2
    for name in dataset.get_identifiers(str(options.folder)):
        arrays = [blosc2.open(str(options.folder / f'{name}{suffix}.b2nd'))[:] for suffix in ('', '_seg')]
        # (blocks, chunks) of each, as its preprocessor asks for them.
        sizes = [dataset.comp_blosc2_params(array.shape, options.patch, array.itemsize) for array in arrays]
        (blocks, chunks), (blocks_seg, chunks_seg) = [[tuple(map(int, shape)) for shape in pair] for pair in sizes]
        dataset.save_case(*arrays, {}, str(folder / name), chunks=chunks, blocks=blocks, chunks_seg=chunks_seg, blocks_seg=blocks_seg)


def write_made(folder):
    """Cases of one and of three channels: smooth, in steps, and mostly zero."""
    rng = np.random.default_rng(1)
    for number, shape in enumerate([(1, 70, 90, 80), (3, 40, 50, 60), (1, 1, 300, 200)]):
        image = np.cumsum(rng.normal(size=shape), -1).astype(np.float32)
        image = [image, np.round(image * 8) / 8, np.maximum(image - 10, 0)][number].astype(np.float32)
        labels = np.where(image[:1] > 5, 2, np.where(image[:1] < -5, -1, 0)).astype(np.int16)
        patch = options.patch if shape[1] > 1 else options.patch[1:]
        sizes = [comp_blosc2_params(array.shape, patch, array.itemsize) for array in (image, labels)]
        (blocks, chunks), (blocks_seg, chunks_seg) = sizes
        nnUNetDatasetBlosc2.save_case(
            image, labels, {}, str(folder / f'made_{number}'), chunks=chunks, blocks=blocks, chunks_seg=chunks_seg, blocks_seg=blocks_seg
        )


def wrong_voxels(path, seed):
    """How many voxels of the boxes voxfeed reads otherwise, of how many."""
    stored = blosc2.open(str(path))
    dense = stored[:]
    shape = (1,) * (4 - dense.ndim) + dense.shape
    dense = dense.reshape(shape)
    rng = np.random.default_rng(seed)
    lower = [rng.integers(0, shape) for _ in range(options.boxes)]
    boxes = [(low, [int(rng.integers(a + 1, n + 1)) for a, n in zip(low, shape)]) for low in lower]
    lines = '\n'.join(json.dumps([low.tolist(), high]) for low, high in boxes)
    with tempfile.TemporaryFile() as given:
        given.write(lines.encode())
        given.seek(0)
        with subprocess.Popen(['node', str(SCRIPT), str(path)], stdin=given, stdout=subprocess.PIPE) as reader:
            wrong = total = 0
            for low, high in boxes:
                expected = np.ascontiguousarray(dense[tuple(slice(a, b) for a, b in zip(low, high))])
                read = reader.stdout.read(expected.nbytes)
                if len(read) != expected.nbytes:
                    raise SystemExit(f'{path}: voxfeed gave up')
                # Bit by bit: NaN is as good as any number.
                bits = f'u{expected.itemsize}'
                wrong += int((np.frombuffer(read, bits) != expected.view(bits).reshape(-1)).sum())
                total += expected.size
    return wrong, total, stored


with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as rewritten:
    if options.folder is None:
        options.folder = Path(made)
        write_made(options.folder)
    folder = options.folder
    if options.older:
        folder = Path(rewritten)
        write_older(folder, options.older)
    paths = sorted(folder.glob('*.b2nd'))
    wrong = total = 0
    for number, path in enumerate(paths):
        of_file, voxels, stored = wrong_voxels(path, number)
        wrong, total = wrong + of_file, total + voxels
        if of_file or number < 2:
            codec, filters = stored.schunk.cparams.codec.name, [f.name for f in stored.schunk.cparams.filters if f.value]
            print(f'{path.name}: {of_file} of {voxels} voxels differ ({codec}, {filters}, chunks {stored.chunks}, blocks {stored.blocks})')
print(f'{len(paths)} files, {options.boxes} boxes each: {wrong} of {total} voxels differ')
sys.exit(int(wrong > 0))
