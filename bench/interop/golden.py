"""Records the golden data of `test/golden/data` again with the releases that are installed: the same cases, from the same inputs and
parameters. Then says what changed.

    python bench/interop/golden.py OUT_DIR [--golden test/golden/data]

Needs nnunetv2, batchgenerators and batchgeneratorsv2 in a virtual environment; `versions.json` beside this file has the releases that
voxfeed follows. Records the groups spatial, intensity, misc, pipeline and preprocess, with the tolerances that they have; the others
(planning, sampling, distribution.json) are copied. Test with `VOXFEED_GOLDEN=OUT_DIR npm test -- test/golden`. Exits with 1 if an output
is beyond its tolerance from what was recorded before.
"""
import argparse
import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from golden_makers import MAKERS
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape, determine_do_sep_z_and_axis

GROUPS = ['spatial', 'intensity', 'misc', 'pipeline', 'preprocess']
LIBRARIES = ['torch', 'numpy', 'scipy', 'scikit-image']


def plain(value):
    """An array as it is stored."""
    array = np.ascontiguousarray(value.numpy() if hasattr(value, 'numpy') else value)
    return array.astype(np.uint8) if array.dtype == bool else array


def compare(old, new, tolerance):
    """How many values differ, and whether that is more than the tolerance allows."""
    if old.shape != new.shape or old.dtype != new.dtype:
        return f'{old.dtype} {old.shape} became {new.dtype} {new.shape}', True
    off = int((old != new).sum())
    if tolerance['kind'] == 'max_mismatch_fraction':
        beyond = off > tolerance['value'] * old.size
    elif tolerance['kind'] == 'allclose':
        beyond = bool((np.abs(new.astype(float) - old) > tolerance['atol'] + tolerance['rtol'] * np.abs(old)).any())
    else:
        beyond = off > 0
    return f'{off} of {old.size} differ ({100 * off / max(old.size, 1):.3f} %)' if off else '', beyond


def record_group(source, target):
    """Records the cases of one manifest. Returns how many outputs are beyond their tolerance from the old ones."""
    manifest = json.loads((source / 'manifest.json').read_text())
    target.mkdir()
    outputs = equal = beyond = 0
    for case in manifest['cases']:
        inputs = {key: np.load(source / file) for key, file in case['inputs'].items()}
        for file in case['inputs'].values():
            shutil.copyfile(source / file, target / file)
        before = json.dumps(case['params'])
        made = MAKERS[case['transform']](case['params'], **inputs)
        if json.dumps(case['params']) != before:
            print(f"{source.name}/{case['name']}: derived parameters are others, if only in their last digits")
        for key, files in case['outputs'].items():
            values = made[key] if isinstance(files, list) else [made[key]]
            for file, value in zip([files] if isinstance(files, str) else files, values, strict=True):
                # What a 2D loader crops has no axis across its slice.
                value = plain(value)[:, 0] if 'singleton axis is dropped' in case.get('note', '') else plain(value)
                np.save(target / file, value)
                change, too_much = compare(np.load(source / file), value, case['tolerance'][key])
                outputs, equal, beyond = outputs + 1, equal + (change == ''), beyond + too_much
                if change:
                    print(f"{source.name}/{case['name']}: {key}: {change}{', BEYOND its tolerance' if too_much else ''}")
    (target / 'manifest.json').write_text(json.dumps(manifest, indent=1))
    print(f'{source.name}: {len(manifest["cases"])} cases, {outputs} outputs, {equal} of them equal to the bit, {beyond} beyond their tolerance')
    return beyond


def record_class_locations(source, target):
    data = json.loads((source / 'class_locations.json').read_text())
    before = json.dumps(data)
    for case in data['cases']:
        shutil.copyfile(source / case['segmentation'], target / case['segmentation'])
        segmentation = np.load(source / case['segmentation'])
        classes = [tuple(labels) if isinstance(labels, list) else labels for labels in case['classes']]
        found = DefaultPreprocessor._sample_foreground_locations(segmentation, classes)
        case['counts'] = {str(key): len(locations) for key, locations in found.items()}
        case['voxels'] = {str(key): int(np.isin(segmentation, key).sum()) for key in classes}
    (target / 'class_locations.json').write_text(json.dumps(data, indent=1))
    return json.dumps(data) != before


def record_shapes(source, target):
    data = json.loads((source / 'shapes.json').read_text())
    before = json.dumps(data)
    for case in data['determine_do_sep_z_and_axis']:
        case['do_separate_z'], axis = determine_do_sep_z_and_axis(None, case['current_spacing'], case['new_spacing'])
        case['axis'] = None if axis is None else int(axis)
    for case in data['compute_new_shape']:
        case['new_shape'] = [int(n) for n in compute_new_shape(case['shape'], case['spacing'], case['new_spacing'])]
    (target / 'shapes.json').write_text(json.dumps(data, indent=1))
    return json.dumps(data) != before


def report_versions(target):
    followed = json.loads(Path(__file__).with_name('versions.json').read_text())
    for name, wanted in followed.items():
        print(f'{name} {version(name)}' + ('' if version(name) == wanted else f', voxfeed follows {wanted}'))
    installed = {name: version(name) for name in [*followed, *LIBRARIES]}
    (target / 'versions.json').write_text(json.dumps(installed, indent=1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('out', type=Path)
    parser.add_argument('--golden', type=Path, default=Path(__file__).parents[2] / 'test/golden/data')
    arguments = parser.parse_args()
    if arguments.out.exists() and any(arguments.out.iterdir()):
        sys.exit(f'{arguments.out} is not empty: give a new folder')
    arguments.out.mkdir(parents=True, exist_ok=True)
    beyond = 0
    for entry in sorted(arguments.golden.iterdir()):
        if entry.name in GROUPS:
            beyond += record_group(entry, arguments.out / entry.name)
        elif entry.is_dir():
            shutil.copytree(entry, arguments.out / entry.name)
        elif entry.name != 'versions.json':
            shutil.copyfile(entry, arguments.out / entry.name)
    for record in (record_class_locations, record_shapes):
        if record(arguments.golden / 'preprocess', arguments.out / 'preprocess'):
            print(f'preprocess: {record.__name__} CHANGED')
            beyond += 1
    report_versions(arguments.out)
    sys.exit(int(beyond > 0))


if __name__ == '__main__':
    main()
