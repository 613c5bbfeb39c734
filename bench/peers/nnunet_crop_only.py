"""nnU-Net's own loader without transforms, one process, one thread, volumes as NumPy arrays in RAM.

    python bench/peers/nnunet_crop_only.py STORE_DIR Z,Y,X BATCH BATCHES

Reads the volumes of a voxfeed store, so that both sides crop the same data. Prints one JSON object.
Needs PyPI's nnunetv2 in a virtual environment of its own.
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
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

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
            data = np.load(folder / f'{case}.npy')
            seg = np.load(folder / f'{case}_seg.npy')[None]
            locations = {label: np.argwhere(seg == label)[:10000] for label in Labels.all_labels[1:]}
            self.cases[case] = (data, seg, None, {'class_locations': locations})

    def load_case(self, case):
        return self.cases[case]


folder, patch, batch, batches = Path(sys.argv[1]), [int(n) for n in sys.argv[2].split(',')], int(sys.argv[3]), int(sys.argv[4])
loader = nnUNetDataLoader(InMemory(folder), batch, patch, patch, Labels(), oversample_foreground_percent=0.33)
for _ in range(5):
    next(loader)
start, cpu = time.perf_counter(), time.process_time()
for _ in range(batches):
    next(loader)
elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
print(json.dumps({
    'patches_per_second': batch * batches / elapsed,
    'cpu_ms_per_patch': 1000 * cpu / (batch * batches),
    'versions': {name: version(name) for name in ('nnunetv2', 'torch', 'numpy')},
}))
