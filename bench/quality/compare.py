"""Compares what two loaders drew and made: tests whether both come from one distribution.

    python bench/quality/compare.py NNUNET.json VOXFEED.json

Prints rows: what, the test, its statistic and p-value, and what both sides look like. Counts: chi-square over a table of two lines, sparse
columns joined. Numbers, rounded to 1e-5: the two-sample Kolmogorov-Smirnov test. Needs scipy.
"""
import json
import sys

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp

theirs, ours = (json.load(open(path)) for path in sys.argv[1:3])
rows = []


def row(name, test, statistic, p, nnunet, voxfeed):
    rows.append({'name': name, 'test': test, 'statistic': float(statistic), 'p': float(p), 'nnunet': nnunet, 'voxfeed': voxfeed})


def counts(name, a, b, show=None):
    """Two lists of values of a few kinds. Neighbours are joined until a column has 20."""
    kinds = sorted(set(a) | set(b))
    table = np.array([[column.count(kind) for kind in kinds] for column in (list(a), list(b))])
    joined, pending = [], np.zeros(2, int)
    for column in table.T:
        pending = pending + column
        if pending.sum() >= 20:
            joined.append(pending)
            pending = np.zeros(2, int)
    if pending.sum() and joined:
        joined[-1] = joined[-1] + pending
    summary = lambda line: show(line) if show else f'{len(kinds)} values'
    if len(joined) < 2:
        row(name, 'equal' if (table[0] == table[1]).all() else 'chi-square', 0, 1, summary(table[0]), summary(table[1]))
        return
    result = chi2_contingency(np.array(joined).T, correction=False)
    row(name, f'chi-square, {result.dof} df', result.statistic, result.pvalue, summary(table[0]), summary(table[1]))


def rate(name, fired, of):
    table = [[count, total - count] for count, total in zip(fired, of)]
    if sum(fired) in (0, sum(of)):
        return row(name, 'equal', 0, 1, *[f'{100 * count / total:.2f} %' for count, total in zip(fired, of)])
    result = chi2_contingency(table, correction=False)
    row(name, 'chi-square, 1 df', result.statistic, result.pvalue, *[f'{100 * count / total:.2f} %' for count, total in zip(fired, of)])


def numbers(name, a, b):
    # Means of whole volumes are 0 but for what arithmetic in float32 leaves, which is no property of a distribution: below 1e-7 lie 18 % of
    # nnU-Net's and 27 % of ours, below 1e-5 30 and 29 %.
    result = ks_2samp(np.round(a, 5), np.round(b, 5))
    show = lambda values: f'{np.mean(values):.4g} ± {np.std(values):.3g}'
    row(name, 'Kolmogorov-Smirnov', result.statistic, result.pvalue, show(a), show(b))


def chosen(samples, column, forced):
    flags = samples['boxes']['forced']
    values = samples['boxes'][column] if isinstance(column, str) else samples['boxes']['lower'][column]
    return [value for value, flag in zip(values, flags) if flag == forced]


share = lambda line: ', '.join(f'{100 * count / line.sum():.1f} %' for count in line)
rate('boxes: forced', [sum(side['boxes']['forced']) for side in (theirs, ours)], [len(side['boxes']['forced']) for side in (theirs, ours)])
counts('boxes: cases', theirs['boxes']['case'], ours['boxes']['case'])
counts('boxes: class at the centre of forced ones', chosen(theirs, 'class', 1), chosen(ours, 'class', 1), share)
for forced, name in ((1, 'forced'), (0, 'random')):
    for axis in range(3):
        a, b = chosen(theirs, axis, forced), chosen(ours, axis, forced)
        counts(f'boxes: first voxel of {name} ones, axis {axis}', a, b, None)
        rows[-1].update({'nnunet': f'{np.mean(a):.2f} ± {np.std(a):.2f}', 'voxfeed': f'{np.mean(b):.2f} ± {np.std(b):.2f}'})
for name, values in theirs['patches'].items():
    numbers(f'patches: {name}', values, ours['patches'][name])
for name in [name for name in theirs['patches'] if name.startswith('voxels of label')]:
    held = [side['patches'][name] for side in (theirs, ours)]
    rate(f'patches: that hold {name.removeprefix("voxels of ")}', [sum(v > 0 for v in side) for side in held], [len(side) for side in held])
for name in theirs['transforms']['fired']:
    sides = [side['transforms'] for side in (theirs, ours)]
    rate(f'transforms: {name}', [side['fired'].get(name, 0) for side in sides], [side['samples'] for side in sides])
print(json.dumps(rows))
