"""PyTorch's own ways to batches: a data set for ``DataLoader``, and copies to a device ahead of the step that needs them."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from .errors import OptionError
from .stream import Batch


class Batches(IterableDataset[dict[str, Any]]):
    """Batches as dictionaries, for ``DataLoader(Batches(loader), batch_size=None)``.

    Each has ``data``, ``target`` (a list where there are several) and ``keys``. The loader has workers of its own, so that
    ``num_workers`` must stay 0.

    Parameters
    ----------
    batches
        A loader, one of its streams, or an epoch of one.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        super().__init__()
        self._batches = batches

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if get_worker_info() is not None:
            raise OptionError("num_workers", "a voxfeed loader cannot be split among processes", "Set it to 0")
        for batch in self._batches:
            yield as_dict(batch)

    def __len__(self) -> int:
        """Of an epoch; a stream has no end, and none."""
        return len(self._batches)  # type: ignore[arg-type]


def as_dict(batch: Batch) -> dict[str, Any]:
    """``data``, ``target`` and ``keys`` of a batch, as nnU-Net's trainers take them."""
    targets = batch.targets
    return {"data": batch.data, "target": targets if len(targets) > 1 else targets[0], "keys": batch.keys}


def to_device(batches: Iterable[Batch], device: torch.device | str, ahead: int = 1) -> Iterator[Batch]:
    """The same batches on a device, copied while the ones before are worked on.

    On a CUDA device copies go through a stream of their own, from pinned memory; the slot of a batch is given back when its copy is
    done. Elsewhere this is ``Tensor.to``.

    Parameters
    ----------
    ahead
        How many batches are copied before they are asked for. As many more are held, besides the one in use.
    """
    device = torch.device(device)
    if ahead < 0:
        raise OptionError("ahead", f"{ahead} is less than 0", "Give a whole number from 0")
    side = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
    under_way: collections.deque[tuple[Batch, Batch, Any]] = collections.deque()
    for batch in batches:
        under_way.append(_send(batch, device, side))
        del batch
        if len(under_way) > ahead:
            yield _received(*under_way.popleft(), side)
    while under_way:
        yield _received(*under_way.popleft(), side)


def _send(batch: Batch, device: torch.device, side: Any) -> tuple[Batch, Batch, Any]:
    if side is None:
        return batch, _moved(batch, device), None
    with torch.cuda.stream(side):
        moved = _moved(batch, device)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(side)
    return batch, moved, done


def _moved(batch: Batch, device: torch.device) -> Batch:
    def move(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(device, non_blocking=True)

    return replace(batch, data=move(batch.data), targets=[move(target) for target in batch.targets])


def _received(_batch: Batch, moved: Batch, done: Any, side: Any) -> Batch:
    """Waits for the copy, and lets go of the batch in shared memory."""
    if side is not None:
        # Until here `_batch` kept its slot from being written again.
        done.synchronize()
        current = torch.cuda.current_stream(moved.data.device)
        for tensor in (moved.data, *moved.targets):
            tensor.record_stream(current)
    return moved
