"""TorchIO's loader as its documentation has it: a SubjectsDataset whose random transforms take whole volumes, a LabelSampler, a Queue that
is filled with about ten patches a volume, and a SubjectsLoader on top. Arguments and output: see `peer.py`. Needs PyPI's torchio.

What is not as in nnU-Net: all patches of a volume that lie in the queue at once share one augmentation; of the transforms those are left
out that TorchIO does not have (brightness, contrast, the inverted and mean-keeping gamma); a third of the patches is centred on foreground
by chance; there is no deep supervision, and nothing is set to 0 again outside of a mask. Counted are whole fillings of the queue.
"""
from peer import arguments, measure, volumes

import numpy as np
import torch
import torchio as tio

given = arguments()
size = [1, *given.patch] if len(given.patch) == 2 else given.patch


def augmentation(patch):
    """nnU-Net's training pipeline, with TorchIO's transforms: the same probabilities and ranges, where there are such."""
    flat = len(patch) == 2
    degrees = (15 if max(patch) / min(patch) > 1.5 else 180) if flat else 30
    axes = (1, 2) if flat else (0, 1, 2)
    # Rotated with probability 0.2 and scaled with 0.2 there. Ranges of both ends, one pair an axis.
    turned, scaled = (-degrees, degrees), (0.7, 1.4)
    return tio.Compose([
        tio.RandomAffine(scales=(1, 1, *scaled, *scaled) if flat else scaled, degrees=(*turned, 0, 0, 0, 0) if flat else turned, p=0.36),
        tio.RandomNoise(std=(0, 0.1), p=0.1),
        tio.RandomBlur(std=(0.5, 1), p=0.2),
        tio.RandomAnisotropy(axes=axes, downsampling=(1, 2), p=0.25),
        tio.RandomGamma(log_gamma=(float(np.log(0.7)), float(np.log(1.5))), p=0.3),
        tio.RandomFlip(axes=axes, flip_probability=0.5),
    ])


def subject(image, labels):
    pad = [max(0, wanted - have) for wanted, have in zip(size, image.shape[1:])]
    width = [(0, 0), *[(extra // 2, extra - extra // 2) for extra in pad]]
    padded = [torch.from_numpy(np.pad(array, width)) for array in (image, np.maximum(labels, 0))]
    return tio.Subject(image=tio.ScalarImage(tensor=padded[0]), label=tio.LabelMap(tensor=padded[1]))


subjects = [subject(image, labels) for _, image, labels in volumes(given.store)]
classes = sorted({int(label) for one in subjects for label in one.label.data.unique() if label > 0})
# Each filling of the queue is whole batches.
a_volume = 10 if len(subjects) * 10 % given.batch == 0 else given.batch
sampler = tio.LabelSampler(size, 'label', {0: 2 / 3, **{label: 1 / 3 / len(classes) for label in classes}})
dataset = tio.SubjectsDataset(subjects, transform=augmentation(given.patch) if given.augmentation == 'default' else None)
length = len(subjects) * a_volume
queue = tio.Queue(dataset, max_length=length, samples_per_volume=a_volume, sampler=sampler, num_workers=given.processes)
filling = length // given.batch
given.batches = filling * max(1, given.batches // filling)


def endless():
    while True:
        yield from tio.SubjectsLoader(queue, batch_size=given.batch, num_workers=0)


batches = endless()
measure(given, lambda: next(batches), ('torchio', 'simpleitk'), filling)
