"""Every trainer class of the installed nnunetv2: what its transforms become, and what is refused."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import batchgeneratorsv2.transforms.intensity.contrast as bg
import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.intensity.inversion import InvertImageTransform
from batchgeneratorsv2.transforms.local.local_gamma import LocalGammaTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTransform
from nnunet_data import DATASET, make_folders

import voxfeed
from voxfeed.errors import TransformError
from voxfeed.nnunet.options import wishes_of
from voxfeed.steps import STEPS
from voxfeed.transforms import translate

#: The preset that a trainer's own transforms come to, by the end of its name; all others are 'default'.
PRESETS = {
    "onlyMirror01_DA5": None,  # no preset: DA5 with two mirrored axes
    "DA5Segord0": "da5SegOrder0",
    "DA5ord0": "da5Order0",
    "DA5_10epochs": "da5",
    "DA5": "da5",
    "NoDA": "validation",
    "DASegOrd0_NoMirroring": "order0NoMirroring",
    "onlyMirror01_DASegOrd0": "onlyMirror01Order0",
    "DASegOrd0": "order0",
    "onlyMirror01": "onlyMirror01",
    "onlyMirror01_1500ep": "onlyMirror01",
    "NoMirroring": "noMirroring",
    "noDummy2DDA": "noDummy2d",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    env = make_folders(tmp_path_factory.mktemp("nnunet"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield Path(env["nnUNet_preprocessed"]) / DATASET


def trainer_classes() -> dict[str, type]:
    import nnunetv2.training.nnUNetTrainer as package
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
    members = [member for module in modules for member in inspect.getmembers(module, inspect.isclass)]
    return {name: cls for name, cls in sorted(members) if issubclass(cls, nnUNetTrainer)}


def make(cls: type, folder: Path) -> Any:
    plans = {**json.loads((folder / "nnUNetPlans.json").read_text()), "continue_training": False}
    with contextlib.redirect_stdout(io.StringIO()):
        return cls(plans, "3d_fullres", 0, json.loads((folder / "dataset.json").read_text()), torch.device("cpu"))


def read(trainer: Any) -> dict[str, Any]:
    with contextlib.redirect_stdout(io.StringIO()):
        return wishes_of(trainer).options


def test_every_trainer_is_read_and_gives_the_stream_of_its_preset(folders: Path, store: Path) -> None:
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    classes = trainer_classes()
    assert len(classes) >= 57
    found: dict[str, tuple[str | None, dict[str, Any]]] = {}
    for name, cls in classes.items():
        if "Benchmark" in name:  # they refuse to be made without a GPU; their transforms are those of nnUNetTrainer
            assert cls.get_training_transforms is nnUNetTrainer.get_training_transforms
            continue
        trainer = make(cls, folders)
        options = read(trainer)
        preset = next((preset for ending, preset in PRESETS.items() if name.endswith(ending)), "default")
        found[json.dumps(options["augmentation"])] = (preset, options)
        assert options["validation"] == {"augmentation": [{"transform": "replaceLabel", "from": -1, "to": 0}]}, name
        assert (options["deepSupervision"] is False) == (not trainer.enable_deep_supervision), name
        assert options["probabilisticOversampling"] == ("probabilistic" in name), name
    assert {preset for preset, _ in found.values()} >= {*PRESETS.values(), "default"} - {"noDummy2d"}
    for preset, options in found.values():
        if preset is not None:
            same = {"seed": 3, "workers": 1, "fold": 0, "patchSize": options["patchSize"], "batchSize": 2, "arrays": "numpy"}
            ours, theirs = (first_batches(store, {**same, "augmentation": each}) for each in (preset, options["augmentation"]))
            assert ours == theirs, preset


def first_batches(store: Path, options: dict[str, Any]) -> list[bytes]:
    with voxfeed.Loader(store, **options) as loader:
        return [part.tobytes() for _ in range(2) for batch in [next(loader.training)] for part in (batch.data, batch.target)]


PATCH = [16, 24, 20]


def spatial(**changes: Any) -> SpatialTransform:
    usual: dict[str, Any] = {"patch_center_dist_from_border": 0, "random_crop": False, "p_rotation": 0.2, "rotation": (-0.5, 0.5)}
    usual |= {"p_scaling": 0.2, "scaling": (0.7, 1.4), "p_synchronize_scaling_across_axes": 1}
    usual |= {"border_mode_seg": "constant", "padding_value_seg": -1, "patch_size": PATCH}
    return SpatialTransform(**{**usual, **changes})


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (spatial(random_crop=True), "SpatialTransform.random_crop: is True, voxfeed does what False does"),
        (spatial(p_elastic_deform=0.1), "SpatialTransform.p_elastic_deform"),
        (spatial(p_synchronize_scaling_across_axes=0.5), "p_synchronize_scaling_across_axes: is 0.5, voxfeed does it always or never"),
        (spatial(padding_value_seg=0), "SpatialTransform.padding_value_seg"),
        (spatial(patch_size=[16, 16, 16]), r"SpatialTransform.patch_size: is \[16, 16, 16\], the patches are to have \[16, 24, 20\]"),
        (spatial(mode_seg="bicubic"), "SpatialTransform.mode_seg: is 'bicubic'"),
        (spatial(seg_tiebreak="lowest"), "SpatialTransform.seg_tiebreak: is 'lowest', voxfeed does what 'nearest' does"),
        (GaussianNoiseTransform((0, 0.1), synchronize_channels=False), "GaussianNoiseTransform.synchronize_channels"),
        (GaussianNoiseTransform(0.1, synchronize_channels=True), "GaussianNoiseTransform.noise_variance: is 0.1, voxfeed draws evenly"),
        (MultiplicativeBrightnessTransform((0.7, 1.3), False), "multiplier_range: is .*, voxfeed draws as BGContrast does"),
        (GammaTransform(bg.BGContrast((0.7, 1.5)), 0.3, False, 1, 1), "GammaTransform.p_invert_image: is 0.3"),
        (LocalGammaTransform((10, 30), (-0.5, 1.5), (0.5, 1), False), "LocalGammaTransform.gamma: is .*the one of nnUNetTrainerDA5"),
        (InvertImageTransform(1, False, 1), "InvertImageTransform: voxfeed has no equal for it"),
    ],
)
def test_what_has_no_equal_is_refused_by_name(transform: Any, message: str) -> None:
    translation = translate(ComposeTransforms([MirrorTransform((0,)), RandomTransform(transform, 0.5)]), PATCH)
    assert translation.steps == [{"transform": "mirror", "axes": [0]}]
    assert len(translation.rest) == 1
    with pytest.raises(TransformError, match=message):
        raise translation.why  # type: ignore[misc]


def test_a_parameter_of_a_later_release_is_refused() -> None:
    later = MirrorTransform((0, 1))
    later.brand_new = 1
    why = translate(ComposeTransforms([later]), PATCH).why
    assert str(why).startswith("MirrorTransform.brand_new: is 1, a parameter that voxfeed does not know")


def test_nearest_labels_have_no_ties() -> None:
    assert translate(ComposeTransforms([spatial(mode_seg="nearest", seg_tiebreak="lowest")]), PATCH).why is None


def test_axes_of_2d_patches() -> None:
    step = translate(ComposeTransforms([MirrorTransform((0, 1))]), [24, 20]).steps[0]
    assert step == {"transform": "mirror", "axes": [1, 2]}


def test_reading_draws_leaves_random_numbers_alone() -> None:
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    translate(ComposeTransforms([LocalGammaTransform((10, 30), (-0.5, 1.5), (0.5, 1), False)]), PATCH)
    assert np.array_equal(np.random.get_state()[1], before)


def test_what_is_left_to_python_begins_before_the_targets(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class Inverts(nnUNetTrainer):
        @staticmethod
        def get_training_transforms(*args: Any, **more: Any) -> Any:
            pipeline = nnUNetTrainer.get_training_transforms(*args, **more)
            pipeline.transforms.insert(3, InvertImageTransform(1, False, 1))
            return pipeline

    trainer = make(Inverts, folders)
    with pytest.raises(TransformError, match="InvertImageTransform: voxfeed has no equal for it"):
        read(trainer)
    monkeypatch.setenv("VOXFEED_PYTHON_TRANSFORMS", "1")
    with contextlib.redirect_stdout(io.StringIO()):
        wishes = wishes_of(trainer)
    assert [step["transform"] for step in wishes.options["augmentation"]] == ["spatial", "noise", "blur"]
    assert wishes.options["deepSupervision"] is False and wishes.in_python is not None
    training, validation = wishes.in_python
    assert type(training[0]) is InvertImageTransform and type(training[-1]).__name__ == "DownsampleSegForDSTransform"
    assert [type(each).__name__ for each in validation] == ["DownsampleSegForDSTransform"]


def test_transforms_in_python_change_patches_and_are_reproducible() -> None:
    from voxfeed.nnunet.python_transforms import PythonTransforms

    batch: Any = SimpleNamespace(index=3, data=torch.ones(2, 1, 6, 6, 6), target=-torch.ones(2, 1, 6, 6, 6, dtype=torch.int16))
    transforms = PythonTransforms([GaussianNoiseTransform((0, 1), 1, True), RemoveLabelTransform(-1, 0)], [4, 6, 2], seed=1, stream=0)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    data, (target,) = transforms(batch)
    assert data.shape == (2, 1, 4, 6, 2) and target.dtype == torch.int16 and int(target.abs().sum()) == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(transforms(batch)[0], data) and float(batch.data.std()) == 0
    batch.index = 4
    assert not torch.equal(transforms(batch)[0], data)


def test_the_table_names_transforms_that_there_are() -> None:
    import batchgeneratorsv2.transforms as package

    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
    there = {name for module in modules for name, _ in inspect.getmembers(module, inspect.isclass)}
    assert set(STEPS) <= there
