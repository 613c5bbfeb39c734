"""A short training on the CPU, found by nnU-Net through nnUNet_extTrainer. It writes down every loss."""

import os

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerShort(nnUNetTrainer):
    """Three epochs of three iterations, with the same initial weights each time."""

    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = torch.device("cuda")) -> None:  # noqa: B008
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch, self.save_every = 3, 3, 2, 1

    def initialize(self) -> None:
        torch.manual_seed(1)
        super().initialize()

    def train_step(self, batch: dict) -> dict:
        step = super().train_step(batch)
        with open(os.path.join(self.output_folder, "losses.txt"), "a") as file:  # noqa: PTH123, PTH118
            file.write(f"{self.current_epoch} {float(step['loss'])!r}\n")
        return step
