"""nnU-Net's own loader: in one process, or as its trainer has it, with `--processes` worker processes. STORE_DIR may also be a folder that
nnU-Net preprocessed, read by its own data set, python-blosc2. Arguments and output: see `peer.py`. Needs PyPI's nnunetv2.
"""
import json
import os

from peer import arguments, measure, volumes

import numpy as np
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class Labels:
    """What the loader asks of a label manager."""

    has_ignore_label = False

    def __init__(self, labels):
        self.all_labels = labels


class InMemory:
    """What the loader asks of a data set."""

    def __init__(self, store, labels):
        self.cases = {}
        for case, data, seg in volumes(store):
            locations = {label: np.argwhere(seg == label)[:10000] for label in labels[1:]}
            self.cases[case] = (data, seg, None, {'class_locations': locations})
        self.identifiers = list(self.cases)

    def load_case(self, case):
        return self.cases[case]


def open_folder(folder):
    """The data set, its labels, and which channels were normalised within a mask."""
    index = folder / 'voxfeed.json'
    described = json.loads(((folder if index.is_file() else folder.parent) / 'dataset.json').read_text())
    labels = sorted(described['labels'].values())
    if index.is_file():
        normalisation = (json.loads(index.read_text()).get('options') or {}).get('normalisation', [])
        return InMemory(folder, labels), labels, [channel.get('masked', False) for channel in normalisation]
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    plans = json.loads((folder.parent / f"{folder.name.split('_')[0]}.json").read_text())['configurations']
    masks = next(entry['use_mask_for_norm'] for entry in plans.values() if entry.get('data_identifier') == folder.name)
    return nnUNetDatasetBlosc2(str(folder)), labels, masks


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


def make_loader(folder, patch, batch, augmented, targets):
    data, labels, masks = open_folder(folder)
    transforms, read = augmentation(patch, targets, masks) if augmented else (None, patch)
    return nnUNetDataLoader(data, batch, read, patch, Labels(labels), oversample_foreground_percent=0.33, transforms=transforms)


def main():
    given = arguments()
    loader = make_loader(given.store, given.patch, given.batch, given.augmentation == 'default', given.targets)
    warm_up = 2
    if given.processes:
        from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter

        cached = max(6, given.processes // 2)
        loader = NonDetMultiThreadedAugmenter(loader, None, num_processes=given.processes, num_cached=cached, wait_time=0.002)
        # Those that are made ahead are not to be counted as made in no time.
        warm_up += cached + 2
    measure(given, lambda: next(loader), ('nnunetv2', 'batchgeneratorsv2', 'batchgenerators'), warm_up)
    if given.processes:
        loader._finish()


if __name__ == '__main__':
    main()
