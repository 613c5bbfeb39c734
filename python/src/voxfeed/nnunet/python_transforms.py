"""Transforms that voxfeed has no equal for, done in Python on its patches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..stream import Batch


class PythonTransforms:
    """Applies a trainer's own transforms to every sample of a batch, in this process: slow, but what it is called.

    Parameters
    ----------
    transforms
        Of batchgeneratorsv2, in order.
    patch_size
        Of patches to begin with: what is larger is cut from the middle. None: leave them as they are, the transforms crop.
    seed, stream
        The random numbers of a batch follow from them and its position: they are the same whatever was made before.
    """

    def __init__(self, transforms: Sequence[Any], patch_size: Sequence[int] | None, seed: int, stream: int) -> None:
        self._transforms = transforms
        self._patch_size = patch_size
        self._names = (seed, stream)

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Images and targets of their own; the batch's memory is left alone."""
        samples = []
        with _random_state(*self._names, batch.index):
            for image, labels in zip(self._cut(batch.data), self._cut(batch.target), strict=True):
                sample = {"image": image.clone(), "segmentation": labels.clone()}
                for transform in self._transforms:
                    sample = transform(**sample)
                samples.append(sample)
        targets = [sample["segmentation"] if isinstance(sample["segmentation"], list) else [sample["segmentation"]] for sample in samples]
        images = torch.stack([sample["image"] for sample in samples])
        return images, [torch.stack(list(each)) for each in zip(*targets, strict=True)]

    def _cut(self, tensor: torch.Tensor) -> torch.Tensor:
        for axis, size in enumerate(self._patch_size or (), start=2):
            tensor = tensor.narrow(axis, (tensor.shape[axis] - size) // 2, size)
        return tensor


@contextmanager
def _random_state(*names: int) -> Iterator[None]:
    """Random numbers that follow from the names alone; those of everybody else go on as if nothing had been."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seeds = np.random.SeedSequence(names).generate_state(3)
    try:
        random.seed(int(seeds[0]))
        np.random.seed(int(seeds[1]))
        torch.manual_seed(int(seeds[2]))
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
