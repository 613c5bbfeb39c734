"""Memory that Node writes batches into, and leases on it: arrays that give their slot back when the last of them dies."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

DTYPES: dict[str, Any] = {"float32": np.float32, "int16": np.int16, "bool": np.bool_}


def open_memory() -> tuple[int, bool]:
    """The descriptor of an empty file for batches, and whether it is a memfd, which Node may map.

    Where the system has no memfd, or refuses it, a file in the temporary folder that has no name any more.
    """
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("voxfeed", os.MFD_CLOEXEC), True
        except OSError:
            pass
    fd, path = tempfile.mkstemp(prefix="voxfeed-")
    os.unlink(path)
    return fd, False


class Mapping(mmap.mmap):
    """The memory in this process. It stays as long as any array on it, whatever becomes of the loader."""

    #: Called before the memory goes.
    on_unmap: Callable[[], None] | None = None

    def __del__(self) -> None:
        if self.on_unmap is not None:
            self.on_unmap()

    @property
    def address(self) -> int:
        """Where it starts."""
        return int(np.frombuffer(self, np.uint8, 1).__array_interface__["data"][0])


def lease(
    memory: Mapping, slot: int, slot_bytes: int, parts: list[dict[str, Any]], release: Callable[[int], object]
) -> list[np.ndarray[Any, Any]]:
    """The parts of one batch as arrays on the memory; nothing is copied.

    Parameters
    ----------
    parts
        ``dtype``, ``shape`` and ``offset`` of each, in bytes from the start of the slot.
    release
        Called with the slot when no array is left, nor any view or tensor made of one: maybe in another thread, maybe in the middle
        of anything else.
    """
    whole = np.frombuffer(memory, np.uint8, slot_bytes, slot * slot_bytes)
    # All arrays have it as their base. At the end of the interpreter nobody waits for slots.
    weakref.finalize(whole, release, slot).atexit = False
    arrays = []
    for part in parts:
        dtype = np.dtype(DTYPES[part["dtype"]])
        count = int(np.prod(part["shape"], dtype=np.int64)) * dtype.itemsize
        arrays.append(whole[part["offset"] : part["offset"] + count].view(dtype).reshape(part["shape"]))
    return arrays
