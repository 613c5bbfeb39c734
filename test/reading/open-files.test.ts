import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OpenFiles } from '../../src/reading/open-files.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** Files of `dir` that this process has open; Linux only tells. */
function openIn(dir: string): number {
  const { readlinkSync } = process.getBuiltinModule('node:fs');
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir);
    } catch {
      return false;
    }
  }).length;
}

describe.runIf(process.platform === 'linux')('open files', () => {
  it('are bounded, reused, and closed', async () => {
    const dir = join(temporaryFolder(), 'store');
    const { cases } = await makeStore(dir, { shapes: Array(6).fill([4, 4, 4]) });
    const files = new OpenFiles({ dir, format: 'npy', cases, channels: 1, labelBytes: 1, previous: null }, 3);
    for (const round of [0, 1, 2]) for (let i = 0; i < 6; i++) expect(files.get((i * (round + 1)) % 6).data.path).toContain('case_');
    expect(openIn(dir)).toBe(6);
    expect(files.get(0)).toBe(files.get(0));
    files.close(0);
    expect(openIn(dir)).toBe(4);
    for (const number of cases.keys()) files.close(number);
    expect(openIn(dir)).toBe(0);
  });
});
