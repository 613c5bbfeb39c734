"""MONAI's loader as its tutorials have it: a CacheDataset in memory, RandCropByPosNegLabeld with cached positions of foreground and
background, random dictionary transforms, and DataLoader. Arguments and output: see `peer.py`. Needs PyPI's monai.

What is not as in nnU-Net: a third of the patches is centred on foreground by chance, not by position, and on any class by its number of
voxels; rotation and scaling are one RandAffined of the cropped patch, whose corners are filled with 0; there is no deep supervision, and
nothing is set to 0 again outside of a mask.
"""
from peer import arguments, measure, volumes

import numpy as np
from monai.data import CacheDataset, DataLoader
from monai.transforms import (
    Compose, DeleteItemsd, EnsureTyped, FgBgToIndicesd, RandAdjustContrastd, RandAffined, RandCropByPosNegLabeld, RandFlipd, RandGaussianNoised,
    RandGaussianSmoothd, RandScaleIntensityd, RandScaleIntensityFixedMeand, RandSimulateLowResolutiond, SpatialPadd, SqueezeDimd)
from torch.utils.data import RandomSampler

BOTH = ['image', 'label']


def augmentation(patch):
    """nnU-Net's training pipeline, with MONAI's transforms: the same order, probabilities and ranges."""
    flat = len(patch) == 2
    elongated = max(patch) / min(patch) > 1.5
    angle = np.deg2rad((15 if elongated else 180) if flat else 30)
    # Rotated with probability 0.2 and scaled with 0.2 there.
    return [
        RandAffined(BOTH, prob=0.36, rotate_range=[angle] * (1 if flat else 3), scale_range=[(-0.3, 0.4)] * len(patch),
                    mode=['bilinear', 'nearest'], padding_mode='zeros'),
        RandGaussianNoised('image', prob=0.1, std=0.1),
        RandGaussianSmoothd('image', prob=0.2, sigma_x=(0.5, 1), sigma_y=(0.5, 1), sigma_z=(0.5, 1)),
        RandScaleIntensityd('image', factors=0.25, prob=0.15),
        RandScaleIntensityFixedMeand('image', factors=0.25, preserve_range=True, prob=0.15),
        RandSimulateLowResolutiond('image', prob=0.25, zoom_range=(0.5, 1), upsample_mode='bilinear' if flat else 'trilinear'),
        RandAdjustContrastd('image', prob=0.1, gamma=(0.7, 1.5), invert_image=True, retain_stats=True),
        RandAdjustContrastd('image', prob=0.3, gamma=(0.7, 1.5), retain_stats=True),
        *[RandFlipd(BOTH, prob=0.5, spatial_axis=axis) for axis in range(len(patch))],
    ]


given = arguments()
flat = len(given.patch) == 2
size = [1, *given.patch] if flat else given.patch
transforms = Compose([
    # Kept by the CacheDataset: what is not random.
    EnsureTyped(BOTH, track_meta=False),
    SpatialPadd(BOTH, size),
    FgBgToIndicesd('label'),
    RandCropByPosNegLabeld(BOTH, 'label', size, pos=1, neg=2, num_samples=1, fg_indices_key='label_fg_indices', bg_indices_key='label_bg_indices'),
    DeleteItemsd(['label_fg_indices', 'label_bg_indices']),
    *([SqueezeDimd(BOTH, dim=1)] if flat else []),
    *(augmentation(given.patch) if given.augmentation == 'default' else []),
])
cases = [{'image': image, 'label': np.maximum(labels, 0)} for _, image, labels in volumes(given.store)]
dataset = CacheDataset(cases, transforms, progress=False)
# Each sample draws its case anew, as in nnU-Net, and there is no end.
sampler = RandomSampler(dataset, replacement=True, num_samples=10**9)
batches = iter(DataLoader(dataset, batch_size=given.batch, sampler=sampler, num_workers=given.processes))
measure(given, lambda: next(batches), ('monai',), 2 + 4 * given.processes)
