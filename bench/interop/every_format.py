"""Takes a few cases of a data set through plan, preprocess and bench in every format that nnU-Net reads, and compares the arrays with
nnU-Net's own; then writes labels in each format, and reads them back with nnU-Net's reader.

    python bench/interop/every_format.py RAW_DIR OUT_DIR [CASES]

Needs the releases of `versions.json` in a virtual environment, and node. RAW_DIR is in nnU-Net's raw layout, .nii.gz, for example the
Hippocampus of the Medical Segmentation Decathlon. OUT_DIR gets a raw data set and a store for each format. Places are made oblique and
spacings uneven, so that cases are resampled. Exits with 1 if anything differs.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, '/tmp')

import numpy as np
import SimpleITK as sitk
import tifffile
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
from scipy.spatial.transform import Rotation
from skimage import io

ROOT = Path(__file__).parents[2]
NODE = ROOT / 'node_modules/.bin/node'


def node(*arguments):
    done = subprocess.run([NODE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f'{arguments}: {done.stderr}')
    return done.stdout


def by_itk(path, volume, i, isLabel):
    """Odd cases are oblique, and have other spacings."""
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing([[0.8, 1.0, 1.2], [1.0, 1.0, 1.0]][i % 2])
    image.SetOrigin([10.5, -20.25, 3])
    image.SetDirection(Rotation.from_rotvec([0.1, -0.2, 0.3 * (i % 2)]).as_matrix().ravel().tolist())
    sitk.WriteImage(image, str(path), i % 2 == 0)


def stack(path, volume, i, isLabel):
    tifffile.imwrite(path, volume, compression=['zlib', None, 'lzw'][i % 3])
    stem = path.name[: -len(path.suffix)]
    (path.parent / f'{stem if isLabel else stem[:-5]}.json').write_text(json.dumps({'spacing': [1.2, 1.0, [0.8, 1.0][i % 2]]}))


def flat(volume, isLabel):
    """The middle slices: gray for labels, three of them as colours for images."""
    middle = volume.shape[0] // 2
    picture = volume[middle] if isLabel else np.moveaxis(volume[middle - 1 : middle + 2], 0, -1)
    return picture.astype('uint8')


def picture(path, volume, i, isLabel):
    io.imsave(path, flat(volume, isLabel), check_contrast=False)


def gray(path, volume, i, isLabel):
    io.imsave(path, flat(volume, True), check_contrast=False)


# Ending, how a file is written, and how many channels it has.
FORMATS = {'nrrd': ('.nrrd', by_itk, 1), 'mha': ('.mha', by_itk, 1), 'gipl': ('.gipl', by_itk, 1), 'tif': ('.tif', stack, 1), 'tiff': ('.tiff', stack, 1),
           'png': ('.png', picture, 3), 'bmp': ('.bmp', gray, 1), 'tif2d': ('.tif', picture, 3)}

raw, out = Path(sys.argv[1]), Path(sys.argv[2])
given = json.loads((raw / 'dataset.json').read_text())
cases = sorted(path.name[: -len('_0000.nii.gz')] for path in (raw / 'imagesTr').glob('*_0000.nii.gz'))[: int(sys.argv[3]) if len(sys.argv) > 3 else 5]
wrong = 0
for number, (name, (ending, write, channels)) in enumerate(FORMATS.items(), 1):
    source, store = out / f'Dataset{number:03d}_{name}', out / f'{name}-store'
    for folder in ('imagesTr', 'labelsTr'):
        (source / folder).mkdir(parents=True, exist_ok=True)
    for i, case in enumerate(cases):
        for folder, stem, isLabel in (('imagesTr', f'{case}_0000', False), ('labelsTr', case, True)):
            volume = sitk.GetArrayFromImage(sitk.ReadImage(str(raw / folder / f'{stem}.nii.gz')))
            if isLabel or channels == 3 or ending == '.bmp':
                volume = (volume if isLabel else volume * (255 / volume.max())).astype('uint8')
            elif i % 2 == 0:
                volume = volume.astype('int16')
            write(source / folder / f'{stem}{ending}', volume, i, isLabel)
    names = {'channel_names': {str(c): f'c{c}' for c in range(channels)}}
    (source / 'dataset.json').write_text(json.dumps({**given, 'name': name, **names, 'numTraining': len(cases), 'file_ending': ending}))
    reader = determine_reader_writer_from_dataset_json(json.loads((source / 'dataset.json').read_text()),
                                                       str(source / 'imagesTr' / f'{cases[0]}_0000{ending}'), verbose=False)
    main = ROOT / 'src/cli/main.ts'
    node(main, 'plan', source, '--out', store, '--workers', 1)
    node(main, 'preprocess', source, store, '--workers', 1)
    planned = json.loads((store / 'nnUNetPlans.json').read_text())['image_reader_writer']
    report = json.loads(node(main, 'bench', store, '--batches', 4, '--workers', 1, '--json'))
    patches = sum(config['patches'] for config in report['configs'].values())
    compared = subprocess.run([sys.executable, '-W', 'ignore', Path(__file__).with_name('preprocessing.py'), source, store], capture_output=True, text=True)
    # Labels of the first case, read by its reader and written again.
    written = out / f'{name}-labels{ending}'
    image, label = source / 'imagesTr' / f'{cases[1]}_0000{ending}', source / 'labelsTr' / f'{cases[1]}{ending}'
    node(Path(__file__).with_name('write-labels.ts'), planned, image, label, written)
    (before, place), (after, found) = reader().read_seg(str(label)), reader().read_seg(str(written))
    same = np.array_equal(before, after) and all(np.allclose(place[key], found[key], rtol=1e-12) if key == 'spacing' else
                                                 all(np.allclose(place[key][part], found[key][part], rtol=0, atol=1e-12) for part in place[key]) for key in place)
    good = planned == reader.__name__ and compared.returncode == 0 and same
    wrong += not good
    print(f"{compared.stdout.strip().splitlines()[-1] if compared.stdout.strip() else compared.stderr[-400:]}; reader {planned}"
          f"{'' if planned == reader.__name__ else f' IN PLACE OF {reader.__name__}'}; {patches} patches benched; "
          f"labels written {'as nnU-Net reads them' if same else 'WRONG'}", flush=True)
sys.exit(int(wrong > 0))
