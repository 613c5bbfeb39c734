import { describe, expect, it } from 'vitest';
import { showPlan } from '../../src/cli/plan-table.ts';
import type { DatasetFingerprint } from '../../src/planning/fingerprint.ts';
import type { PlanReport } from '../../src/preprocessing/plan-dataset.ts';
import type { RawDataset } from '../../src/raw/raw-dataset.ts';
import { describeDataset, LUNG, type PlannedDataset, plan } from '../fixtures/experiment.ts';

/** The table for a data set, with advice that says which configuration it is for. */
function show(dataset: PlannedDataset): string {
  const experiment = plan(dataset);
  const report: PlanReport = {
    ...experiment,
    dataset: { ...describeDataset(dataset), dir: 'raw', notes: [], cases: Array.from({ length: dataset.cases }) } as RawDataset,
    fingerprint: { median_relative_size_after_cropping: dataset.relativeSize ?? 1 } as DatasetFingerprint,
    oversampling: experiment.decisions.map(({ name }, i) => ({
      configuration: name,
      advice: { recommended: [0.2, 0.3, 0.4][i], reason: `because of ${name}`, any: 0.25 * (i + 1), classes: [] },
      cases: [],
    })),
    notes: [],
  };
  return showPlan(report);
}

describe('the table of plans', () => {
  it('has a column for each configuration, one below the other', () => {
    const lines = show(LUNG).split('\n');
    const at = lines.findIndex((line) => line.trimStart().startsWith('2d '));
    expect(lines[at].trim().split(/ {2,}/)).toEqual(['2d', '3d_lowres', '3d_fullres']);
    const columns = ['2d', '3d_lowres', '3d_fullres'].map((name) => lines[at].indexOf(name));
    const patch = lines.find((line) => line.startsWith('patch ')) as string;
    expect(['512x512', '80x192x160', '80x192x160'].map((size, i) => patch.startsWith(size, columns[i]))).toEqual([true, true, true]);
    const cell = (title: string) => (lines.find((line) => line.startsWith(`${title}  `)) ?? '').slice(columns[0]).split(/ {2,}/);
    expect(cell('batch')).toEqual(['12', '2', '2']);
    expect(cell('random patches see')).toEqual(['25.0 %', '50.0 %', '75.0 %']);
    expect(cell('advice: --oversample')).toEqual(['0.2', '0.3', '0.4']);
    expect(lines.every((line) => line === line.trimEnd())).toBe(true);
  });

  it('mentions the cascade where there is one, and gives reasons for every configuration', () => {
    const text = show(LUNG);
    expect(text).toContain('3d_cascade_fullres: as 3d_fullres, after 3d_lowres');
    for (const name of ['2d', '3d_lowres', '3d_fullres']) {
      expect(text).toContain(`\n${name}:\n  patch `);
      expect(text).toContain(`oversampling: because of ${name}`);
    }
    expect(text).toMatch(/axis 2 from \d+ to \d+: the network was too large, [\d.]+M, now [\d.]+M of 560\.0M\n/);
    expect(text).toContain('80x192x160 it is');
    expect(show({ ...LUNG, shape: [40, 60, 60] })).not.toContain('cascade');
  });

  it('says how axes are ordered, and how much of the volumes is not zero', () => {
    expect(show(LUNG)).toContain('ExperimentPlanner for 8 GB, a card of 10; axes z, y, x\n');
    const turned = show({ ...LUNG, shape: [512, 512, 60], spacing: [0.8, 0.8, 3], relativeSize: 0.4321 });
    expect(turned).toContain('axes x, z, y (the coarsest first)');
    expect(turned).toContain('43.21 % of it inside the nonzero region');
  });

  it('counts the classes that are named, and not that of the annotated voxels', () => {
    expect(show({ ...LUNG, labels: { whole: [1, 2], core: 2 } })).toContain('63 cases, 1 channel (MRI), 2 classes\n');
    expect(show({ ...LUNG, labels: { a: 1, b: 2, ignore: 3 }, channels: ['T1', 'T2'] })).toContain('2 channels (T1, T2), 2 classes\n');
  });
});
