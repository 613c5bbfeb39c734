"""voxfeed: nnU-Net-style training batches, made by a Node process, as tensors on shared memory."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from .errors import VoxfeedError, VoxfeedWarning
from .loader import Epoch, Loader
from .stream import Batch, Stream

try:
    __version__ = version("voxfeed")
except PackageNotFoundError:  # used from its sources, not installed
    __version__ = "0"

__all__ = ["Batch", "Epoch", "Loader", "Stream", "VoxfeedError", "VoxfeedWarning", "__version__"]
