import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SampleError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { caseFiles } from '../../src/store/file-names.ts';
import { loaderFixture, SHAPES } from '../fixtures/loader.ts';
import { makeStore } from '../fixtures/store.ts';

const { dir, options } = await loaderFixture();

describe('a store that is damaged while it is read', () => {
  /** The error that ends the stream, and how many batches came before. */
  async function breakStore(
    name: string,
    damage: (files: ReturnType<typeof caseFiles>) => void,
  ): Promise<{ error: unknown; batches: number }> {
    const broken = await makeStore(join(dir, name), { shapes: SHAPES });
    damage(caseFiles(broken.dir, 'case_002'));
    await using loader = await PatchLoader.create({ ...options, store: broken, ring: 2 });
    let batches = 0;
    try {
      for await (using _ of loader) batches++;
    } catch (error) {
      await expect(loader.next()).rejects.toBe(error);
      return { error, batches };
    }
    return { error: null, batches };
  }

  it.each<[string, (files: ReturnType<typeof caseFiles>) => void, RegExp]>([
    ['cut off', ({ data }) => truncateSync(data, 1000), /case_002\.npy: it holds 1000 bytes instead of/],
    [
      'of another shape',
      ({ segmentation }) => overwrite(segmentation, 10, "{'descr': '|i1', 'fortran_order': False, 'shape': (16, 16, 15), }"),
      /case_002_seg\.npy: it holds an array \[16, 16, 15\] of 1 bytes a voxel/,
    ],
    ['no array any more', ({ data }) => overwrite(data, 0, 'rubbish'), /case_002\.npy: it is not an \.npy file/],
  ])('ends the stream with an error that names sample, case and file: %s', async (name, damage, message) => {
    const { error } = await breakStore(name, damage);
    expect(error).toBeInstanceOf(SampleError);
    expect((error as Error).message).toMatch(/sample \d+ \(case case_002, box from \[.*\], shape \[8, 9, 10\]\): it failed twice/);
    expect((error as Error).message).toMatch(message);
  });

  it('ends the stream where a file cannot be read', async () => {
    const { error } = await breakStore('unreadable', ({ data }) => {
      rmSync(data);
      mkdirSync(data);
    });
    expect((error as Error).message).toMatch(/case_002\.npy: .*EISDIR/);
  });

  it('hands out what comes before the damage', async () => {
    const whole = await makeStore(join(dir, 'whole'), { shapes: SHAPES });
    await using reference = await PatchLoader.create({ ...options, store: whole });
    let first = 0;
    for await (using batch of reference) {
      if (batch.keys.includes('case_002')) break;
      first++;
    }
    const { batches } = await breakStore('late', ({ data }) => truncateSync(data, 1000));
    expect(batches).toBe(first);
  });
});

function overwrite(path: string, at: number, text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, at, 'latin1');
  closeSync(file);
}
