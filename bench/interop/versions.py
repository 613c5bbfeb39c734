"""Warns where PyPI has a newer release than the one that voxfeed follows (`versions.json`), and where another one is installed here.

    python bench/interop/versions.py

Asks this Python's pip. Exits with 0 whatever it finds, also where PyPI cannot be asked, which it says: a new release is a reason to
record the golden data again with `golden.py` and to look at what changed, not a fault of the commit at hand.
"""
import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLLOWED = json.loads(Path(__file__).with_name('versions.json').read_text())


def latest(name):
    """The newest release on PyPI, or None if it cannot be told."""
    command = [sys.executable, '-m', 'pip', 'index', 'versions', name, '--disable-pip-version-check', '--retries', '0', '--timeout', '10']
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    found = re.match(rf'{re.escape(name)} \(([^)]+)\)', answer.stdout, re.IGNORECASE)
    return found[1] if answer.returncode == 0 and found else None


def numbers(release):
    return [int(part) for part in re.findall(r'\d+', release)]


def installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


reachable = True
for name, followed in FOLLOWED.items():
    newest, here = latest(name) if reachable else None, installed(name)
    if newest is None:
        print(f'{name}: voxfeed follows {followed}; PyPI could not be asked for newer releases')
        reachable = False
    elif numbers(newest) > numbers(followed):
        print(f'warning: {name} {newest} is on PyPI, voxfeed follows {followed}: record the golden data again with bench/interop/golden.py')
    else:
        print(f'{name}: voxfeed follows {followed}, the newest release')
    if here not in (None, followed):
        print(f'warning: {name} {here} is installed here, voxfeed follows {followed}')
