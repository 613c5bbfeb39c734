"""All that is worth knowing of the trainer on this machine's GPU, in under eight minutes:

    python3 bench/gpu/run.py [--out RESULT_JSON] [--carry CARRY_TAR_XZ | --node NODE] [--tiny]

Needs a checkout of voxfeed, Python with PyTorch and an NVIDIA driver with Vulkan, and no network. What else is needed (Node, webgpu, the
libraries of voxfeed) comes in one archive of about 45 MB, which `node bench/gpu/pack.ts` makes elsewhere; without --carry, Node and the
packages of the checkout are taken. Stages run one after the other, each in processes of its own: the adapter, products on matrix units
against float64, training steps with the usual tiles, then with measured ones and a profile of every kernel, the same steps in PyTorch,
training on hippocampus cases for three minutes, PyTorch compiled. The result is written after each stage: whatever fails or is cut off
leaves the rest. --tiny rehearses all of it on a software Vulkan in some minutes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser()
parser.add_argument("--out", default="gpu.json")
parser.add_argument("--carry")
parser.add_argument("--node", default=str(ROOT / "node_modules/.bin/node"), help="where nothing is carried")
parser.add_argument("--tiny", action="store_true")
parser.add_argument("--minutes", type=float, default=7.8, help="when what still runs is cut off; a rehearsal on a busy CPU takes longer")
arguments = parser.parse_args()
deadline = time.monotonic() + 60 * arguments.minutes
work = Path(tempfile.mkdtemp(prefix="voxfeed-gpu-"))
result = {"date": time.strftime("%Y-%m-%d"), "tiny": arguments.tiny, "stages": {}}
# What is measured of tiles is for this run alone.
environment = {**os.environ, "XDG_CACHE_HOME": str(work / "cache")}
TINY = ["--tiny"] if arguments.tiny else []


def save():
    Path(arguments.out).write_text(json.dumps(result, indent=1) + "\n")


def node():
    """The path of Node, and where its packages are: those that were carried lie in the checkout, unless it has its own."""
    if arguments.carry:
        with tarfile.open(arguments.carry) as archive:
            # Pythons before 3.12 may have no filters.
            archive.extractall(ROOT, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        carried = ROOT / "node_modules/.carried"
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [environment.get("LD_LIBRARY_PATH"), str(carried)]))
        return str(carried / "node")
    return arguments.node


def stage(name, command, seconds):
    """Runs a stage for so many seconds at most. What it wrote so far counts, and what it printed last if it failed."""
    path = work / f"{name}.json"
    left = deadline - time.monotonic()
    began = time.monotonic()
    entry = {}
    if left < 5:
        entry["error"] = "there was no time left"
    else:
        print(f"== {name}", file=sys.stderr, flush=True)
        try:
            done = subprocess.run(
                [part.replace("RESULT", str(path)) for part in command],
                env=environment, cwd=ROOT, timeout=left if arguments.tiny else min(seconds, left), stdout=sys.stderr, stderr=subprocess.PIPE, text=True,
            )
            sys.stderr.write(done.stderr)
            if done.returncode != 0:
                entry["error"] = done.stderr[-2000:] or f"status {done.returncode}"
        except subprocess.TimeoutExpired:
            entry["error"] = f"cut off after {time.monotonic() - began:.0f} s"
        except OSError as error:
            entry["error"] = str(error)
    if path.exists():
        entry["found"] = json.loads(path.read_text())
    entry["seconds"] = round(time.monotonic() - began, 1)
    result["stages"][name] = entry
    save()
    return entry.get("found")


def driver():
    """What nvidia-smi says, if there is one."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True).stdout.strip()


def goals():
    """Of the plain networks: how many times as long as PyTorch a step takes."""
    ours = result["stages"].get("steps", {}).get("found") or {}
    theirs = result["stages"].get("pytorch", {}).get("found") or {}
    pairs = [("float32", "float32"), ("mixed", "amp")]
    ratios = {}
    for shape, times in ours.items():
        for own, peer in pairs:
            a, b = times.get(own, {}).get("ms"), theirs.get(shape, {}).get(peer, {}).get("ms")
            if a and b:
                ratios[f"{shape}, {own} to PyTorch {peer}"] = round(a / b, 3)
    return ratios


result["gpu"] = driver()
NODE = node()
measure = [NODE, "bench/gpu/measure.ts"]
stage("adapter", [*measure, "adapter", "RESULT", *TINY], 60)
stage("shapes", [*measure, "shapes", "RESULT", *TINY], 30)
stage("kernels", [*measure, "kernels", "RESULT", *TINY], 60)
stage("steps", [*measure, "steps", "RESULT", *TINY], 150)
pytorch = [sys.executable, "bench/gpu/pytorch_step.py", str(work / "shapes.json"), "RESULT", "--steps", "2" if arguments.tiny else "10"]
stage("pytorch", pytorch, 90)
seconds = 20 if arguments.tiny else max(30, min(180, deadline - time.monotonic() - 40))
stage("hippocampus", [*measure, "hippocampus", "RESULT", "--seconds", str(int(seconds)), *TINY], seconds + 90)
if result["gpu"]:
    stage("pytorch_compiled", [*pytorch, "--compile"], 120)
del result["stages"]["shapes"]
result["ratios"] = goals()
save()
shutil.rmtree(work)
print(json.dumps(result["ratios"], indent=1))
sys.exit(any("error" in entry for name, entry in result["stages"].items() if name != "pytorch_compiled"))
