"""Predicts by nnU-Net's own predictor what voxfeed predicts, with the weights of one in the other: `docs/training.md#weights`, whose
scripts this runs as they stand there.

    python bench/interop/prediction.py --record     # records test/training/nnunet again: networks, images, labels
    python bench/interop/prediction.py              # compares with what is recorded, then the other way round

The other way: voxfeed writes two folds of a tiny network and predicts with both; their weights go to nnU-Net, which predicts, too. Needs
nnunetv2 and safetensors, Node 24 on the PATH, and a GPU or a software Vulkan.

nnU-Net adds logits as float16. At the corners of an image its weights are so small there that logits become whole numbers, and elsewhere
two classes that are nearly alike may change places. So it predicts twice: as it is, and with sums in float32, whose labels voxfeed must
have. Exits with 1 if one differs where the largest logits differ by more than TIE, if more than one in a hundred differ from nnU-Net as it
is, or if there is a class that nothing was labelled with.
"""
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, '/tmp')

import numpy as np
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / 'test/training/nnunet'
# Where the two largest logits differ by less, the order of sums may decide which is the larger.
TIE = 1e-5
# Name, model, folds, test-time augmentation.
PREDICTIONS = [
    ('folds', 'plain', (0, 1), True), ('one', 'plain', (0,), False), ('slices', 'flat', (0,), True), ('regions', 'residual', (0,), True),
]
LABELS = {'labels': {'background': 0, 'one': 1, 'two': 2}}
REGIONS = {'labels': {'background': 0, 'whole': [1, 2], 'core': [2, 3], 'rest': 3}, 'regions_class_order': [1, 2, 3]}
# By name of the model: what dataset.json says of labels, the configuration, its network.
NETWORKS = {
    'plain': dict(
        about=LABELS, configuration='3d_fullres', patch_size=[8, 16, 12], spacing=[2, 1, 1.25], mirror=(0, 2), n_stages=2, features_per_stage=[4, 6],
        kernel_sizes=[[1, 3, 3], [3, 3, 3]], strides=[[1, 1, 1], [1, 2, 2]], n_conv_per_stage=[1, 2], n_conv_per_stage_decoder=[1],
    ),
    'residual': dict(
        about=REGIONS, configuration='3d_fullres', patch_size=[8, 8, 12], spacing=[2, 1, 1.25], mirror=(1,), n_stages=2, features_per_stage=[4, 6],
        kernel_sizes=[[1, 3, 3], [3, 3, 3]], strides=[[1, 1, 1], [1, 2, 2]], n_blocks_per_stage=[1, 2], n_conv_per_stage_decoder=[1],
    ),
    'flat': dict(
        about=LABELS, configuration='2d', patch_size=[16, 12], spacing=[1, 1.25], mirror=(0, 1), n_stages=2, features_per_stage=[4, 8],
        kernel_sizes=[[3, 3]] * 2, strides=[[1, 1], [2, 2]], n_conv_per_stage=[1, 1], n_conv_per_stage_decoder=[1],
    ),
}
DATASET = {
    'name': 'Recorded', 'channel_names': {'0': 'MRI', '1': 'CT'}, 'numTraining': 1, 'file_ending': '.nii.gz',
}


def script(heading, *words):
    """Runs the Python that stands below a heading of docs/training.md."""
    text = (ROOT / 'docs/training.md').read_text()
    code = re.search(rf'### {heading}\n.*?```python\n(.*?)```', text, re.S).group(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'script.py'
        path.write_text(code)
        before, sys.argv = sys.argv, [str(path), *map(str, words)]
        runpy.run_path(str(path))
        sys.argv = before


def plans_of(model):
    """The example's plans with a network that is small enough for a software Vulkan; its dataset.json; axes to mirror."""
    network = dict(NETWORKS[model])
    about, configuration, mirror = (network.pop(key) for key in ('about', 'configuration', 'mirror'))
    plans = json.loads((ROOT / 'examples/nnUNetPlans.json').read_text())
    entry = plans['configurations'][configuration]
    entry.update(patch_size=network.pop('patch_size'), spacing=network.pop('spacing'))
    entry.update(normalization_schemes=['ZScoreNormalization', 'CTNormalization'], use_mask_for_norm=[False, False])
    if 'n_blocks_per_stage' in network:
        del entry['architecture']['arch_kwargs']['n_conv_per_stage']
        entry['architecture']['network_class_name'] = 'dynamic_network_architectures.architectures.unet.ResidualEncoderUNet'
    entry['architecture']['arch_kwargs'].update(network)
    statistics = {'max': 400, 'mean': 20, 'median': 15, 'min': -400, 'percentile_00_5': -300, 'percentile_99_5': 300, 'std': 90}
    plans.update(dataset_name='Dataset001_Recorded', transpose_forward=[1, 0, 2], transpose_backward=[1, 0, 2])
    plans['foreground_intensity_properties_per_channel'] = {'0': statistics, '1': statistics}
    plans['configurations'] = {configuration: entry}
    return plans, {**DATASET, **about}, mirror


def values_of(name, shape, random):
    """Numbers for a parameter that make a network label here one thing, there another."""
    values = random.standard_normal(shape)
    if len(shape) > 1:
        values *= (2 / np.prod(shape[1:])) ** 0.5
    else:
        values = 0.2 * values + (1 if name.endswith('norm.weight') else 0)
    return values.astype(np.float32)


def save_checkpoint(path, plans, mirror, seed):
    """What nnU-Net's trainer saves of a network with three outputs, with numbers of a seed for weights."""
    manager = PlansManager(plans)
    (configuration,) = plans['configurations']
    network = nnUNetTrainer.build_network_architecture(manager, manager.get_configuration(configuration), 2, 3, False)
    random = np.random.RandomState(seed)
    for name, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(values_of(name, parameter.shape, random))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {
            'network_weights': network.state_dict(), 'trainer_name': 'nnUNetTrainer', 'init_args': {'configuration': configuration},
            'inference_allowed_mirroring_axes': mirror,
        },
        path,
    )


def nnunet_predicts(model, folds, augmented, images, out, half=True):
    """Writes labels of all images; returns how far the largest logit is above the second, or that of a region from 0, by case."""
    predictor = nnUNetPredictor(
        use_mirroring=augmented, perform_everything_on_device=False, device=torch.device('cpu'), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(model), folds)
    Path(out).mkdir(exist_ok=True)
    before, torch.half = torch.half, torch.float16 if half else torch.float32
    try:
        predictor.predict_from_files_sequential(str(images), str(out), save_probabilities=True)
    finally:
        torch.half = before
    margins = {}
    for path in sorted(Path(out).glob('*.npz')):
        probabilities = np.load(path)['probabilities'].astype(np.float64)
        if predictor.label_manager.has_regions:
            margins[path.stem] = np.abs(np.log(np.maximum(probabilities, 1e-30) / np.maximum(1 - probabilities, 1e-30))).min(axis=0)
        else:
            logits = np.sort(np.log(np.maximum(probabilities, 1e-30)), axis=0)
            margins[path.stem] = logits[-1] - logits[-2]
    return margins


def labels_of(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def compare(name, found, exact, plain, margins):
    """Says how many labels differ; whether any does that should not."""
    off = found != exact
    sure = int((off & (margins >= TIE)).sum())
    rounded = int((found != plain).sum())
    print(f'{name}: {off.size} voxels, labels {np.bincount(exact.ravel()).tolist()}; {int(off.sum())} differ from nnU-Net with sums in', end=' ')
    print(f'float32, {sure} of them clearly; {rounded} from nnU-Net as it is, {int((exact != plain).sum())} of its own from each other')
    return sure > 0 or rounded > 0.01 * off.size or len(np.unique(exact)) < 3


def record(out):
    """Networks in nnU-Net's folders, an image, and what nnU-Net makes of them."""
    random = np.random.RandomState(10)
    (out / 'images').mkdir(parents=True)
    for channel in range(2):
        noise = gaussian_filter(random.standard_normal((13, 22, 18)), (1, 1.5, 1.5))
        values = np.round(noise / noise.std() * 100 + 50).astype(np.int16)
        # What is outside of the body is cropped.
        values[:, :3] = 0
        values[-1] = 0
        image = SimpleITK.GetImageFromArray(values)
        image.SetSpacing((1.5, 2.5, 0.8))
        image.SetOrigin((3, -5, 7))
        SimpleITK.WriteImage(image, str(out / f'images/case_{channel:04d}.nii.gz'), useCompression=True)
    for seed, name in enumerate(NETWORKS):
        model = out / name
        plans, dataset, mirror = plans_of(name)
        for fold in range(2 if name == 'plain' else 1):
            save_checkpoint(model / f'fold_{fold}/checkpoint_final.pth', plans, mirror, seed=10 * fold + seed)
        (model / 'plans.json').write_text(json.dumps(plans))
        (model / 'dataset.json').write_text(json.dumps(dataset))
    for name, model, folds, augmented in PREDICTIONS:
        (out / 'labels').mkdir(exist_ok=True)
        for half, ending in ((True, ''), (False, '-float32')):
            with tempfile.TemporaryDirectory() as folder:
                margins = nnunet_predicts(out / model, folds, augmented, out / 'images', folder, half)['case']
                labels = SimpleITK.ReadImage(f'{folder}/case.nii.gz')
            SimpleITK.WriteImage(labels, str(out / f'labels/{name}{ending}.nii.gz'), useCompression=True)
        if margins.min() < TIE:
            sys.exit(f'{name}: two classes of a voxel differ by {margins.min()} only: take other seeds')
    weights = compute_gaussian((7, 24, 32), value_scaling_factor=10, device=torch.device('cpu'))
    weights.numpy().astype('<f4').tofile(out / 'gaussian.f32')
    checkpoints = sorted(out.glob('*/fold_*/*.pth'))
    script('From nnU-Net', *checkpoints)
    for path in checkpoints:
        path.unlink()


def check_recorded():
    """nnU-Net still predicts what is recorded."""
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder) / 'again')
        kinds = ('-float32', '')
        off = []
        for name, *_ in PREDICTIONS:
            (exact, plain), again = ([labels_of(at / f'labels/{name}{kind}.nii.gz') for kind in kinds] for at in (RECORDED, Path(folder) / 'again'))
            off.append(compare(f'recorded again, {name}', again[0], exact, plain, np.full(exact.shape, np.inf)))
        return off


def check_export():
    """nnU-Net predicts with networks that voxfeed wrote what voxfeed predicts with them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plans = json.loads((ROOT / 'examples/nnUNetPlans.json').read_text())
        own = plans['configurations']['3d_fullres']
        own.update(batch_size=2, patch_size=[16, 16, 16])
        own['architecture']['arch_kwargs'].update(
            n_stages=2, features_per_stage=[8, 16], kernel_sizes=[[3, 3, 3]] * 2, strides=[[1, 1, 1], [2, 2, 2]], n_conv_per_stage=[1, 1],
            n_conv_per_stage_decoder=[1],
        )
        plans['configurations'] = {'3d_fullres': own}
        (folder / 'plans.json').write_text(json.dumps(plans))
        images = folder / 'images'
        images.mkdir()
        shutil.copy(ROOT / 'examples/data/imagesTr/hippocampus_001_0000.nii.gz', images)

        def voxfeed(*words):
            subprocess.run(['node', ROOT / 'src/cli/main.ts', *words], check=True, cwd=folder, stdout=subprocess.DEVNULL)

        voxfeed('preprocess', ROOT / 'examples/data', 'store', '--plans', 'plans.json')
        for fold in '01':
            steps = ['--epochs', '1', '--iterations', '2', '--val-iterations', '1', '--workers', '1']
            voxfeed('train', 'store', '--fold', fold, '--out', f'model/fold_{fold}', *steps)
            # After two steps all is background: other numbers in the very file that voxfeed wrote.
            path, random = folder / f'model/fold_{fold}/network-1.safetensors', np.random.RandomState(int(fold))
            with safe_open(path, 'np') as file:
                about, weights = file.metadata(), {name: values_of(name, file.get_slice(name).get_shape(), random) for name in file.keys()}
            save_file(weights, path, about)
        voxfeed('predict', 'images', '--model', 'model', '--out', 'ours')
        model = folder / 'nnunet'
        for fold in range(2):
            source = folder / f'model/fold_{fold}'
            (model / f'fold_{fold}').mkdir(parents=True)
            script('To nnU-Net', source / 'network-1.safetensors', model / f'fold_{fold}/checkpoint_final.pth')
            for file in ('plans.json', 'dataset.json'):
                shutil.copy(source / file, model)
        nnunet_predicts(model, (0, 1), True, images, folder / 'plain')
        margins = nnunet_predicts(model, (0, 1), True, images, folder / 'exact', half=False)
        return [
            compare(f'written by voxfeed, {case}', *(labels_of(folder / f'{at}/{case}.nii.gz') for at in ('ours', 'exact', 'plain')), margins[case])
            for case in margins
        ]


if __name__ == '__main__':
    torch.set_num_threads(1)
    if '--record' in sys.argv:
        shutil.rmtree(RECORDED, ignore_errors=True)
        record(RECORDED)
    else:
        sys.exit(any(check_recorded() + check_export()))
