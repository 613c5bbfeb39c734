import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOCK_FILE } from '../../src/common/folder-lock.ts';
import { makeFolders, openFolder } from '../../src/common/folders.ts';
import { replaceBuiltin } from '../fixtures/builtin.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

describe('folders', () => {
  it('are made with those they lie in, and named from the inside out', async () => {
    const dir = temporaryFolder();
    const path = join(dir, 'a', 'b', 'c');
    expect(await makeFolders(path)).toEqual([path, join(dir, 'a', 'b'), join(dir, 'a')]);
    expect(await makeFolders(path)).toEqual([]);
    expect(existsSync(path)).toBe(true);
  });

  it('are made by several at once', async () => {
    const path = join(temporaryFolder(), 'a', 'b', 'c', 'd');
    const made = await Promise.all(Array.from({ length: 8 }, () => makeFolders(path)));
    expect(made.flat().sort()).toEqual([...new Set(made.flat())].sort());
    expect(made.flat()).toHaveLength(4);
  });

  it('are not made where a file is', async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'file'), '');
    await expect(makeFolders(join(dir, 'file'))).rejects.toMatchObject({ where: join(dir, 'file'), what: 'it is a file (EEXIST)' });
    await expect(makeFolders(join(dir, 'file', 'x', 'y'))).rejects.toMatchObject({
      name: 'FileError',
      what: expect.stringContaining('ENOTDIR'),
    });
  });

  it('below /proc are refused, instead of being tried for ever', async () => {
    await expect(makeFolders('/proc/voxfeed/x/y')).rejects.toMatchObject({ name: 'FileError', where: '/proc/voxfeed' });
  });

  it.each([
    ['EROFS', -30, 'read-only file system', /EROFS/],
    ['Unknown system error -122', -122, 'Unknown system error -122', /quota exceeded \(EDQUOT\)\. Your quota/],
  ])('that the system refuses with %s are refused with just that', async (code, errno, text, said) => {
    const dir = temporaryFolder();
    replaceBuiltin(fs, 'mkdir', async (path) => {
      // As the kernel answers: nothing lies in a folder that could not be made.
      const missing = String(path) !== join(dir, 'a');
      throw missing
        ? Object.assign(new Error('ENOENT: no such file or directory, mkdir'), { code: 'ENOENT' })
        : Object.assign(new Error(`${code}: ${text}, mkdir`), { code, errno });
    });
    await expect(makeFolders(join(dir, 'a', 'b'))).rejects.toThrow(said);
    await expect(makeFolders(join(dir, 'a', 'b'))).rejects.toMatchObject({ where: join(dir, 'a') });
  });
});

describe('an output folder', () => {
  it('loses what a killed run was writing, and leaves with what was made for it if nothing is in it', async () => {
    const dir = temporaryFolder();
    {
      await using _folder = await openFolder(join(dir, 'a', 'b'));
      expect(readdirSync(join(dir, 'a', 'b'))).toEqual([LOCK_FILE]);
    }
    expect(readdirSync(dir)).toEqual([]);
    mkdirSync(join(dir, 'out'));
    for (const name of ['kept', 'x.voxfeed-partial']) writeFileSync(join(dir, 'out', name), '');
    await (await openFolder(join(dir, 'out')))[Symbol.asyncDispose]();
    expect(readdirSync(join(dir, 'out'))).toEqual(['kept']);
  });
});
