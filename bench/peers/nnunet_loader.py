"""nnU-Net's own loader, one process, one thread, volumes as NumPy arrays in RAM, or in a folder that nnU-Net preprocessed read by its own
data set, python-blosc2; or the given number of worker processes.

    python bench/peers/nnunet_loader.py STORE_DIR|FOLDER Z,Y,X BATCH BATCHES none|default TARGETS [PROCESSES]

Reads the volumes of a voxfeed store, so that both sides see the same data. 'default' is nnUNetTrainer's training pipeline, with as
many targets of deep supervision, each half as long as the one before it. Prints one JSON object. Needs PyPI's nnunetv2 in a virtual
environment of its own.
"""
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ[name] = '1'
for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, '/tmp')

import numpy as np
import torch
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

torch.set_num_threads(1)


class Labels:
    """What the loader asks of a label manager."""

    all_labels = [0, 1, 2, 3]
    has_ignore_label = False


class InMemory:
    """What the loader asks of a data set."""

    def __init__(self, folder):
        index = json.loads((folder / 'voxfeed.json').read_text())
        self.identifiers = [case['id'] for case in index['cases']]
        self.cases = {}
        for case in self.identifiers:
            data, seg = np.load(folder / f'{case}.npy'), np.load(folder / f'{case}_seg.npy')[None]
            locations = {label: np.argwhere(seg == label)[:10000] for label in Labels.all_labels[1:]}
            self.cases[case] = (data, seg, None, {'class_locations': locations})

    def load_case(self, case):
        return self.cases[case]


def open_folder(folder):
    """The data set, and which channels were normalised within a mask."""
    if not (folder / 'voxfeed.json').is_file():
        from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

        plans = json.loads((folder.parent / f"{folder.name.split('_')[0]}.json").read_text())['configurations']
        return nnUNetDatasetBlosc2(str(folder)), next(
            entry['use_mask_for_norm'] for entry in plans.values() if entry.get('data_identifier') == folder.name
        )
    normalisation = (json.loads((folder / 'voxfeed.json').read_text()).get('options') or {}).get('normalisation', [])
    return InMemory(folder), [channel['masked'] for channel in normalisation]


def augmentation(patch, targets, mask):
    """What the trainer derives from a patch size: transforms, and the size of the crop that they want."""
    elongated = max(patch) / min(patch) > 1.5
    dummy_2d = len(patch) == 3 and max(patch) / patch[0] > 3
    degrees = (15 if elongated else 180) if len(patch) == 2 else (180 if dummy_2d else 30)
    rotation = (-degrees / 180 * np.pi, degrees / 180 * np.pi)
    read = get_patch_size(patch, rotation, rotation, rotation, (0.85, 1.25))
    if dummy_2d:
        read[0] = patch[0]
    scales = [[0.5 ** i] * len(patch) for i in range(targets)]
    mirror_axes = tuple(range(len(patch)))
    return nnUNetTrainer.get_training_transforms(patch, rotation, scales, mirror_axes, dummy_2d, use_mask_for_norm=mask), [int(n) for n in read]


folder, patch, batch, batches = Path(sys.argv[1]), [int(n) for n in sys.argv[2].split(',')], int(sys.argv[3]), int(sys.argv[4])
data, masks = open_folder(folder)
transforms, read = None, patch
if sys.argv[5] == 'default':
    transforms, read = augmentation(patch, int(sys.argv[6]), masks)
loader = nnUNetDataLoader(
    data, batch, read, patch, Labels(), oversample_foreground_percent=0.33, transforms=transforms
)
processes = int(sys.argv[7]) if len(sys.argv) > 7 else 0
if processes:
    from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter

    loader = NonDetMultiThreadedAugmenter(loader, None, num_processes=processes, num_cached=max(6, processes // 2), wait_time=0.002)


def cpu_seconds():
    """Of this process and its workers."""
    seconds = time.process_time()
    for worker in getattr(loader, '_processes', []):
        fields = Path(f'/proc/{worker.pid}/stat').read_text().rpartition(')')[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
    return seconds


# With workers, those that are made ahead are not to be counted as made in no time.
for _ in range(2 + 8 * (processes > 0)):
    next(loader)
start, cpu = time.perf_counter(), cpu_seconds()
for _ in range(batches):
    next(loader)
elapsed, cpu = time.perf_counter() - start, cpu_seconds() - cpu
print(json.dumps({
    'patches_per_second': batch * batches / elapsed,
    'cpu_ms_per_patch': 1000 * cpu / (batch * batches),
    'versions': {name: version(name) for name in ('nnunetv2', 'batchgeneratorsv2', 'torch', 'numpy')},
}))
if processes:
    loader._finish()
