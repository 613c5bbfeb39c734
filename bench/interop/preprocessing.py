"""Compares a store with nnU-Net's own preprocessing of the same raw data: crop, z-score, class locations. No resampling.

    python bench/interop/preprocessing.py RAW_DIR STORE_DIR

Needs PyPI's nnunetv2 and msgpack in a virtual environment of its own. Exits with 1 if anything differs by more than rounding.
"""
import json
import os
import sys
from pathlib import Path

for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, '/tmp')

import msgpack
import numpy as np
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
from nnunetv2.preprocessing.normalization.default_normalization_schemes import ZScoreNormalization
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

TOLERANCE = 1e-5

raw, store = Path(sys.argv[1]), Path(sys.argv[2])
index = json.loads((store / 'voxfeed.json').read_text())
ending = json.loads((raw / 'dataset.json').read_text())['file_ending']
reader, preprocessor = SimpleITKIO(), DefaultPreprocessor(verbose=False)
deviation, labels_off, locations_off = 0.0, 0, 0
for case in index['cases']:
    name = case['id']
    data, properties = reader.read_images([raw / 'imagesTr' / f'{name}_{c:04d}{ending}' for c in range(len(index['channels']))])
    seg, _ = reader.read_seg(raw / 'labelsTr' / f'{name}{ending}')
    data, seg, box = crop_to_nonzero(data.astype(np.float32), seg)
    for channel, options in enumerate(index['options']):
        assert options['scheme'] == 'zscore', 'this script knows z-score only'
        data[channel] = ZScoreNormalization(use_mask_for_norm=options['masked'], intensityproperties={}).run(data[channel], seg[0])

    sidecar = msgpack.unpackb((store / f'{name}.msgpack').read_bytes())
    assert np.allclose(properties['spacing'], sidecar['spacing'])
    assert [list(axis) for axis in box] == [list(axis) for axis in zip(sidecar['cropBox']['lower'], sidecar['cropBox']['upper'])]
    deviation = max(deviation, float(np.abs(np.load(store / f'{name}.npy') - data).max()))
    labels_off += int((np.load(store / f'{name}_seg.npy') != seg[0]).sum())
    keys = [entry['labels'][0] if len(entry['labels']) == 1 else tuple(entry['labels']) for entry in sidecar['classes']]
    expected = preprocessor._sample_foreground_locations(seg.astype(np.int16), keys, verbose=False)
    for key, entry in zip(keys, sidecar['classes']):
        found = np.frombuffer(entry['locations'], '<u4')
        wanted = np.asarray(expected[key], dtype=np.int64).reshape(-1, 4)
        wanted = np.ravel_multi_index(tuple(wanted[:, 1:].T), seg.shape[1:]) if len(wanted) else wanted[:, 0]
        locations_off += int(not np.array_equal(found, wanted))

print(f"{len(index['cases'])} cases: largest deviation {deviation:.2g}, {labels_off} label voxels differ, {locations_off} class location lists differ")
sys.exit(int(deviation > TOLERANCE or labels_off > 0 or locations_off > 0))
