import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { allocate } from '../../src/shared-memory/allocate.ts';
import { computeLayout, type LayoutOptions, reportMemory } from '../../src/shared-memory/layout.ts';
import { Ring } from '../../src/shared-memory/ring.ts';
import { joinCases } from '../../src/shared-memory/shared-cases.ts';

const options: LayoutOptions = {
  rings: [1],
  channels: 1,
  configurations: [
    { config: 'a', batchSize: 2, patchSize: [2, 2, 2], patch: [2, 2, 2], targets: [[2, 2, 2]], targetChannels: 1, targetType: 'int16' },
  ],
  scratches: 1,
  scratchBytes: 64,
  labelBytes: 1,
  residentBytes: [200_000, 64],
};

/** Of this run: others on the machine must not be met. */
const RUN = randomUUID();

interface Joined {
  fd: number;
  ring: Ring;
  /** The first case. */
  voxels: Uint8Array;
}

/** What a process does to have the cases. @param others what ranks may differ in */
function joined(contents: string, others: Partial<LayoutOptions> = {}): Joined {
  const layout = computeLayout({ ...options, ...others });
  const memory = allocate(layout, reportMemory(layout, 0, Number.MAX_SAFE_INTEGER));
  const fd = joinCases(memory, layout, RUN + contents);
  if (fd === null) throw new Error('the system refused');
  const voxels = new Uint8Array(memory.buffer, layout.residentOffsets[0] as number, layout.residentBytes[0]);
  return { fd, ring: new Ring(memory.buffer as SharedArrayBuffer, layout), voxels };
}

const source = (name: string): string => JSON.stringify(join(import.meta.dirname, '../../src/shared-memory', name));
/** Another process that joins, does something with `ring` and `voxels`, says what came of it, and stays. */
async function inAnother(contents: string, code: string): Promise<{ child: ChildProcess; said: unknown }> {
  const program = `
    import { allocate } from ${source('allocate.ts')};
    import { computeLayout, reportMemory } from ${source('layout.ts')};
    import { Ring } from ${source('ring.ts')};
    import { joinCases } from ${source('shared-cases.ts')};
    const layout = computeLayout(${JSON.stringify(options)});
    const memory = allocate(layout, reportMemory(layout, 0, Number.MAX_SAFE_INTEGER));
    joinCases(memory, layout, '${RUN + contents}');
    const voxels = new Uint8Array(memory.buffer, layout.residentOffsets[0], layout.residentBytes[0]);
    const ring = new Ring(memory.buffer, layout);
    console.log(JSON.stringify((() => { ${code} })()));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [said] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  return { child, said: JSON.parse(String(said)) };
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

describe('shared cases', () => {
  it('are loaded by one, for all that have the same, whatever else they differ in', () => {
    const [one, two] = [joined('same'), joined('same', { rings: [3], scratchBytes: 999_999 })];
    const others = [joined('other'), joined('same', { residentBytes: [200_000, 128] })];
    expect(one.ring.beginLoading(0)).toBe(true);
    expect(two.ring.beginLoading(0)).toBe(false);
    one.voxels.fill(7);
    one.ring.endLoading(0, true);
    expect([two.ring.isResident(0), two.ring.isResident(1)]).toEqual([true, false]);
    expect(two.voxels.every((value) => value === 7)).toBe(true);
    for (const { ring, voxels } of others) {
      expect(ring.isResident(0)).toBe(false);
      expect(voxels.every((value) => value === 0)).toBe(true);
    }
    for (const { fd } of [one, two, ...others]) closeSync(fd);
  });

  it('stay as long as any process has them, whoever made them, and no longer', async () => {
    const first = await inAnother('stay', 'ring.beginLoading(0); voxels.fill(5); ring.endLoading(0, true); return true');
    const mine = joined('stay');
    expect(mine.ring.isResident(0)).toBe(true);
    await kill(first.child);
    expect(mine.voxels.every((value) => value === 5)).toBe(true);
    const look = 'return [ring.isResident(0), voxels[0], voxels.at(-1)]';
    const second = await inAnother('stay', look);
    expect(second.said).toEqual([true, 5, 5]);
    closeSync(mine.fd);
    // Mine is no longer to be found, the second's is.
    expect((await inAnother('stay', look)).said).toEqual([true, 5, 5]);
  });

  it('are gone when the last process is killed', async () => {
    const { child } = await inAnother('gone', 'ring.beginLoading(0); ring.endLoading(0, true); return true');
    await kill(child);
    const { ring, fd } = joined('gone');
    expect(ring.isResident(0)).toBe(false);
    closeSync(fd);
  });

  it('are loaded by another where a process was killed in the middle, and not before', async () => {
    const { child } = await inAnother('killed', 'return ring.beginLoading(0)');
    const { ring, fd } = joined('killed');
    expect(ring.beginLoading(0)).toBe(false);
    // What this process knows of its own workers says nothing about those of others.
    ring.forgetLoading();
    expect(ring.beginLoading(0)).toBe(false);
    await kill(child);
    expect(ring.beginLoading(0)).toBe(true);
    closeSync(fd);
  });

  it('are the same for processes that come at the same moment', async () => {
    const came = await Promise.all([0, 1, 2].map(() => inAnother('together', 'return ring.beginLoading(0)')));
    expect(came.filter(({ said }) => said).length).toBe(1);
  });
});
