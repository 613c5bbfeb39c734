"""nnU-Net's trainers, fed by voxfeed: ``voxfeed-nnunet-train``, or a mixin for a trainer of your own."""

from .trainer import TrainerBatches, VoxfeedMixin, patch

__all__ = ["TrainerBatches", "VoxfeedMixin", "patch"]
