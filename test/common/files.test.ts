import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { PlansError } from '../../src/common/errors.ts';
import { ifThere, mapFiles, nullIfDamaged } from '../../src/common/files.ts';
import { readPlans } from '../../src/plans/plans-file.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

describe('looking at the files of many items', () => {
  it('has some of them open at a time, and gives results in their order', async () => {
    let [open, most] = [0, 0];
    const items = Array.from({ length: 200 }, (_, i) => i);
    const results = await mapFiles(items, async (item) => {
      most = Math.max(most, ++open);
      for (let turns = item % 3; turns >= 0; turns--) await setImmediate();
      open--;
      return 2 * item;
    });
    expect(results).toEqual(items.map((item) => 2 * item));
    expect(most).toBe(16);
  });

  it('of none gives none', async () => {
    expect(await mapFiles([], () => expect.fail('there is no item'))).toEqual([]);
  });

  it('ends with the first error', async () => {
    const begun: number[] = [];
    const looking = mapFiles(
      Array.from({ length: 100 }, (_, i) => i),
      async (item) => {
        begun.push(item);
        await setImmediate();
        if (item === 3) throw new Error('number 3');
      },
    );
    await expect(looking).rejects.toThrow('number 3');
    expect(begun.length).toBeLessThan(40);
  });
});

const failing = (code: string) => Promise.reject(Object.assign(new Error(`${code}: it fails`), { code }));

describe('what is not there', () => {
  it('is null, and nothing else is', async () => {
    const dir = temporaryFolder();
    expect(await ifThere(join(dir, 'no'), stat(join(dir, 'no')))).toBeNull();
    expect(await ifThere('x', failing('ENOTDIR'))).toBeNull();
    await expect(ifThere(dir, readFile(dir))).rejects.toMatchObject({ name: 'FileError', where: dir });
    for (const code of ['EMFILE', 'ENFILE', 'EACCES', 'EIO', 'ESTALE'])
      await expect(ifThere('the path', failing(code))).rejects.toMatchObject({
        name: 'FileError',
        where: 'the path',
        what: expect.stringContaining('it fails'),
      });
  });

  it('is passed over with what is damaged, but not what cannot be read', async () => {
    const dir = temporaryFolder();
    expect(await readPlans(dir).catch(nullIfDamaged)).toBeNull();
    expect(nullIfDamaged(new PlansError('plans', 'they are damaged', 'Plan again'))).toBeNull();
    await expect(readPlans(join(dir, 'no')).catch(nullIfDamaged)).rejects.toMatchObject({ name: 'FileError' });
  });
});
