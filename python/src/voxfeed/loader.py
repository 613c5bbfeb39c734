"""The loader: an iterator of batches that a Node process makes."""

from __future__ import annotations

import importlib.util
import os
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .cuda import fence, pin
from .errors import OptionError
from .feed import Feed
from .stream import Batch, EpochBatches, Stream, User


@dataclass(frozen=True)
class Epoch:
    """One epoch: iterate over both parts, or only over what you want of them."""

    index: int
    training: Iterator[Batch]
    validation: Iterator[Batch]


class Loader:
    """Streams batches of a preprocessed store, made by a Node process, on memory that both have.

    Parameters
    ----------
    store
        Folder of a preprocessed data set, see ``voxfeed preprocess``.
    state
        What ``state()`` of an earlier loader returned: to continue there.
    start
        The batches that the streams begin with, as ``{"training": 500, "validation": 100}``.
    arrays
        'torch' for tensors, 'numpy' for arrays. Default: tensors where torch is installed.
    pin_memory
        Whether CUDA may copy straight from the memory, see `voxfeed.cuda.pin`. Default: where there is a CUDA device and ``arrays`` are
        tensors.
    timeout
        Seconds without a batch or an answer after which `FeedTimeoutError` is raised.
    slots
        Where batches have to be copied: how many the memory has room for, as ``{"training": 3}``.
    node
        The Node to run, see `voxfeed.node.find_node`.
    **options
        Those of the library's ``PatchLoader.create``, by its names: ``fold=0, patchSize=[40, 56, 40], batchSize=2, seed=7, workers=2,
        augmentation="default", deepSupervision=True, validation=True`` and so on.

    Examples
    --------
    >>> with voxfeed.Loader("store", fold=0, augmentation="default", seed=7) as loader:
    ...     for batch in loader.epoch(0):
    ...         train(batch.data, batch.target)
    """

    def __init__(
        self,
        store: str | os.PathLike[str],
        *,
        state: dict[str, Any] | None = None,
        start: dict[str, int] | None = None,
        arrays: Literal["torch", "numpy"] | None = None,
        pin_memory: bool | None = None,
        timeout: float = 120.0,
        slots: dict[str, int] | None = None,
        node: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        convert = _converter(arrays)
        optional = {"state": state, "start": start, "slots": slots}
        request = {"store": os.fspath(store), "options": options, **{k: v for k, v in optional.items() if v is not None}}
        self._feed = Feed(_plain(request), node=node, timeout=timeout)
        # Whoever has the loader or one of its streams has this; when nobody does, the process ends.
        user = User()
        weakref.finalize(user, self._feed.close)
        self._user = user
        self._streams = [Stream(self._feed, number, convert, user) for number in range(len(self._feed.ready["streams"]))]
        wanted = pin_memory or (pin_memory is None and convert is not _same)
        if wanted and pin(self._feed.memory, wanted=bool(pin_memory)):
            self._feed.fence = fence

    @property
    def training(self) -> Stream:
        """The training stream: the batches that the loader itself gives."""
        return self._streams[0]

    @property
    def validation(self) -> Stream:
        """The validation stream of ``validation=True``."""
        if len(self._streams) < 2:
            raise OptionError("validation", "the loader has no validation stream", "Create it with `fold` and `validation=True`")
        return self._streams[1]

    def __iter__(self) -> Iterator[Batch]:
        return self.training

    def epoch(self, number: int) -> EpochBatches:
        """The training batches of an epoch, see `Stream.epoch`."""
        return self.training.epoch(number)

    def epochs(self, end: int | None = None) -> Iterator[Epoch]:
        """One epoch after the other, from the one that the streams stand in, without end or up to epoch ``end``.

        What is left of an epoch when the next one is asked for is left out.
        """
        number = min(stream.next_batch // stream.epoch_length for stream in self._streams)
        while end is None or number < end:
            for stream in self._streams:
                stream.skip_to(number * stream.epoch_length)
            training, *validation = [_rest(stream, number) for stream in self._streams]
            yield Epoch(number, training, validation[0] if validation else iter(()))
            number += 1

    def state(self) -> dict[str, Any]:
        """Where the streams stand, after the batches that were taken: JSON, for ``state`` of another loader."""
        at = {stream.name: stream.next_batch for stream in self._streams}
        state: dict[str, Any] = self._feed.ask("state", at=at)["state"]
        return state

    def metrics(self) -> dict[str, Any]:
        """What the loader did so far: ``training`` and ``validation`` as in Node, ``process`` (CPU time in ms, memory in bytes).

        Times are Node's: there, somebody waits as long as there is room for a batch. ``Stream.waited`` is what this side waited.
        """
        metrics: dict[str, Any] = self._feed.ask("metrics")["metrics"]
        return metrics

    @property
    def memory(self) -> dict[str, Any]:
        """What the loader takes in Node, part by part, in bytes."""
        report: dict[str, Any] = self._feed.ready["memory"]
        return report

    @property
    def copied(self) -> str | None:
        """Why batches are copied into the memory of this process; None: they are made there."""
        reason: str | None = self._feed.ready["copied"]
        return reason

    @property
    def pid(self) -> int:
        """Of the Node process."""
        return self._feed.process.pid

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._feed.closed

    def close(self) -> None:
        """Ends the Node process. Batches that are held stay as they are."""
        self._feed.close()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError(
            "a voxfeed.Loader cannot be sent to another process: create it there. It has workers of its own, leave num_workers at 0"
        )


def _rest(stream: Stream, number: int) -> Iterator[Batch]:
    while stream.next_batch < (number + 1) * stream.epoch_length:
        yield next(stream)


def _same(array: Any) -> Any:
    return array


def _converter(arrays: str | None) -> Callable[[Any], Any]:
    if arrays not in (None, "torch", "numpy"):
        raise OptionError("arrays", f"{arrays!r} is neither 'torch' nor 'numpy'", "Choose one of them, or leave it out")
    there = importlib.util.find_spec("torch") is not None
    if arrays == "torch" and not there:
        raise OptionError("arrays", "'torch' was asked for, which this Python does not have", "Install torch, or set arrays='numpy'")
    if arrays == "numpy" or not there:
        return _same
    import torch

    return torch.from_numpy


def _plain(value: Any) -> Any:
    """Without NumPy's numbers, arrays and tuples, which JSON does not have."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
