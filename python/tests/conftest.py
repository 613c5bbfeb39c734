from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from voxfeed.node import CHECKOUT, find_node, program

EXAMPLES = CHECKOUT / "examples"


def preprocess(raw: Path, store: Path, *words: str) -> None:
    subprocess.run([find_node(), str(program()), "preprocess", str(raw), str(store), *words], check=True, capture_output=True)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 20 real cases of the checkout, preprocessed with the plans of the whole data set."""
    path = tmp_path_factory.mktemp("store") / "store"
    preprocess(EXAMPLES / "data", path, "--plans", str(EXAMPLES / "nnUNetPlans.json"), "--workers", "2")
    return path
