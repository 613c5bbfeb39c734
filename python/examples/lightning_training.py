"""Data-parallel training with Lightning.

    python lightning_training.py STORE WEIGHTS

Lightning starts the processes. Each opens a loader when it knows its rank, in `setup`.
"""

import sys
from typing import Any

import lightning
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import voxfeed
from voxfeed.torch import Batches


class Patches(lightning.LightningDataModule):
    """An epoch of batches after the other."""

    def __init__(self, store: str) -> None:
        super().__init__()
        self.store = store

    def setup(self, stage: str) -> None:
        """Opens the loader of this process."""
        self.loader = voxfeed.Loader(
            self.store,
            fold=0,
            seed=7,
            augmentation="default",
            patchSize=[16, 24, 20],
            batchSize=4,  # of all processes together
            epochs={"training": 4},
            rank=self.trainer.global_rank,
            worldSize=self.trainer.world_size,
        )

    def train_dataloader(self) -> DataLoader:
        """The batches of the epoch that begins."""
        return DataLoader(Batches(self.loader.epoch(self.trainer.current_epoch)), batch_size=None)

    def teardown(self, stage: str) -> None:
        """Ends the loader."""
        self.loader.close()


class Segmentation(lightning.LightningModule):
    """A network, its loss and its optimiser."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = torch.nn.Conv3d(1, 3, kernel_size=3, padding=1)

    def training_step(self, batch: dict[str, Any], index: int) -> torch.Tensor:
        """The loss of this process's part of a batch."""
        return cross_entropy(self.network(batch["data"]), batch["target"].long()[:, 0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain descent."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def main(store: str, weights: str) -> None:
    """Trains for two epochs, with two processes."""
    model = Segmentation()
    trainer = lightning.Trainer(
        max_epochs=2,
        devices=2,
        accelerator="gpu" if torch.cuda.device_count() > 1 else "cpu",
        strategy="ddp",
        reload_dataloaders_every_n_epochs=1,  # each epoch has its own batches
        logger=False,
        enable_checkpointing=False,
    )
    trainer.fit(model, Patches(store))
    if trainer.is_global_zero:
        torch.save(model.network.state_dict(), weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
