"""How far loss curves of the same training are apart: between loaders, and between seeds of the same loader.

    python bench/interop/curve_report.py OUT_DIR RUN.json ...

Takes the runs that `curves.py` wrote. Prints the loss of each, as the mean of the 25 steps before some steps, and for each two of them
the mean absolute difference of their curves, smoothed over 25 steps. Writes `loss-curves.json`, with versions, all losses and these
differences, and the picture `loss-curves.png` into OUT_DIR.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

#: Steps of an epoch, and of the window that smooths a curve.
WINDOW = 25
PACKAGES = ("nnunetv2", "batchgeneratorsv2", "torch", "numpy", "voxfeed")


def report(paths: list[Path], out: Path) -> None:
    """Prints the tables, and writes record and picture."""
    runs = [json.loads(path.read_text()) for path in paths]
    if len({(run["weights_before"], len(run["losses"])) for run in runs}) != 1:
        sys.exit(f"error: {out}: the runs have other initial weights or other lengths. Remove them and train again")
    runs.sort(key=lambda run: (run["loader"], run["seed"]))
    steps = len(runs[0]["losses"])
    ends = sorted({end for end in (25, 50, 100, 200, 300, 400, 500, steps) if end <= steps})
    print("| loader | seed |", *(f"{end} |" for end in ends), "all |")
    for run in runs:
        means = [np.mean(run["losses"][end - WINDOW : end]) for end in ends]
        print(f"| {run['loader']} | {run['seed']} |", *(f"{mean:.3f} |" for mean in (*means, np.mean(run["losses"]))))
    found = differences(runs)
    for each in found:
        print(f"between {each['between']}: {' and '.join(each['runs'])}: {each['mean_absolute_difference']:.4f}")
    record = {"environment": environment(), "window": WINDOW, "differences": found, "runs": runs}
    (out / "loss-curves.json").write_text(json.dumps(record))
    draw(runs, out / "loss-curves.png")


def smoothed(run: dict[str, Any]) -> np.ndarray:
    """The mean of each window of neighbouring steps."""
    return np.convolve(run["losses"], np.ones(WINDOW) / WINDOW, "valid")


def differences(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean absolute difference of the smoothed curves of each two runs, those of the same loader first."""
    found = [
        {
            "between": "seeds" if a["loader"] == b["loader"] else "loaders",
            "runs": [f"{run['loader']} {run['seed']}" for run in (a, b)],
            "mean_absolute_difference": round(float(np.abs(smoothed(a) - smoothed(b)).mean()), 4),
        }
        for a, b in combinations(runs, 2)
    ]
    return sorted(found, key=lambda each: each["between"], reverse=True)


def environment() -> dict[str, Any]:
    """What the runs were made with."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {**{name: version(name) for name in PACKAGES}, "python": platform.python_version(), "node": node, "cores": os.cpu_count()}


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """The smoothed curves: a colour a loader, a dash a seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), dpi=100, layout="constrained")
    for run in runs:
        curve = smoothed(run)
        colour, dash = "tab:orange" if run["loader"] == "voxfeed" else "tab:blue", "-" if run["seed"] == 1 else "--"
        axes.plot(np.arange(len(curve)) + WINDOW, curve, dash, color=colour, linewidth=1.2, label=f"{run['loader']}, seed {run['seed']}")
    axes.set(xlabel="training steps", ylabel=f"loss, mean of the {WINDOW} steps before")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    report([Path(each) for each in sys.argv[2:]], Path(sys.argv[1]))
