import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { writeAtomic } from '../../src/common/atomic-file.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

async function handlePrototype(): Promise<FileHandle> {
  const handle = await open(import.meta.filename, 'r');
  await handle.close();
  return Object.getPrototypeOf(handle);
}

function systemError(code: string, text: string, call: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${text}, ${call}`), { code, syscall: call, errno: -28 });
}

/** Every write from number `first` on fails, as on a full disk. */
async function fullDisk(first: number): Promise<void> {
  const prototype = await handlePrototype();
  const write = prototype.write;
  let calls = 0;
  const spy = vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...given: unknown[]) {
    if (++calls > first) return Promise.reject(systemError('ENOSPC', 'no space left on device', 'write'));
    return Reflect.apply(write, this, given);
  } as FileHandle['write']);
  onTestFinished(() => spy.mockRestore());
}

/** The flush of a file succeeds, that of its folder fails. */
async function folderSyncFails(code: string): Promise<void> {
  const prototype = await handlePrototype();
  const sync = prototype.sync;
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    if ((await this.stat()).isDirectory()) throw systemError(code, 'it cannot be done', 'fsync');
    return Reflect.apply(sync, this, []);
  });
  onTestFinished(() => spy.mockRestore());
}

const parts = [Buffer.from('first '), Buffer.alloc(0), Buffer.from('second '), Buffer.from('third')];

describe('an atomic file', () => {
  it('holds all parts, one after the other, and leaves nothing beside it', async () => {
    const dir = temporaryFolder();
    await writeAtomic(join(dir, 'a.bin'), parts);
    expect(readFileSync(join(dir, 'a.bin'), 'utf8')).toBe('first second third');
    expect(readdirSync(dir)).toEqual(['a.bin']);
  });

  it('may be empty', async () => {
    const dir = temporaryFolder();
    await writeAtomic(join(dir, 'a.bin'), []);
    expect(readFileSync(join(dir, 'a.bin'))).toHaveLength(0);
  });

  it('replaces the one that was there', async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'a.bin'), 'an older and longer content of the file');
    await writeAtomic(join(dir, 'a.bin'), parts);
    expect(readFileSync(join(dir, 'a.bin'), 'utf8')).toBe('first second third');
    expect(readdirSync(dir)).toEqual(['a.bin']);
  });

  it('takes the place of a symbolic link, and leaves alone what that leads to', async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'precious'), 'to be kept');
    symlinkSync(join(dir, 'precious'), join(dir, 'a.bin'));
    await writeAtomic(join(dir, 'a.bin'), parts);
    expect(lstatSync(join(dir, 'a.bin')).isFile()).toBe(true);
    expect(readFileSync(join(dir, 'precious'), 'utf8')).toBe('to be kept');
  });

  it('is whole, whoever of many writes it last', async () => {
    const dir = temporaryFolder();
    const contents = Array.from({ length: 20 }, (_, i) => Buffer.alloc(1000 + i, i));
    await Promise.all(contents.map((content) => writeAtomic(join(dir, 'a.bin'), [content])));
    expect(contents).toContainEqual(readFileSync(join(dir, 'a.bin')));
    expect(readdirSync(dir)).toEqual(['a.bin']);
  });

  it('has a temporary file that is opened exclusively: nothing is written through a link in its place', async () => {
    const dir = temporaryFolder();
    vi.spyOn(crypto, 'randomUUID').mockReturnValueOnce('deadbeef-0000-4000-8000-000000000000');
    writeFileSync(join(dir, 'precious'), 'to be kept');
    symlinkSync(join(dir, 'precious'), join(dir, `a.bin.${process.pid}-deadbeef.voxfeed-partial`));
    await expect(writeAtomic(join(dir, 'a.bin'), parts)).rejects.toMatchObject({
      name: 'FileError',
      what: expect.stringContaining('EEXIST'),
    });
    expect(readFileSync(join(dir, 'precious'), 'utf8')).toBe('to be kept');
  });

  it.each(['EINVAL', 'EBADF', 'ENOTSUP'])(
    'stands though its folder cannot be flushed (%s), as on some network file systems',
    async (code) => {
      const dir = temporaryFolder();
      await folderSyncFails(code);
      await writeAtomic(join(dir, 'a.bin'), parts);
      expect(readFileSync(join(dir, 'a.bin'), 'utf8')).toBe('first second third');
    },
  );

  it('is not taken for written where flushing its folder fails otherwise', async () => {
    const path = join(temporaryFolder(), 'a.bin');
    await folderSyncFails('EIO');
    await expect(writeAtomic(path, parts)).rejects.toMatchObject({ name: 'FileError', where: path, what: expect.stringContaining('EIO') });
  });

  it('is written whole where the system takes a few bytes at a time', async () => {
    const dir = temporaryFolder();
    const prototype = await handlePrototype();
    const write = prototype.write as (this: FileHandle, bytes: Uint8Array, offset: number, length?: number) => Promise<unknown>;
    const spy = vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, bytes: Uint8Array, offset = 0) {
      return Reflect.apply(write, this, [bytes, offset, Math.min(3, bytes.length - offset)]);
    } as FileHandle['write']);
    onTestFinished(() => spy.mockRestore());
    await writeAtomic(join(dir, 'a.bin'), parts);
    expect(spy.mock.calls.length).toBeGreaterThan(5);
    expect(readFileSync(join(dir, 'a.bin'), 'utf8')).toBe('first second third');
  });
});

describe('a write that fails', () => {
  it.each([0, 1, 2])('after %d parts leaves neither the file nor a partial one, and names the file', async (first) => {
    const dir = temporaryFolder();
    const path = join(dir, 'a.bin');
    await fullDisk(first);
    await expect(writeAtomic(path, parts)).rejects.toMatchObject({
      name: 'FileError',
      code: 'VOXFEED_FILE',
      where: path,
      what: expect.stringContaining('ENOSPC'),
      action: expect.stringMatching(/space/),
    });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('leaves the older file as it was', async () => {
    const dir = temporaryFolder();
    const path = join(dir, 'a.bin');
    writeFileSync(path, 'older');
    await fullDisk(2);
    await expect(writeAtomic(path, parts)).rejects.toMatchObject({ name: 'FileError', where: path });
    expect(readFileSync(path, 'utf8')).toBe('older');
    expect(readdirSync(dir)).toEqual(['a.bin']);
  });

  it('only when it is flushed leaves nothing either', async () => {
    const dir = temporaryFolder();
    const path = join(dir, 'a.bin');
    const spy = vi.spyOn(await handlePrototype(), 'sync').mockRejectedValue(systemError('EIO', 'i/o error', 'fsync'));
    onTestFinished(() => spy.mockRestore());
    await expect(writeAtomic(path, parts)).rejects.toMatchObject({ name: 'FileError', where: path, what: expect.stringContaining('EIO') });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('because a folder stands in its place leaves no partial file', async () => {
    const dir = temporaryFolder();
    const path = join(dir, 'a.bin');
    mkdirSync(path);
    await expect(writeAtomic(path, parts)).rejects.toMatchObject({
      name: 'FileError',
      where: path,
      what: expect.stringContaining('EISDIR'),
    });
    expect(readdirSync(dir)).toEqual(['a.bin']);
  });

  it('because its folder is missing names the file', async () => {
    const path = join(temporaryFolder(), 'gone', 'a.bin');
    await expect(writeAtomic(path, parts)).rejects.toMatchObject({
      name: 'FileError',
      where: path,
      what: expect.stringContaining('ENOENT'),
    });
  });

  it('because its folder is a file names the file', async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'file'), '');
    const path = join(dir, 'file', 'a.bin');
    await expect(writeAtomic(path, parts)).rejects.toMatchObject({
      name: 'FileError',
      where: path,
      what: expect.stringContaining('ENOTDIR'),
    });
  });

  it('without a cause in the system passes its error on', async () => {
    const dir = temporaryFolder();
    const broken = { length: 3 } as unknown as Uint8Array;
    await expect(writeAtomic(join(dir, 'a.bin'), [broken])).rejects.toBeInstanceOf(TypeError);
    expect(readdirSync(dir)).toEqual([]);
  });
});
