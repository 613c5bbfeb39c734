"""``voxfeed-nnunet-preprocess``: what ``nnUNetv2_plan_and_preprocess`` does, done by voxfeed. It needs neither nnU-Net nor PyTorch."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import DatasetError, OptionError, VoxfeedError
from ..node import find_node, program

#: nnU-Net's planners, and what voxfeed calls them.
PLANNERS = {
    "ExperimentPlanner": "default",
    "ResEncUNetPlanner": "resenc",
    "nnUNetPlannerResEncM": "resenc-m",
    "nnUNetPlannerResEncL": "resenc-l",
    "nnUNetPlannerResEncXL": "resenc-xl",
}
#: Arguments of nnU-Net that have no equal here, with what they may be all the same.
REFUSED = {
    "-fpe": ("DatasetFingerprintExtractor", "fingerprints are those of nnU-Net's DatasetFingerprintExtractor"),
    "-preprocessor_name": ("DefaultPreprocessor", "cases are preprocessed as by nnU-Net's DefaultPreprocessor"),
    "-overwrite_target_spacing": (None, "the target spacing is the planner's"),
    "-overwrite_plans_name": (None, "plans have the planner's name"),
}
INSTEAD = "Use nnUNetv2_plan_and_preprocess for that"


def main() -> None:
    """Takes the arguments of ``nnUNetv2_plan_and_preprocess``."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        _refuse(arguments)
        raw, preprocessed = (_folder(name) for name in ("nnUNet_raw", "nnUNet_preprocessed"))
        datasets = [_dataset(raw, number) for number in arguments.d]
        for dataset in datasets:
            _preprocess(dataset, preprocessed, arguments)
    except VoxfeedError as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        # What went wrong stands on the standard error already.
        sys.exit(error.returncode)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Plans and preprocesses data sets of nnUNet_raw into nnUNet_preprocessed, for nnU-Net's own training. "
        "Run it again after an interruption and it continues.",
        allow_abbrev=False,
    )
    parser.add_argument("-d", nargs="+", type=int, required=True, metavar="ID", help="numbers of data sets")
    parser.add_argument("-pl", choices=PLANNERS, default="ExperimentPlanner", metavar="PLANNER", help=f"one of {', '.join(PLANNERS)}")
    parser.add_argument("-gpu_memory_target", type=float, metavar="GB", help="plan for another GPU")
    parser.add_argument("-c", nargs="+", metavar="CONFIGURATION", help="default: all; those that the plans do not have are skipped")
    parser.add_argument(
        "-np", nargs="+", type=int, metavar="N", help="worker threads; of several numbers, the largest. Default: one per core"
    )
    parser.add_argument("-npfp", type=int, metavar="N", help="the same, where -np is left out")
    parser.add_argument("--no_pp", action="store_true", help="only plan")
    parser.add_argument("--clean", action="store_true", help="nothing to do: fingerprints follow the files they were made from")
    parser.add_argument(
        "--verify_dataset_integrity", action="store_true", help="say all that is wrong in one list, before anything is made"
    )
    parser.add_argument("--verbose", action="store_true", help="nothing to do")
    parser.add_argument("--no_pbar", action="store_true", help="show no progress")
    for name, (_, why) in REFUSED.items():
        parser.add_argument(name, nargs="+", help=f"refused: {why}")
    return parser


def _refuse(arguments: argparse.Namespace) -> None:
    for name, (known, why) in REFUSED.items():
        given = getattr(arguments, name.lstrip("-"))
        if given is not None and given != [known]:
            raise OptionError(name, why, INSTEAD)
    for name in ("np", "npfp"):
        counts = getattr(arguments, name)
        if counts is not None and min(counts if isinstance(counts, list) else [counts]) < 1:
            raise OptionError(f"-{name}", "it is a number of threads", "Give 1 or more")


def _folder(name: str) -> Path:
    given = os.environ.get(name)
    if not given:
        raise OptionError(name, "this environment variable is not set", f"Set it to nnU-Net's folder, such as export {name}=/data/{name}")
    return Path(given)


def _dataset(raw: Path, number: int) -> Path:
    """The folder of the raw data that has this number."""
    found = sorted(path for path in raw.glob(f"Dataset{number:03d}_*") if path.is_dir())
    if len(found) != 1:
        what = "there is none" if not found else f"there are several: {', '.join(path.name for path in found)}"
        raise DatasetError(str(raw / f"Dataset{number:03d}_*"), what, "Check -d and nnUNet_raw")
    return found[0]


def _preprocess(dataset: Path, preprocessed: Path, arguments: argparse.Namespace) -> None:
    target = preprocessed / dataset.name
    threads = max(arguments.np) if arguments.np else arguments.npfp
    planning = ["--planner", PLANNERS[arguments.pl]]
    if arguments.gpu_memory_target is not None:
        planning += ["--gpu-memory-gb", repr(arguments.gpu_memory_target)]
    if arguments.verify_dataset_integrity:
        planning += ["--verify"]
    common = [] if threads is None else ["--workers", str(threads)]
    quiet = arguments.no_pbar
    if not arguments.no_pp and arguments.c is None:
        _voxfeed(["preprocess", str(dataset), str(target), "--format", "nnunet", *planning, *common], quiet)
        return
    plans = _plan(dataset, target, [*planning, *common], quiet)
    if arguments.no_pp:
        return
    known = json.loads(plans.read_text())["configurations"]
    for name in [name for name in arguments.c if name not in known]:
        print(f"note: {plans} has no configuration {name}: it is skipped", flush=True)
    wanted = [name for name in arguments.c if name in known]
    if wanted:
        words = ["preprocess", str(dataset), str(target), "--format", "nnunet", "--plans", str(plans), "--config", ",".join(wanted)]
        _voxfeed([*words, *common], quiet)


def _plan(dataset: Path, target: Path, words: Sequence[str], quiet: bool) -> Path:
    """Plans, and returns the file that the plans are in."""
    said = _voxfeed(["plan", str(dataset), "--out", str(target), "--json", *words], quiet, subprocess.PIPE)
    return target / f"{json.loads(said)['plans_name']}.json"


def _voxfeed(words: Sequence[str], quiet: bool, stdout: int | None = None) -> str:
    done = subprocess.run(
        [find_node(), str(program()), *words],
        stdout=stdout,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
    )
    # Without progress; what is odd is shown, and all that was said where it failed.
    said = (done.stderr or "").splitlines(keepends=True)
    sys.stderr.writelines(line for line in said if done.returncode != 0 or line.startswith("note: "))
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, words)
    return done.stdout or ""


if __name__ == "__main__":
    main()
