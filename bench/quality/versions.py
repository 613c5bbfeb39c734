"""Prints the releases that quality was compared with, as JSON."""
import json
from importlib.metadata import version

print(json.dumps({name: version(name) for name in ('nnunetv2', 'batchgeneratorsv2', 'torch', 'numpy', 'scipy')}))
