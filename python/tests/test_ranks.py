"""The examples of data-parallel training, with two processes: each ends with the weights of one process that makes whole batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

import voxfeed

FOLDER = Path(__file__).parents[1] / "examples"
COMMANDS = {
    "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(FOLDER / "torchrun_training.py")],
    "lightning": [str(FOLDER / "lightning_training.py")],
    "ray": [str(FOLDER / "ray_training.py")],
}


@pytest.fixture(scope="module")
def alone(store: Path) -> dict[str, torch.Tensor]:
    """The weights after eight whole batches."""
    torch.manual_seed(0)
    network = torch.nn.Conv3d(1, 3, kernel_size=3, padding=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    options = {"fold": 0, "seed": 7, "augmentation": "default", "patchSize": [16, 24, 20], "batchSize": 4, "epochs": {"training": 8}}
    with voxfeed.Loader(store, **options) as loader:
        for batch in loader.epoch(0):
            loss = cross_entropy(network(batch.data), batch.target.long()[:, 0])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    after = network.state_dict()
    assert all((after[name] - before[name]).abs().max() > 0.01 for name in after)
    return after


@pytest.mark.parametrize("how", COMMANDS)
def test_two_ranks_end_with_the_weights_of_one_process(how: str, store: Path, alone: dict[str, torch.Tensor], tmp_path: Path) -> None:
    # No GPU: all of them run the same.
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, *COMMANDS[how], str(store), str(tmp_path / "weights.pt")]
    ran = subprocess.run(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout
    together = torch.load(tmp_path / "weights.pt")
    assert together.keys() == alone.keys()
    for name, expected in alone.items():
        torch.testing.assert_close(together[name], expected, rtol=0, atol=1e-5)
