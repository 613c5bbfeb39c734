import { describe, expect, it } from 'vitest';
import { MemoryError } from '../../src/errors.ts';
import { allocate } from '../../src/shared-memory/allocate.ts';
import { computeLayout, type LayoutOptions, reportMemory } from '../../src/shared-memory/layout.ts';
import { Ring } from '../../src/shared-memory/ring.ts';

const options: LayoutOptions = {
  ring: 3,
  batchSize: 2,
  channels: 2,
  patch: [5, 7, 3],
  targets: [
    [5, 7, 3],
    [3, 4, 2],
  ],
  targetChannels: 3,
  scratches: 2,
  scratchBytes: 1000,
  labelBytes: 1,
  residentBytes: [100, 5000],
};

describe('layout', () => {
  it('gives every batch, sample and scratch a place of its own, aligned for any vector', () => {
    const layout = computeLayout(options);
    const ring = new Ring(new SharedArrayBuffer(layout.totalBytes), layout);
    const areas: [number, number][] = [[layout.headerOffset, layout.scratchOffset]];
    for (let i = 0; i < options.scratches; i++) areas.push([ring.scratchPointer(i), ring.scratchPointer(i) + options.scratchBytes]);
    for (let entry = 0; entry < options.ring; entry++) {
      for (let slot = 0; slot < options.batchSize; slot++) {
        areas.push([ring.dataPointer(entry, slot), ring.dataPointer(entry, slot) + layout.sampleDataBytes]);
        for (const [target, bytes] of layout.sampleTargetBytes.entries())
          areas.push([ring.targetPointer(entry, slot, target), ring.targetPointer(entry, slot, target) + bytes]);
      }
      expect(ring.dataPointer(entry, 0) % 64).toBe(0);
      for (const target of options.targets.keys()) expect(ring.targetPointer(entry, 0, target) % 64).toBe(0);
    }
    areas.sort((a, b) => a[0] - b[0]);
    for (let i = 1; i < areas.length; i++) expect(areas[i][0]).toBeGreaterThanOrEqual(areas[i - 1][1]);
    expect(areas.at(-1)?.[1]).toBeLessThanOrEqual(layout.totalBytes);
  });

  it('is summed part by part', () => {
    const layout = computeLayout(options);
    const report = reportMemory(layout, 12_345, 1e9);
    const sum = report.parts.reduce((total, { bytes }) => total + bytes, 0);
    expect(report.totalBytes).toBe(layout.totalBytes + 12_345);
    // What the parts leave out is padding to whole pages.
    expect(report.totalBytes - sum).toBeGreaterThanOrEqual(0);
    expect(report.totalBytes - sum).toBeLessThan(2 * 64 * 1024);
  });

  it('is refused, with its parts, above the limit', () => {
    const layout = computeLayout({ ...options, patch: [128, 128, 128] });
    const refused = (): unknown => allocate(layout, reportMemory(layout, 0, 1_000_000));
    expect(refused).toThrow(MemoryError);
    expect(refused).toThrow(/maxMemoryBytes: the loader needs .* MiB \(ring .*scratch .*\), the limit is 976\.6 KiB/);
  });

  it('is refused where one memory cannot be addressed, however high the limit', () => {
    const layout = computeLayout({ ...options, ring: 40, patch: [256, 256, 256] });
    expect(() => allocate(layout, reportMemory(layout, 0, Number.MAX_SAFE_INTEGER))).toThrow(/one can have 4\.0 GiB.*smaller `ring`/);
  });
});
