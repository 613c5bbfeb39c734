import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { allocate, allocateOnto } from '../../src/shared-memory/allocate.ts';
import { computeLayout, reportMemory } from '../../src/shared-memory/layout.ts';
import { mapRings, ringBytes } from '../../src/shared-memory/mapped-ring.ts';
import { memfd } from '../fixtures/memfd.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const layout = computeLayout({
  rings: [3],
  channels: 1,
  configurations: [
    {
      config: 'a',
      batchSize: 2,
      patchSize: [20, 20, 20],
      patch: [20, 20, 20],
      targets: [[20, 20, 20]],
      targetChannels: 1,
      targetType: 'int16',
    },
  ],
  scratches: 1,
  scratchBytes: 64,
  labelBytes: 1,
  residentBytes: [5000],
});
const report = reportMemory(layout, 0, Number.MAX_SAFE_INTEGER);

afterEach(() => vi.unstubAllEnvs());

describe('mapped rings', () => {
  it('lie in the file, to its last byte and to nothing else', () => {
    const fd = memfd();
    const { memory, notMapped } = allocateOnto(fd, layout, report);
    expect(notMapped).toBeNull();
    expect(fstatSync(fd).size).toBe(ringBytes(layout));
    const rings = new Uint8Array(memory.buffer, layout.ringOffset, ringBytes(layout));
    expect(rings.every((value) => value === 0)).toBe(true);
    new Uint8Array(memory.buffer).fill(1, 0, layout.ringOffset);
    rings.set([5], 0);
    rings.set([6], rings.length - 1);
    const seen = Buffer.alloc(ringBytes(layout));
    readSync(fd, seen, 0, seen.length, 0);
    expect([seen[0], seen.at(-1), seen.subarray(1, -1).every((value) => value === 0)]).toEqual([5, 6, true]);
  });

  it('are not there, and it is said why, where the file is none, or somebody does not want them', () => {
    const closed = openSync(join(temporaryFolder(), 'file'), 'w+');
    closeSync(closed);
    expect(allocateOnto(closed, layout, report).notMapped).toMatch(/EBADF/);
    const readOnly = openSync('/dev/null', 'r');
    expect(mapRings(allocate(layout, report), layout, readOnly)).toMatch(/EINVAL|EBADF/);
    vi.stubEnv('VOXFEED_NO_MAP', '1');
    expect(allocateOnto(memfd(), layout, report).notMapped).toBe('VOXFEED_NO_MAP is set');
  });

  it('leave a memory of its own where they could not be mapped', () => {
    vi.stubEnv('VOXFEED_NO_MAP', '1');
    const fd = memfd();
    const { memory } = allocateOnto(fd, layout, report);
    new Uint8Array(memory.buffer).fill(1);
    expect(fstatSync(fd).size).toBe(0);
  });
});
