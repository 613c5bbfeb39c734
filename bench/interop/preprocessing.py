"""Compares a store with nnU-Net's own preprocessing of the same raw data, by the plans in the store: the whole way from files to
arrays (transpose, crop, normalise, resample), class locations and splits.

    python bench/interop/preprocessing.py RAW_DIR STORE_DIR [CASES]

Needs the releases of `versions.json` from PyPI in a virtual environment. Takes the first CASES cases, all of them without. Exits with 1
if an image differs by more than 1e-4, or anything else at all does, a single label included.
"""
import json
import os
import sys
from pathlib import Path

for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, '/tmp')

import msgpack
import numpy as np
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.crossval_split import generate_crossval_split
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

DATA_TOLERANCE = 1e-4

raw, store = Path(sys.argv[1]), Path(sys.argv[2])
index = json.loads((store / 'voxfeed.json').read_text())
dataset = json.loads((raw / 'dataset.json').read_text())
plans = PlansManager(str(store / index['plans']))
configuration = plans.get_configuration(index['configuration'])
preprocessor = DefaultPreprocessor(verbose=False)
cases = index['cases'][: int(sys.argv[3]) if len(sys.argv) > 3 else None]

deviation, voxels, labels_off, locations_off, resampled = 0.0, 0, 0, 0, 0
for case in cases:
    name = case['id']
    files = [raw / 'imagesTr' / f'{name}_{c:04d}{dataset["file_ending"]}' for c in range(len(index['channels']))]
    # Fewer files than channels hold several each, as colours.
    images = [str(path) for path in files if path.exists()]
    data, seg, properties = preprocessor.run_case(images, str(raw / 'labelsTr' / f'{name}{dataset["file_ending"]}'), plans, configuration, dataset)
    sidecar = msgpack.unpackb((store / f'{name}.msgpack').read_bytes())
    ours, ours_seg = np.load(store / f'{name}.npy'), np.load(store / f'{name}_seg.npy')
    assert ours.shape == data.shape, f'{name}: shape {ours.shape} instead of {data.shape}'
    forward = plans.transpose_forward
    assert np.allclose([properties['spacing'][axis] for axis in forward], sidecar['rawSpacing'])
    assert [list(axis) for axis in properties['bbox_used_for_cropping']] == [list(axis) for axis in zip(sidecar['cropBox']['lower'], sidecar['cropBox']['upper'])]
    assert list(properties['shape_before_cropping']) == sidecar['shapeBeforeCrop']
    deviation = max(deviation, float(np.abs(ours - data).max()))
    different = int((ours_seg != seg[0]).sum())
    labels_off += different
    voxels += seg.size
    resampled += tuple(properties['shape_after_cropping_and_before_resampling']) != seg.shape[1:]
    # Behind eight bytes for each class, the locations of all classes, one after the other.
    stored = np.split(np.frombuffer(sidecar['locations'], '<u4')[2 * len(sidecar['classes']):], np.cumsum([entry['stored'] for entry in sidecar['classes']])[:-1])
    for entry, found in zip(sidecar['classes'], stored):
        key = entry['labels'][0] if len(entry['labels']) == 1 else tuple(entry['labels'])
        wanted = np.asarray(properties['class_locations'][key], dtype=np.int64).reshape(-1, 4)
        wanted = np.ravel_multi_index(tuple(wanted[:, 1:].T), seg.shape[1:]) if len(wanted) else wanted[:, 0]
        # One voxel that rounds the other way makes other draws.
        locations_off += int(different == 0 and not np.array_equal(found, wanted))

splits_file = store / 'splits_final.json'
splits_equal = not splits_file.exists() or json.loads(splits_file.read_text()) == generate_crossval_split(sorted(c['id'] for c in index['cases']), seed=12345, n_splits=5)
print(f"{raw.name} {index['configuration']}, {len(cases)} cases, {resampled} of them resampled: largest deviation {deviation:.2g}, {labels_off} of {voxels} labels differ, "
      f"{locations_off} class location lists differ, splits {'equal' if splits_equal else 'DIFFER'}")
sys.exit(int(deviation > DATA_TOLERANCE or labels_off > 0 or locations_off > 0 or not splits_equal))
