"""nnU-Net fed by voxfeed: ``voxfeed-nnunet-train``, a mixin for a trainer of your own, ``voxfeed-nnunet-preprocess``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trainer import TrainerBatches, VoxfeedMixin, patch

__all__ = ["TrainerBatches", "VoxfeedMixin", "patch"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """What needs PyTorch is imported when it is asked for: preprocessing goes without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import trainer

    return getattr(trainer, name)
