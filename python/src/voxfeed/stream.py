"""Batches on shared memory, and streams of them."""

from __future__ import annotations

import functools
import gc
import queue
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import HeldError, OptionError, VoxfeedWarning
from .feed import Feed
from .lease import lease

#: Seconds between two looks at why no batch comes.
LOOK = 1.0
#: What to do about batches that are kept.
_LET_GO = "Let go of some, keep copies (`batch.data.clone()`), or give the loader a larger `ring` (of copied batches: `slots`)"


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch on shared memory. Its place belongs to it until the last tensor or array on it dies.

    Attributes
    ----------
    data : tensor or array
        float32 images, ``[B, C, z, y, x]``, or ``[B, C, y, x]`` for 2D patches.
    targets : list of tensor or array
        int16 labels ``[B, 1, z, y, x]``, or masks with one channel a region, bool with ``targetType="bool"``; then those of deep
        supervision, each coarser.
    keys : list of str
        Case identifiers, one a sample.
    index, epoch : int
        Position in the stream, and the epoch that it belongs to, counted from 0.
    config : str
        The configuration it has.
    samples : list of int
        Names of its samples, for ``voxfeed replay``.
    foreground : list of bool
        Of each sample: whether its target holds any foreground.
    """

    data: Any
    targets: list[Any]
    keys: list[str]
    index: int
    epoch: int
    config: str
    samples: list[int]
    foreground: list[bool]

    @property
    def target(self) -> Any:
        """The labels at full size: the first of ``targets``."""
        return self.targets[0]


class User:
    """Stands for everybody who may still take batches."""


class Stream:
    """Batches of one kind, without end, in order."""

    def __init__(self, feed: Feed, number: int, convert: Callable[[Any], Any], user: User) -> None:
        described = feed.ready["streams"][number]
        self.name: str = described["name"]
        #: The batch that comes next, counted from 0.
        self.next_batch: int = described["nextBatch"]
        #: Batches of an epoch.
        self.epoch_length: int = described["epochLength"]
        #: Seconds in which somebody waited for a batch.
        self.waited = 0.0
        self._feed = feed
        self._user = user
        self._number = number
        self._convert = convert
        self._slots: int = described["slots"]
        self._held: set[int] = set()
        # Arrays that live on must not keep the stream, and with it the process.
        self._release = functools.partial(_release, feed, self._held)
        self._warned = False

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Batch:
        """The next batch.

        Raises
        ------
        ClosedError, GoneError, FeedTimeoutError, HeldError, SampleError, StoreError, WorkerError
            If there will be none.
        """
        begun = time.monotonic()
        while True:
            self._feed.check()
            try:
                ticket = self._feed.tickets[self._number].get(timeout=min(LOOK, self._feed.timeout))
            except queue.Empty:
                self._look(time.monotonic() - begun)
                continue
            if isinstance(ticket, Exception):
                self._feed.tickets[self._number].put(ticket)  # for whoever asks again
                raise ticket
            if ticket["index"] < self.next_batch:
                self._feed.release(ticket["slot"])
                continue
            self.waited += time.monotonic() - begun
            return self._batch(ticket)

    def _batch(self, ticket: dict[str, Any]) -> Batch:
        ready, slot = self._feed.ready, ticket["slot"]
        kind = ready["configurations"][ticket["configuration"]]
        self._held.add(slot)
        parts = lease(self._feed.memory, slot, ready["slotBytes"], [kind["data"], *kind["targets"]], self._release)
        data, *targets = map(self._convert, parts)
        self.next_batch = ticket["index"] + 1
        return Batch(
            data,
            targets,
            ticket["keys"],
            ticket["index"],
            ticket["epoch"],
            kind["config"],
            ticket["samples"],
            ticket["foreground"],
        )

    def _look(self, waited: float) -> None:
        """Says why no batch comes: a consumer that keeps them all waits for itself."""
        if len(self._held) >= self._slots:
            gc.collect()
        stuck = len(self._held) >= self._slots
        if stuck and not self._warned:
            self._warned = True
            warnings.warn(f"{self._kept()}. {_LET_GO}", VoxfeedWarning, stacklevel=4)
        if waited < self._feed.timeout:
            return
        raise HeldError(f"{self.name} batches", self._kept(), _LET_GO) if stuck else self._feed.silence(f"a {self.name} batch")

    def _kept(self) -> str:
        return f"all {self._slots} that fit into the memory are still held, so that no other can come"

    def skip_to(self, batch: int) -> None:
        """Leaves out the batches before ``batch``: the next one is that."""
        if batch > self.next_batch:
            self.next_batch = batch
            self._feed.say({"op": "skip", "stream": self._number, "batch": batch})

    def epoch(self, number: int) -> EpochBatches:
        """The batches of an epoch, counted from 0, that have not been taken yet.

        Raises
        ------
        OptionError
            If it is over: streams go forward only. ``start`` and ``state`` of a new loader go anywhere.
        """
        if self.next_batch >= (number + 1) * self.epoch_length:
            raise OptionError(
                "epoch",
                f"epoch {number} is over, the next {self.name} batch is {self.next_batch}",
                f"Go on with epoch {self.next_batch // self.epoch_length}, or create a loader with `start`",
            )
        return EpochBatches(self, number)


class EpochBatches:
    """What is left of an epoch. Its length is known, so that nobody has to take a batch ahead to see whether there is one."""

    def __init__(self, stream: Stream, number: int) -> None:
        self._stream = stream
        self._first = number * stream.epoch_length
        self._end = self._first + stream.epoch_length
        self._length = self._end - max(self._first, stream.next_batch)

    def __len__(self) -> int:
        """How many there were when it was asked for."""
        return self._length

    def __iter__(self) -> EpochBatches:
        return self

    def __next__(self) -> Batch:
        """The next batch."""
        self._stream.skip_to(self._first)
        if self._stream.next_batch >= self._end:
            raise StopIteration
        return next(self._stream)


def _release(feed: Feed, held: set[int], slot: int) -> None:
    held.discard(slot)
    feed.release(slot)
