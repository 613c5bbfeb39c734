"""``voxfeed-nnunet-train``: nnU-Net's own command, with batches from voxfeed.

The trainers are patched when this is imported: processes that are spawned for data-parallel training import it, too.
"""

from __future__ import annotations

import argparse
import os
import sys

from ..errors import NodeError
from ..node import find_node
from .options import PYTHON_TRANSFORMS, SEED, WORKERS

try:
    from .trainer import patch

    patch()
except ModuleNotFoundError as error:
    sys.exit(f"error: {error.name}: it is not installed in this Python. Install nnunetv2 and torch: pip install nnunetv2")

USAGE = """voxfeed's own, besides those of nnUNetv2_train, which follow:
  --voxfeed-seed N      names the stream of batches; default 0
  --voxfeed-workers N   worker threads of each process
  --python-transforms   do what voxfeed has no equal for in Python; slow
"""


def main() -> None:
    """Takes voxfeed's words from the command line, and leaves the rest to nnU-Net."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--voxfeed-seed", type=_whole)
    parser.add_argument("--voxfeed-workers", type=_whole)
    parser.add_argument("--python-transforms", action="store_true")
    own, rest = parser.parse_known_args()
    if "-h" in rest or "--help" in rest:
        print(USAGE)
    # Through the environment, so that spawned processes have it.
    for name, value in ((SEED, own.voxfeed_seed), (WORKERS, own.voxfeed_workers), (PYTHON_TRANSFORMS, own.python_transforms or None)):
        if value is not None:
            os.environ[name] = str(int(value))
    try:
        find_node()  # before nnU-Net has read anything
    except NodeError as error:
        sys.exit(f"error: {error}")
    from nnunetv2.run.run_training import run_training_entry

    sys.argv = [sys.argv[0], *rest]
    run_training_entry()


def _whole(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


if __name__ == "__main__":
    main()
