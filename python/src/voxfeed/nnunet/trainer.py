"""What a trainer of nnU-Net does otherwise when voxfeed feeds it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StateError
from ..loader import Loader
from ..stream import Batch, Stream
from ..torch import as_dict
from .folder import previous_stage_of, unpacked_folder
from .options import Wishes, wishes_of
from .python_transforms import PythonTransforms

#: Beside a checkpoint: where its streams stand, and what they are made from.
STATE_ENDING = ".voxfeed.json"
#: Of a state, what says where it stands and not what it is.
POSITIONS = ("nextBatch", "epoch")


class TrainerBatches:
    """A stream as nnU-Net's training loop takes it: dictionaries of ``data``, ``target`` and ``keys``."""

    def __init__(self, stream: Stream, transforms: PythonTransforms | None) -> None:
        self.stream = stream
        self._transforms = transforms

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        batch: Batch = next(self.stream)
        if self._transforms is not None:
            data, targets = self._transforms(batch)
            return {"data": data, "target": targets if len(targets) > 1 else targets[0], "keys": np.array(batch.keys)}
        return {**as_dict(batch), "keys": np.array(batch.keys)}


def get_dataloaders(trainer: Any) -> tuple[TrainerBatches, TrainerBatches]:
    """In place of the trainer's own: opens the loader, at the epoch that the trainer stands in."""
    wishes = wishes_of(trainer)
    previous = previous_stage_of(trainer)
    more: dict[str, Any] = {"previousStage": previous} if previous else {}
    folder = _by_the_first_first(trainer, unpacked_folder)
    training, validation = trainer.do_split()
    epoch = trainer.current_epoch
    # Whoever opens a folder first reads its class locations; the others find them kept.
    loader = _by_the_first_first(
        trainer,
        lambda trainer: Loader(
            folder,
            start={"training": epoch * trainer.num_iterations_per_epoch, "validation": epoch * trainer.num_val_iterations_per_epoch},
            arrays="torch",
            cases={"training": [str(case) for case in training], "validation": [str(case) for case in validation]},
            **more,
            **_ranks(trainer),
            **wishes.options,
        ),
    )
    try:
        _compare(trainer, loader)
    except StateError:
        loader.close()
        raise
    trainer.voxfeed = loader
    batch = loader.memory["totalBytes"] / 2**20
    how = "on shared memory" if loader.copied is None else f"copied ({loader.copied})"
    trainer.print_to_log_file(f"voxfeed: seed {wishes.options['seed']}, {batch:.0f} MiB, batches {how}, epoch {epoch}, data {folder}")
    return _as_trainers_take_them(trainer, loader, wishes)


def _as_trainers_take_them(trainer: Any, loader: Loader, wishes: Wishes) -> tuple[TrainerBatches, TrainerBatches]:
    def transforms(stream: int) -> PythonTransforms | None:
        if wishes.in_python is None:
            return None
        # Of training patches that are larger than the network's, a transform of the trainer's makes the crop.
        size = wishes.patch_size if stream == 1 else None
        return PythonTransforms(wishes.in_python[stream], size, wishes.options["seed"], stream)

    return (
        TrainerBatches(loader.training, transforms(0)),
        TrainerBatches(loader.validation, transforms(1)),
    )


def _ranks(trainer: Any) -> dict[str, Any]:
    if not trainer.is_ddp:
        return {}
    import torch.distributed as dist

    return {"rank": dist.get_rank(), "worldSize": dist.get_world_size()}


def _by_the_first_first(trainer: Any, do: Callable[[Any], Any]) -> Any:
    """Does it in every process of a machine: in the first one before the others."""
    if not trainer.is_ddp:
        return do(trainer)
    import torch.distributed as dist

    done = do(trainer) if trainer.local_rank == 0 else None
    dist.barrier()
    return done if trainer.local_rank == 0 else do(trainer)


def note_oversample(trainer: Any) -> None:
    """Data-parallel training changes the fraction to the rank's own; voxfeed wants that of the whole batch."""
    if not hasattr(trainer, "voxfeed_oversample"):
        trainer.voxfeed_oversample = float(trainer.oversample_foreground_percent)


def save_state(trainer: Any, filename: str) -> None:
    """Writes where the streams stand beside a checkpoint."""
    loader = getattr(trainer, "voxfeed", None)
    if loader is None or loader.closed or trainer.local_rank != 0 or trainer.disable_checkpointing:
        return
    Path(filename + STATE_ENDING).write_text(json.dumps(loader.state()))


def remember_checkpoint(trainer: Any, filename: Any) -> None:
    """Notes which checkpoint the training goes on from."""
    trainer.voxfeed_checkpoint = filename if isinstance(filename, str) else None


def _compare(trainer: Any, loader: Loader) -> None:
    """Notices changed data and options: batches would be others than those of an uninterrupted training."""
    path = Path((getattr(trainer, "voxfeed_checkpoint", None) or "") + STATE_ENDING)
    if not path.is_file():
        return
    saved, now = (_what_it_is(state) for state in (json.loads(path.read_text()), loader.state()))
    # Options that came later are at their defaults, and change nothing.
    changed = sorted(name for name in saved if saved[name] != now.get(name))
    if changed:
        raise StateError(
            str(path),
            f"the training began with other data or options: {', '.join(changed)} changed",
            "Restore them, or remove the file to go on all the same",
        )


def _what_it_is(state: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in state.items() if name not in POSITIONS}
    return {**kept, "validation": {name: value for name, value in kept.get("validation", {}).items() if name != "nextBatch"}}


def end(trainer: Any) -> None:
    """Says what was waited for, and ends the loader."""
    loader = getattr(trainer, "voxfeed", None)
    if loader is None or loader.closed:
        return
    process = loader.metrics()["process"]
    trainer.print_to_log_file(
        f"voxfeed: waited {loader.training.waited:.1f} s for training and {loader.validation.waited:.1f} s for validation batches; "
        f"Node used {process['cpuMs'] / 1000:.1f} s of CPU time and {process['rssBytes'] / 2**20:.0f} MiB"
    )
    loader.close()


class VoxfeedMixin:
    """Feeds a trainer of your own: ``class MyTrainer(VoxfeedMixin, nnUNetTrainer)``, this one first."""

    def get_dataloaders(self) -> tuple[TrainerBatches, TrainerBatches]:
        """Batches of voxfeed."""
        return get_dataloaders(self)

    def _set_batch_size_and_oversample(self) -> None:
        note_oversample(self)
        super()._set_batch_size_and_oversample()  # type: ignore[misc]

    def save_checkpoint(self, filename: str) -> None:
        """And where the streams stand."""
        super().save_checkpoint(filename)  # type: ignore[misc]
        save_state(self, filename)

    def load_checkpoint(self, filename_or_checkpoint: Any) -> None:
        """And remembers where it is from."""
        super().load_checkpoint(filename_or_checkpoint)  # type: ignore[misc]
        remember_checkpoint(self, filename_or_checkpoint)

    def on_train_end(self) -> None:
        """And ends the loader."""
        super().on_train_end()  # type: ignore[misc]
        end(self)


def patch() -> None:
    """Feeds all trainers, under their own names and in their own folders. Doing it twice does nothing."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    if hasattr(nnUNetTrainer, "voxfeed"):
        return
    nnUNetTrainer.voxfeed = None
    nnUNetTrainer.get_dataloaders = get_dataloaders
    nnUNetTrainer._set_batch_size_and_oversample = _first(note_oversample, nnUNetTrainer._set_batch_size_and_oversample)
    nnUNetTrainer.save_checkpoint = _then(nnUNetTrainer.save_checkpoint, save_state)
    nnUNetTrainer.load_checkpoint = _then(nnUNetTrainer.load_checkpoint, remember_checkpoint)
    nnUNetTrainer.on_train_end = _then(nnUNetTrainer.on_train_end, end)


def _then(original: Callable[..., Any], then: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def both(*arguments: Any) -> Any:
        result = original(*arguments)
        then(*arguments)
        return result

    return both


def _first(first: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def both(*arguments: Any) -> Any:
        first(*arguments)
        return original(*arguments)

    return both
