import { describe, expect, it } from 'vitest';
import { MemoryError } from '../../src/common/errors.ts';
import { allocate } from '../../src/shared-memory/allocate.ts';
import { computeLayout, type EntryOptions, type LayoutOptions, reportMemory } from '../../src/shared-memory/layout.ts';
import { Ring } from '../../src/shared-memory/ring.ts';

const volume: EntryOptions = {
  config: '3d_fullres',
  batchSize: 2,
  patchSize: [5, 7, 3],
  patch: [5, 7, 3],
  targets: [
    [5, 7, 3],
    [3, 4, 2],
  ],
  targetChannels: 3,
  targetType: 'int16',
};

const options: LayoutOptions = {
  rings: [3, 2],
  channels: 2,
  configurations: [
    volume,
    { ...volume, config: '2d', batchSize: 7, patchSize: [9, 4], patch: [1, 9, 4], targets: [[1, 9, 4]] },
    { ...volume, config: 'masks', targetType: 'bool' },
  ],
  scratches: 2,
  scratchBytes: 1000,
  labelBytes: 1,
  residentBytes: [100, 0, 5000],
};

describe('layout', () => {
  it.each([0, 1, 2])(
    'gives every batch, sample and scratch a place of its own, aligned for any vector: configuration %i',
    (configuration) => {
      const layout = computeLayout(options);
      const ring = new Ring(new SharedArrayBuffer(layout.totalBytes), layout);
      const areas: [number, number][] = [[layout.headerOffset, layout.scratchOffset]];
      const { batchSize, targets, sampleDataBytes, sampleTargetBytes } = layout.configurations[configuration];
      for (let i = 0; i < options.scratches; i++) areas.push([ring.scratchPointer(i), ring.scratchPointer(i) + options.scratchBytes]);
      for (let entry = 0; entry < 5; entry++) {
        for (let slot = 0; slot < batchSize; slot++) {
          const data = ring.dataPointer(entry, configuration, slot);
          areas.push([data, data + sampleDataBytes]);
          for (const [target, bytes] of sampleTargetBytes.entries()) {
            const at = ring.targetPointer(entry, configuration, slot, target);
            areas.push([at, at + bytes]);
          }
        }
        expect(ring.dataPointer(entry, configuration, 0) % 64).toBe(0);
        for (const target of targets.keys()) expect(ring.targetPointer(entry, configuration, 0, target) % 64).toBe(0);
      }
      for (const [caseNumber, offset] of layout.residentOffsets.entries())
        if (offset !== null) areas.push([offset, offset + options.residentBytes[caseNumber]]);
      expect(layout.residentOffsets[1]).toBeNull();
      areas.sort((a, b) => a[0] - b[0]);
      for (let i = 1; i < areas.length; i++) expect(areas[i][0]).toBeGreaterThanOrEqual(areas[i - 1][1]);
      expect(areas.at(-1)?.[1]).toBeLessThanOrEqual(layout.totalBytes);
    },
  );

  it('has a byte for each voxel of bool targets, two for others', () => {
    const { configurations } = computeLayout(options);
    expect(configurations.map(({ sampleTargetBytes }) => sampleTargetBytes)).toEqual([[630, 144], [216], [315, 72]]);
  });

  it('is summed part by part', () => {
    const layout = computeLayout(options);
    const report = reportMemory(layout, 12_345, 1e9);
    const sum = report.parts.reduce((total, { bytes }) => total + bytes, 0);
    expect(report.totalBytes).toBe(layout.totalBytes + 12_345);
    // What the parts leave out is padding to whole pages.
    expect(report.totalBytes - sum).toBeGreaterThanOrEqual(0);
    expect(report.totalBytes - sum).toBeLessThan(3 * 64 * 1024);
  });

  it('is refused, with its parts, above the limit', () => {
    const layout = computeLayout({ ...options, configurations: [{ ...volume, patch: [128, 128, 128] }] });
    const refused = (): unknown => allocate(layout, reportMemory(layout, 0, 1_000_000));
    expect(refused).toThrow(MemoryError);
    expect(refused).toThrow(/maxMemoryBytes: the loader needs .* MiB \(ring .*scratch .*\), the limit is 976\.6 KiB/);
  });

  it('is refused where one memory cannot be addressed, however high the limit', () => {
    const layout = computeLayout({ ...options, rings: [40], configurations: [{ ...volume, patch: [256, 256, 256] }] });
    expect(() => allocate(layout, reportMemory(layout, 0, Number.MAX_SAFE_INTEGER))).toThrow(/one can have 4\.0 GiB.*smaller `ring`/);
  });
});
