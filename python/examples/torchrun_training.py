"""Data-parallel training in PyTorch alone.

    torchrun --nproc-per-node 2 torchrun_training.py STORE WEIGHTS

Every process opens a loader, which gives it its part of each batch. Together these parts are the batches of one process.
"""

import sys

import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import voxfeed


def main(store: str, weights: str) -> None:
    """Trains for an epoch of eight batches."""
    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    device = torch.device("cuda", dist.get_node_local_rank()) if on_gpu else torch.device("cpu")
    torch.manual_seed(0)
    network = torch.nn.Conv3d(1, 3, kernel_size=3, padding=1).to(device)
    parallel = DistributedDataParallel(network)
    optimiser = torch.optim.SGD(parallel.parameters(), lr=0.1)
    with voxfeed.Loader(
        store,
        fold=0,
        seed=7,
        augmentation="default",
        patchSize=[16, 24, 20],
        batchSize=4,  # of all processes together
        epochs={"training": 8},
        ranks="environment",  # what torchrun says
    ) as loader:
        for batch in loader.epoch(0):
            data, target = batch.data.to(device), batch.target.to(device).long()[:, 0]
            loss = cross_entropy(parallel(data), target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            print(f"rank {dist.get_rank()}, batch {batch.index}, {batch.keys}: loss {loss.item():.4f}")
    if dist.get_rank() == 0:
        torch.save(network.state_dict(), weights)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
