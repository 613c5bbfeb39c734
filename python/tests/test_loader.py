from __future__ import annotations

import gc
import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import voxfeed
from voxfeed.errors import ClosedError, FeedTimeoutError, HeldError, OptionError, StateError
from voxfeed.lease import Mapping
from voxfeed.node import find_node
from voxfeed.torch import Batches, to_device

OPTIONS = {
    "fold": 0,
    "augmentation": "default",
    "deepSupervision": True,
    "seed": 7,
    "workers": 1,
    "batchSize": 4,
    "patchSize": [16, 24, 20],
}

#: Prints the SHA-256 of the first 20 batches of a loader in Node: images and targets, one behind the other.
NODE_HASHES = """
import { createHash } from 'node:crypto';
import { openStore, PatchLoader } from '%s/src/index.ts';
const [store, options] = [process.argv[1], JSON.parse(process.argv[2])];
await using loader = await PatchLoader.create({ store: await openStore(store), ...options });
const hashes = [];
for await (using batch of loader) {
  const hash = createHash('sha256');
  for (const view of [batch.data, ...batch.targets]) hash.update(view);
  if (hashes.push(hash.digest('hex')) === 20) break;
}
console.log(JSON.stringify(hashes));
"""


def digest(arrays: list[np.ndarray]) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array))
    return sha.hexdigest()


def hashes(loader: voxfeed.Loader, count: int = 20) -> list[str]:
    return [digest([batch.data, *batch.targets]) for batch, _ in zip(loader, range(count), strict=False)]


@pytest.fixture(scope="module")
def in_node(store: Path) -> list[str]:
    words = [find_node(), "--input-type=module", "-e", NODE_HASHES % Path(__file__).parents[2], str(store), json.dumps(OPTIONS)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return json.loads(said)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("mapped", [True, False])
def test_batches_are_those_of_node(store: Path, in_node: list[str], mapped: bool, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if not mapped:
        monkeypatch.setenv("VOXFEED_NO_MAP", "1")
    with voxfeed.Loader(store, arrays="numpy", **{**OPTIONS, "workers": workers}) as loader:
        assert loader.copied == (None if mapped else "VOXFEED_NO_MAP is set")
        assert hashes(loader) == in_node


def test_ranks_make_up_the_stream_of_one_process(store: Path, in_node: list[str]) -> None:
    ranks = [voxfeed.Loader(store, arrays="numpy", **OPTIONS, rank=rank, worldSize=2) for rank in range(2)]
    for expected in in_node:
        parts = [next(rank.training) for rank in ranks]
        assert [len(part.keys) for part in parts] == [2, 2]
        whole = [np.concatenate(pair) for pair in zip(*([part.data, *part.targets] for part in parts), strict=True)]
        assert digest(whole) == expected
    # Their cases lie in one file in memory.
    assert len({shared_cases(rank.pid) for rank in ranks}) == 1
    for rank in ranks:
        rank.close()


def shared_cases(pid: int) -> int:
    [file] = [fd for fd in Path(f"/proc/{pid}/fd").iterdir() if str(fd.readlink()).startswith("/memfd:voxfeed-cases-")]
    return file.stat().st_ino


def test_epochs_validation_and_what_a_batch_has(store: Path) -> None:
    with voxfeed.Loader(store, **OPTIONS, validation=True, epochs={"training": 3, "validation": 2}) as loader:
        epoch = loader.epoch(0)
        assert len(epoch) == len(DataLoader(Batches(epoch), batch_size=None)) == 3
        batches = list(epoch)
        assert [(batch.index, batch.epoch) for batch in batches] == [(0, 0), (1, 0), (2, 0)]
        first = batches[0]
        assert first.data.dtype == torch.float32 and first.data.shape == (4, 1, 16, 24, 20)
        assert [(target.dtype, target.shape[:2]) for target in first.targets] == [(torch.int16, (4, 1))] * len(first.targets)
        assert first.target.shape == (4, 1, 16, 24, 20) and first.targets[1].shape == (4, 1, 8, 12, 10)
        assert first.config == "16x24x20" and first.samples == [0, 1, 2, 3]
        assert first.foreground == [bool((target > 0).any()) for target in first.target]
        seen = [(epoch.index, [b.index for b in epoch.training], [b.index for b in epoch.validation]) for epoch in loader.epochs(3)]
        assert seen == [(0, [], [0, 1]), (1, [3, 4, 5], [2, 3]), (2, [6, 7, 8], [4, 5])]
        with pytest.raises(OptionError, match="epoch 1 is over, the next training batch is 9"):
            loader.epoch(1)
        assert [batch.index for batch in loader.epoch(5)] == [15, 16, 17]
        assert loader.validation.epoch_length == 2
        assert {part["name"] for part in loader.memory["parts"]} >= {"ring", "validation ring"}
        assert loader.metrics()["process"]["rssBytes"] > 1e7


@pytest.mark.parametrize("mapped", [True, False])
def test_masks_of_regions_are_bool_tensors_on_the_memory(store: Path, mapped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not mapped:
        monkeypatch.setenv("VOXFEED_NO_MAP", "1")
    options = {**OPTIONS, "regions": True}
    with voxfeed.Loader(store, **options) as words, voxfeed.Loader(store, **options, targetType="bool") as loader:
        memory = loader._feed.memory
        for _ in range(3):
            expected, batch = next(words.training), next(loader.training)
            assert torch.equal(batch.data, expected.data) and len(batch.targets) == len(expected.targets) > 1
            for target, words_target in zip(batch.targets, expected.targets, strict=True):
                assert target.dtype == torch.bool and target.shape == words_target.shape and target.shape[1] == 2
                assert memory.address <= target.data_ptr() < memory.address + len(memory)
                assert torch.equal(target.view(torch.uint8), words_target.to(torch.uint8))
            assert bool(batch.target.any()) and not bool(batch.target.all())
    with voxfeed.Loader(store, **options, targetType="bool", arrays="numpy") as loader:
        assert [target.dtype for target in next(loader.training).targets] == [np.bool_] * len(batch.targets)


def test_continues_from_a_state_and_from_a_start(store: Path) -> None:
    with voxfeed.Loader(store, arrays="numpy", **OPTIONS) as loader:
        for _ in range(6):
            next(loader.training)
        state = json.loads(json.dumps(loader.state()))
        expected = hashes(loader, 4)
    assert state["nextBatch"] == 6
    with voxfeed.Loader(store, state=state, workers=1, arrays="numpy") as loader:
        assert hashes(loader, 4) == expected
    with voxfeed.Loader(store, start={"training": 6}, arrays="numpy", **OPTIONS) as loader:
        assert hashes(loader, 4) == expected
    with pytest.raises(StateError, match="it was saved with seed 7, the options say 8"):
        voxfeed.Loader(store, state=state, seed=8)


def test_a_batch_that_is_kept_stays_as_it_is_also_after_the_end(store: Path) -> None:
    with voxfeed.Loader(store, **OPTIONS, ring=3) as loader:
        kept = next(loader.training).targets[0][:, :, 4:]  # a view of a tensor: the rest of the batch is gone
        copy = kept.clone()
        for _ in range(20):
            next(loader.training)
        assert torch.equal(kept, copy)
    gc.collect()
    assert torch.equal(kept, copy)


def test_a_consumer_that_keeps_all_batches_is_told(store: Path) -> None:
    with voxfeed.Loader(store, **OPTIONS, ring=3) as loader:
        loader._feed.timeout = 3
        kept = [next(loader.training) for _ in range(3)]
        with pytest.warns(voxfeed.VoxfeedWarning, match="all 3 that fit into the memory are still held"), pytest.raises(HeldError):
            next(loader.training)
        loader._feed.timeout = 120
        del kept[0]
        assert next(loader.training).index == 3


def test_two_loaders_in_one_process(store: Path, in_node: list[str]) -> None:
    with voxfeed.Loader(store, arrays="numpy", **OPTIONS) as one, voxfeed.Loader(store, arrays="numpy", **{**OPTIONS, "seed": 8}) as two:
        assert one.pid != two.pid
        both = list(zip(hashes(one, 5), hashes(two, 5), strict=True))
        assert [a for a, _ in both] == in_node[:5]
        assert all(a != b for a, b in both)


def test_a_loader_that_nobody_has_any_more_ends_its_process(store: Path) -> None:
    stream = iter(voxfeed.Loader(store, **OPTIONS))
    pid = stream._feed.process.pid
    batch = next(stream)
    assert Path(f"/proc/{pid}").exists()
    del stream
    assert not Path(f"/proc/{pid}").exists()
    assert batch.data.shape[0] == 4


def test_pytorch_data_loader(store: Path) -> None:
    with voxfeed.Loader(store, **OPTIONS, epochs={"training": 3}) as loader:
        dicts = list(DataLoader(Batches(loader.epoch(0)), batch_size=None))
        assert [sorted(each) for each in dicts] == [["data", "keys", "target"]] * 3
        assert dicts[0]["data"].shape == (4, 1, 16, 24, 20) and len(dicts[0]["target"]) == len(next(loader.training).targets)
        with pytest.raises(Exception, match="Set it to 0"):
            next(iter(DataLoader(Batches(loader), batch_size=None, num_workers=1)))
        with pytest.raises(TypeError, match="cannot be sent to another process"):
            next(iter(DataLoader(Batches(loader), batch_size=None, num_workers=1, multiprocessing_context="spawn")))


def test_to_device_gives_the_same_batches_and_gives_slots_back(store: Path) -> None:
    with voxfeed.Loader(store, **OPTIONS, ring=3, epochs={"training": 8}) as loader:
        moved = [(batch.index, float(batch.data.sum())) for batch in to_device(loader.epoch(0), "cpu", ahead=1)]
    with voxfeed.Loader(store, **OPTIONS, epochs={"training": 8}) as loader:
        assert moved == [(batch.index, float(batch.data.sum())) for batch in loader.epoch(0)]


class FakeCuda:
    """Stands for CUDA's runtime: notes what was registered."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.calls: list[tuple] = []

    def cudaHostRegister(self, address: int, size: int, flags: int) -> int:
        self.calls.append(("register", address, size, flags))
        return self.status

    def cudaHostUnregister(self, address: int) -> int:
        self.calls.append(("unregister", address))
        return 0


def test_memory_is_registered_with_cuda_until_the_last_array_dies() -> None:
    from voxfeed.cuda import pin

    fd = os.memfd_create("test")
    os.ftruncate(fd, 8192)
    memory, cuda = Mapping(fd, 8192), FakeCuda()
    os.close(fd)
    array = np.frombuffer(memory, np.uint8)
    address = array.__array_interface__["data"][0]
    assert pin(memory, wanted=True, cudart=cuda)
    del memory
    assert cuda.calls == [("register", address, 8192, 0)]
    del array
    assert cuda.calls[1:] == [("unregister", address)]


def test_a_slot_is_given_back_when_the_device_has_read_it(store: Path) -> None:
    copied = threading.Event()

    class Copy:
        def synchronize(self) -> None:
            copied.wait()

    with voxfeed.Loader(store, **OPTIONS, ring=2) as loader:
        loader._feed.fence = Copy
        loader._feed.timeout = 2
        assert [next(loader.training).index for _ in range(2)] == [0, 1]
        # Nobody holds them, and still their slots are not written again.
        with pytest.raises(FeedTimeoutError):
            next(loader.training)
        copied.set()
        loader._feed.timeout = 120
        assert next(loader.training).index == 2


def test_cuda_that_refuses_is_told() -> None:
    from voxfeed.cuda import pin

    fd = os.memfd_create("test")
    os.ftruncate(fd, 8192)
    memory = Mapping(fd, 8192)
    os.close(fd)
    with pytest.warns(voxfeed.VoxfeedWarning, match="CUDA refused to register 0 MiB"):
        assert not pin(memory, wanted=False, cudart=FakeCuda(2))
    with pytest.raises(OptionError, match="ulimit -l"):
        pin(memory, wanted=True, cudart=FakeCuda(2))


def test_command_line_is_that_of_the_npm_package() -> None:
    words = [sys.executable, "-c", "from voxfeed.cli import main; main()"]
    said = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True).stdout
    assert said == f"{voxfeed.__version__}\n"
    wrong = subprocess.run([*words, "preprocess", "only-one"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "usage: voxfeed preprocess" in wrong.stderr


def test_closed_loader_says_so(store: Path) -> None:
    loader = voxfeed.Loader(store, **OPTIONS)
    loader.close()
    with pytest.raises(ClosedError, match="it is closed"):
        next(loader.training)
    with pytest.raises(ClosedError, match="it is closed"):
        loader.state()


def test_the_version_is_that_of_the_npm_package() -> None:
    root = Path(__file__).parents[2]
    version = json.loads((root / "package.json").read_text())["version"]
    assert (root / "python/VERSION").read_text().strip() == voxfeed.__version__ == version
