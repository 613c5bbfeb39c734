"""Takes batches of voxfeed in Python, as a training would, and throws them away.

    python bench/peers/bridge_consumer.py STORE_DIR OPTIONS_JSON BATCHES

Prints one JSON object: patches a second, and CPU time a batch of Node and of this process. Needs the voxfeed package (`pip install -e
python`).
"""
import json
import sys
import time

import voxfeed

store, options, batches = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
with voxfeed.Loader(store, **options) as loader:
    for _ in range(8):
        next(loader.training)
    before, start, own = loader.metrics()['process']['cpuMs'], time.perf_counter(), time.process_time()
    patches = 0
    for _ in range(batches):
        patches += len(next(loader.training).keys)
    elapsed, own = time.perf_counter() - start, time.process_time() - own
    node = loader.metrics()['process']['cpuMs'] - before
    print(json.dumps({
        'patches_per_second': patches / elapsed,
        'cpu_ms_per_batch': node / batches + 1000 * own / batches,
        'python_cpu_ms_per_batch': 1000 * own / batches,
        'copied': loader.copied,
    }))
