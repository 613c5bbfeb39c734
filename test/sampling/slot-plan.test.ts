import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import type { LabelClass } from '../../src/raw/labels.ts';
import { casesOfBatch, planBatch, planSlot, type Samplable, type Sampling } from '../../src/sampling/slot-plan.ts';

const patch: Triple = [8, 8, 8];
const options: Sampling = {
  seed: 7,
  batchSize: 9,
  patch: { read: patch, final: patch },
  oversampling: { fraction: 0.33, probabilistic: false },
};

function samplable(
  locations: number[][],
  classes: LabelClass[] = [1, 2].map((label) => ({ name: String(label), labels: [label] })),
): Samplable {
  return {
    cases: locations.map((counts) => ({ shape: [20, 30, 40], locations: counts })),
    classes,
    location: (_, classNumber, position) => [10, classNumber, position],
  };
}

describe('plans', () => {
  it('are pure: the same sample gives the same plan, alone or in a row', () => {
    const data = samplable([
      [5, 5],
      [0, 3],
      [0, 0],
    ]);
    const row = Array.from({ length: 100 }, (_, sample) => planSlot(data, options, sample));
    expect(planSlot(data, options, 42)).toEqual(row[42]);
    expect(JSON.parse(JSON.stringify(row))).toEqual(row);
  });

  it('have the cases that are known of a batch before anything is read', () => {
    const data = samplable([
      [5, 5],
      [0, 3],
      [0, 0],
    ]);
    const closed: Samplable = { ...data, location: () => expect.unreachable() };
    for (let batch = 0; batch < 20; batch++)
      expect(casesOfBatch(closed, options, batch)).toEqual(planBatch(data, options, batch).map(({ caseNumber }) => caseNumber));
  });

  it('differ from seed to seed', () => {
    const data = samplable([
      [5, 5],
      [0, 3],
      [0, 0],
    ]);
    const boxes = (seed: number): string =>
      JSON.stringify(Array.from({ length: 9 }, (_, sample) => planSlot(data, { ...options, seed }, sample)));
    expect(boxes(1)).not.toBe(boxes(2));
  });

  it('force the last third of every batch, and no other', () => {
    const data = samplable([[5, 5]]);
    for (let sample = 0; sample < 90; sample++) expect(planSlot(data, options, sample).forced).toBe(sample % 9 >= 6);
  });

  it('fall back to a random box where a forced case has no foreground', () => {
    const data = samplable([[0, 0]]);
    const plan = planSlot(data, options, 8);
    expect(plan).toMatchObject({ forced: true, classNumber: null, voxel: null });
  });

  it('centre a forced box on the drawn voxel', () => {
    const data = samplable([[5, 5]]);
    const { voxel, box } = planSlot(data, options, 8);
    expect(voxel).not.toBeNull();
    const [z, y, x] = voxel as Triple;
    expect(box.lower).toEqual([Math.max(0, z - 4), Math.max(0, y - 4), Math.max(0, x - 4)]);
  });

  it('keep to annotated voxels where there is an ignore label', () => {
    const classes = [
      { name: '1', labels: [1] },
      { name: 'annotated', labels: [-1, 0, 1] },
    ];
    const data = samplable([[4, 9]], classes);
    for (let sample = 0; sample < 90; sample++) {
      const { forced, classNumber } = planSlot(data, options, sample);
      expect(classNumber).toBe(forced ? 0 : 1);
    }
  });

  it('stay exact far into the stream', () => {
    const data = samplable([[5, 5]]);
    const far = Number.MAX_SAFE_INTEGER - 10;
    expect(planSlot(data, options, far)).toEqual(planSlot(data, options, far));
    expect(planSlot(data, options, far)).not.toEqual(planSlot(data, options, far + 9));
  });

  it('with probabilistic oversampling force about the fraction, in any place of the batch', () => {
    const data = samplable([[5, 5]]);
    const drawn = Array.from({ length: 9000 }, (_, sample) =>
      planSlot(data, { ...options, oversampling: { fraction: 0.33, probabilistic: true } }, sample),
    );
    const forced = drawn.filter((plan) => plan.forced);
    expect(Math.abs(forced.length / 9000 - 0.33)).toBeLessThan(5 * Math.sqrt((0.33 * 0.67) / 9000));
    expect(new Set(forced.map(({ sample }) => sample % 9)).size).toBe(9);
  });
});
