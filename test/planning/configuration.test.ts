import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import { type ConfigurationInput, planConfiguration } from '../../src/planning/configuration.ts';
import { PLANNER, PLANNERS } from '../../src/planning/planners.ts';
import { featureMapSize } from '../../src/plans/network.ts';

/** The lung data set of nnU-Net's documentation at full resolution. */
const LUNG: ConfigurationInput = {
  spacing: [1.244979977607727, 0.78515625, 0.78515625],
  median: [252, 512, 512],
  datasetVoxels: 252 * 512 * 512 * 63,
  heads: 2,
  planner: PLANNER.default,
  gpuMemoryGb: 8,
};
const FLAT: ConfigurationInput = { ...LUNG, spacing: LUNG.spacing.slice(1), median: LUNG.median.slice(1) };
const SMALL: ConfigurationInput = { ...LUNG, spacing: [1, 1, 1], median: [36, 50, 35], datasetVoxels: 36 * 50 * 35 * 260, heads: 3 };

describe('the reasons for a patch', () => {
  it('lead from the spacing to the patch, step by step', () => {
    const { patch, reasons, size, network } = planConfiguration(LUNG);
    expect(patch).toEqual([80, 192, 160]);
    expect(reasons.fromSpacing).toEqual([188, 299, 299]);
    expect(reasons.withinMedian).toEqual([188, 299, 299]);
    expect(reasons.divisible).toEqual([192, 320, 320]);
    let at = [...reasons.divisible];
    let before = reasons.reductions[0].size;
    for (const { axis, from, to, size: large, sizeAfter } of reasons.reductions) {
      expect([at[axis], large]).toEqual([from, before]);
      expect(to).toBeLessThan(from);
      expect(sizeAfter).toBeLessThan(large);
      // Too large until the last step.
      expect(large).toBeGreaterThan(reasons.allowedSize);
      at = at.with(axis, to);
      before = sizeAfter;
    }
    expect(at).toEqual(patch);
    expect(before).toBe(size);
    expect(size).toBeLessThanOrEqual(reasons.allowedSize);
    expect(size).toBe(featureMapSize(network, patch, 2));
  });

  it('have no reductions where the first patch fits', () => {
    const { patch, reasons, batch } = planConfiguration(SMALL);
    expect(patch).toEqual([40, 56, 40]);
    expect(reasons.fromSpacing).toEqual([256, 256, 256]);
    expect(reasons.withinMedian).toEqual([36, 50, 35]);
    expect(reasons.reductions).toEqual([]);
    expect([reasons.batchByMemory, reasons.batchByDataset, batch]).toEqual([58, 9, 9]);
  });

  it('keep half a voxel of the median', () => {
    const { reasons, patch } = planConfiguration({ ...SMALL, median: [36.5, 50.5, 35] });
    expect(reasons.withinMedian).toEqual([36.5, 50.5, 35]);
    expect(patch).toEqual([40, 56, 40]);
  });
});

describe('the batch', () => {
  it('is the smaller one of what memory and the data set allow, but 2 at least', () => {
    for (const datasetVoxels of [1e5, 1e7, 4e7, 1e8, 1e10]) {
      const { batch, reasons, patch } = planConfiguration({ ...SMALL, datasetVoxels });
      expect(reasons.batchByDataset).toBe(Math.round((datasetVoxels * 0.05) / (patch[0] * patch[1] * patch[2])));
      expect(batch).toBe(Math.max(2, Math.min(reasons.batchByMemory, reasons.batchByDataset)));
    }
    expect(planConfiguration({ ...SMALL, datasetVoxels: 1e5 }).batch).toBe(2);
  });

  it('of the planners M to XL may cover the whole data set, of the older residual one a twentieth', () => {
    const coverage = PLANNERS.map((name) => planConfiguration({ ...SMALL, planner: PLANNER[name] }).reasons.batchByDataset);
    expect(coverage).toEqual([9, 9, 183, 183, 183]);
  });
});

describe('the memory of the GPU', () => {
  it('scales what a network may be', () => {
    const [half, whole, double] = [4, 8, 16].map((gpuMemoryGb) => planConfiguration({ ...LUNG, gpuMemoryGb }));
    expect([half, whole, double].map(({ reasons }) => reasons.allowedSize)).toEqual([280e6, 560e6, 1120e6]);
    expect(half.size).toBeLessThan(whole.size);
    expect(whole.size).toBeLessThan(double.size);
    expect(double.size).toBeLessThanOrEqual(1120e6);
  });

  it('makes batches larger where patches cannot grow', () => {
    const batches = [8, 16, 80].map((gpuMemoryGb) => planConfiguration({ ...SMALL, gpuMemoryGb, datasetVoxels: 1e10 }).batch);
    expect(batches).toEqual([58, 117, 584]);
  });

  it('is taken for batches of two by the default planner in 2D, for batches of twelve by the residual ones', () => {
    expect(planConfiguration(FLAT)).toMatchObject({ patch: [512, 512], batch: 12 });
    // A network six times too large for a batch of 12 is not, for the default planner: it makes the batch smaller.
    const plain = planConfiguration({ ...FLAT, gpuMemoryGb: 2 });
    expect(plain).toMatchObject({ patch: [512, 512], batch: 3 });
    const residual = planConfiguration({ ...FLAT, gpuMemoryGb: 2, planner: PLANNER['resenc-m'] });
    expect(residual.batch).toBeGreaterThanOrEqual(12);
    expect(residual.patch[0]).toBeLessThan(512);
  });

  it.each([1e-8, 1e-20, Number.MIN_VALUE])('of %s GB is refused: no patch fits', (gpuMemoryGb) => {
    for (const input of [LUNG, FLAT, SMALL]) {
      expect(() => planConfiguration({ ...input, gpuMemoryGb })).toThrow(OptionError);
      expect(() => planConfiguration({ ...input, gpuMemoryGb })).toThrow(/^gpuMemoryGb: no patch fits into .* GB\. .*for example 8$/);
    }
  });
});
