"""``voxfeed …``: the whole command line of the npm package."""

from __future__ import annotations

import os
import sys

from .errors import VoxfeedError
from .node import find_node, program


def main() -> None:
    """Becomes Node, with the words of this command line."""
    try:
        node = find_node()
        main_file = program()
    except VoxfeedError as error:
        sys.exit(f"error: {error}")
    os.execv(node, [node, str(main_file), *sys.argv[1:]])
