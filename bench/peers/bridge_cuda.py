"""What registering the memory with CUDA is worth, on a machine with a GPU.

    python bench/peers/bridge_cuda.py STORE_DIR OPTIONS_JSON BATCHES

Copies batches to the device from memory that is registered and from memory that is not, with and without a stream of its own. Prints
milliseconds and GB/s a batch. Needs the voxfeed package and torch with CUDA.
"""
import json
import sys
import time

import torch
import voxfeed
from voxfeed.torch import to_device

store, options, batches = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
for pin_memory in (True, False):
    with voxfeed.Loader(store, pin_memory=pin_memory, **options) as loader:
        held = [next(loader.training) for _ in range(2)]
        size = sum(part.numel() * part.element_size() for part in (held[0].data, *held[0].targets))
        torch.cuda.synchronize()
        start = time.perf_counter()
        for i in range(batches):  # the copy alone: the same batches again
            for part in (held[i % 2].data, *held[i % 2].targets):
                part.to('cuda', non_blocking=True)
        torch.cuda.synchronize()
        copy = (time.perf_counter() - start) / batches
        del held
        start = time.perf_counter()
        for batch, _ in zip(to_device(loader, 'cuda', ahead=1), range(batches)):
            float(batch.data.sum())
        whole = (time.perf_counter() - start) / batches
    print(json.dumps({
        'registered': pin_memory,
        'copy_ms': round(1000 * copy, 3),
        'copy_gb_per_s': round(size / copy / 1e9, 2),
        'batch_with_to_device_ms': round(1000 * whole, 3),
    }))
