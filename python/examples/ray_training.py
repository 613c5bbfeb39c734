"""Data-parallel training with Ray Train, on the cluster that ``ray.init()`` finds.

    python ray_training.py STORE WEIGHTS

Every machine needs both under the same name.
"""

import sys

import ray.train
import ray.train.torch
import torch
from torch.nn.functional import cross_entropy

import voxfeed


def train(config: dict[str, str]) -> None:
    """What each process does: an epoch of eight batches."""
    torch.manual_seed(0)
    network = ray.train.torch.prepare_model(torch.nn.Conv3d(1, 3, kernel_size=3, padding=1))
    device = next(network.parameters()).device
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    with voxfeed.Loader(
        config["store"],
        fold=0,
        seed=7,
        augmentation="default",
        patchSize=[16, 24, 20],
        batchSize=4,  # of all processes together
        epochs={"training": 8},
        ranks="environment",  # what Ray says, in torchrun's words
    ) as loader:
        for batch in loader.epoch(0):
            loss = cross_entropy(network(batch.data.to(device)), batch.target.to(device).long()[:, 0])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    ray.train.report({"loss": loss.item()})
    if ray.train.get_context().get_world_rank() == 0:
        torch.save(network.module.state_dict(), config["weights"])


def main(store: str, weights: str) -> None:
    """Trains with two processes."""
    ray.train.torch.TorchTrainer(
        train,
        train_loop_config={"store": store, "weights": weights},
        scaling_config=ray.train.ScalingConfig(num_workers=2, use_gpu=torch.cuda.device_count() > 1),
    ).fit()


if __name__ == "__main__":
    main(*sys.argv[1:])
