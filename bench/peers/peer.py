"""What the loaders of other libraries have in common here: arguments, volumes, and how they are measured.

    python bench/peers/NAME_loader.py STORE_DIR Z,Y,X BATCH BATCHES none|default TARGETS [--processes N] [--seconds S] [--consumer-ms T]

STORE_DIR is a voxfeed store, so that all see the same voxels, held as NumPy arrays in RAM. 'default' is nnU-Net's training pipeline, or
what the library has that is nearest; 'none' crops only. TARGETS: of deep supervision, each half as long as the one before it, where the
library has that. Without `--processes` everything happens in one process. BATCHES is the least, and so is S. Prints one JSON object.
"""
import argparse
import json
import os
import time
from importlib.metadata import version
from pathlib import Path

# One thread a process, as nnU-Net's workers have: what is measured is work, not how many threads share it.
for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS'):
    os.environ[name] = '1'
for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, '/tmp')

import numpy as np
import torch

torch.set_num_threads(1)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument('store', type=Path)
    parser.add_argument('patch', type=lambda text: [int(size) for size in text.split(',')])
    parser.add_argument('batch', type=int)
    parser.add_argument('batches', type=int)
    parser.add_argument('augmentation', choices=['none', 'default'])
    parser.add_argument('targets', type=int)
    parser.add_argument('--processes', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=0)
    parser.add_argument('--consumer-ms', type=float)
    return parser.parse_args()


def volumes(store):
    """Of each case: identifier, image [C, z, y, x], labels [1, z, y, x]."""
    for case in json.loads((store / 'voxfeed.json').read_text())['cases']:
        yield case['id'], np.load(store / f"{case['id']}.npy"), np.load(store / f"{case['id']}_seg.npy")[None]


def process_tree(pid):
    """A process and all that come from it."""
    yield pid
    for task in Path(f'/proc/{pid}/task').iterdir():
        for child in (task / 'children').read_text().split():
            yield from process_tree(int(child))


def cpu_seconds():
    """Of this process, of its children, and of those of them that ended."""
    ticks = 0
    for pid in process_tree(os.getpid()):
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf('SC_CLK_TCK')


def measure(given, take, packages, warm_up=2):
    """Takes batches by `take`, after some that are not counted, and prints what they cost. A consumer sleeps after each."""
    pause = 0 if given.consumer_ms is None else given.consumer_ms / 1000

    def run(batches, seconds=0):
        waited, made, start = 0, 0, time.perf_counter()
        while made < batches or time.perf_counter() - start < seconds:
            made += 1
            asked = time.perf_counter()
            take()
            waited += time.perf_counter() - asked
            if pause:
                time.sleep(pause)
        return waited, made

    run(warm_up)
    start, cpu = time.perf_counter(), cpu_seconds()
    waited, made = run(given.batches, given.seconds)
    elapsed, cpu = time.perf_counter() - start, cpu_seconds() - cpu
    patches = given.batch * made
    found = {'patches_per_second': patches / elapsed, 'cpu_ms_per_patch': 1000 * cpu / patches}
    if pause:
        found = {'consumer_ms': given.consumer_ms, 'wait_percent': 100 * waited / elapsed, 'cpu_ms_per_batch': 1000 * cpu / made}
    print(json.dumps({**found, 'versions': {name: version(name) for name in (*packages, 'torch', 'numpy')}}))
