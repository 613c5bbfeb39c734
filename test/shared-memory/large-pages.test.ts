import { existsSync, readFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { letGoOf, takeMemory } from '../../src/shared-memory/reuse.ts';

const MIB = 2 ** 20;
const PAGES_PER_MIB = 16;
const canPrefer = process.platform === 'linux' && existsSync('/sys/kernel/mm/transparent_hugepage/enabled');

/** Bytes of all mappings of this process that Linux was asked to give large pages ("hg"). */
function advisedBytes(): number {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const advised = mappings.filter((mapping) => /^VmFlags:.* hg( |$)/m.test(mapping));
  return advised.reduce((sum, mapping) => sum + 1024 * Number(/^Size: +([0-9]+) kB/m.exec(mapping)?.[1]), 0);
}

afterEach(() => vi.unstubAllEnvs());

it.runIf(canPrefer)('are asked for under a large memory, under what it grows by, and nowhere else', () => {
  const before = advisedBytes();
  const small = takeMemory(64 * PAGES_PER_MIB, 0);
  expect(advisedBytes() - before).toBe(0);
  const large = takeMemory(160 * PAGES_PER_MIB, 0);
  expect(advisedBytes() - before).toBe(160 * MIB);
  letGoOf(large);
  expect(takeMemory(200 * PAGES_PER_MIB, 0)).toBe(large);
  expect(advisedBytes() - before).toBe(200 * MIB);
  expect([small, large].map(({ buffer }) => buffer.byteLength)).toEqual([64 * MIB, 200 * MIB]);
});

it.runIf(canPrefer)('are not asked for where nobody wants calls of the system', () => {
  vi.stubEnv('VOXFEED_NO_MAP', '1');
  const before = advisedBytes();
  const memory = takeMemory(300 * PAGES_PER_MIB, 0);
  expect(advisedBytes() - before).toBe(0);
  expect(memory.buffer.byteLength).toBe(300 * MIB);
});
