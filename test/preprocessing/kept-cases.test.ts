import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { forgetCase, KeptCases, keepCase, keptOrRead, readAndKeep } from '../../src/preprocessing/kept-cases.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { preprocessForNnunet } from '../../src/preprocessing/preprocess-nnunet.ts';
import { identifySources } from '../../src/preprocessing/sources.ts';
import { openRawDataset, type RawDataset, readingOf } from '../../src/raw/raw-dataset.ts';
import { readCase } from '../../src/raw/read-case.ts';
import type { NotedReading } from '../../src/raw/readers.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents } from './store-files.ts';

const cases = [randomCase('a', [18, 24, 20], { channels: 2, sparse: true }), randomCase('b', [20, 22, 24], { channels: 2, sparse: true })];
const makeRaw = (): string => makeRawDataset(join(temporaryFolder(), 'Dataset001_Made'), { channels: ['MR', 'CT'], cases });

/**
 * Kept cases whose voxels are others than those of the files, to tell where voxels came from: a function that puts them in the place of
 * those that a run has kept.
 */
async function makeOthers(dir: string): Promise<(folder: string) => void> {
  const raw = await openRawDataset(dir);
  const others = temporaryFolder();
  const reading: NotedReading = { ...readingOf(raw), notes: [] };
  const { keeping } = new KeptCases(others, 1e9);
  for (const each of raw.cases) {
    const cropped = await readCase(each, raw.labels, reading);
    const channels = cropped.channels.map((channel) => channel.map((value, i) => (i % 3 === 0 ? value + 100 : value)));
    await keepCase(keeping, each, { ...cropped, channels }, (await identifySources(each)).identity, raw.labels, reading);
  }
  return (folder) => {
    for (const name of readdirSync(keeping.dir)) {
      expect(existsSync(join(folder, 'kept_cases', name))).toBe(true);
      copyFileSync(join(keeping.dir, name), join(folder, 'kept_cases', name));
    }
  };
}

describe('a run that plans and preprocesses', () => {
  it.each([
    [
      'a store',
      (out: string) => out,
      (raw: string, out: string, onProgress = (_: { phase: string }) => {}) => preprocess(raw, out, { workers: 1, onProgress }),
    ],
    [
      "nnU-Net's folders",
      (out: string) => join(out, 'Dataset001_Made'),
      (raw: string, out: string, onProgress = (_: { phase: string }) => {}) =>
        preprocessForNnunet(raw, out, { workers: 1, configs: ['3d_fullres', '2d'], onProgress }),
    ],
  ])('into %s takes what it read for the plan', async (_, folder, run) => {
    const [raw, out, other] = [makeRaw(), temporaryFolder(), temporaryFolder()];
    await run(raw, out);
    const putOthers = await makeOthers(raw);
    let put = false;
    await run(raw, other, ({ phase }) => {
      if (phase !== 'preprocess' || put) return;
      put = true;
      putOthers(folder(other));
    });
    expect(put).toBe(true);
    const [from, to] = [contents(out), contents(other)];
    expect(Object.keys(to).sort()).toEqual(Object.keys(from).sort());
    expect(Object.keys(from).length).toBeGreaterThan(6);
    expect(to).not.toEqual(from);
  });
});

describe('a plan that keeps its cases', () => {
  const keep = (raw: string, outDir: string) => planDataset(raw, { outDir, keepCases: true, workers: 1 });
  const kept = (dir: string): string[] => (existsSync(join(dir, 'kept_cases')) ? readdirSync(join(dir, 'kept_cases')) : []);

  it.each([
    ['a store', (out: string) => out, (raw: string, out: string) => preprocess(raw, out, { workers: 1 })],
    [
      "nnU-Net's folders",
      (out: string) => join(out, 'Dataset001_Made'),
      (raw: string, out: string) => preprocessForNnunet(raw, out, { workers: 1, configs: ['3d_fullres'] }),
    ],
  ])('leaves nothing to read to the run that makes %s, which removes them', async (_, folder, run) => {
    const [raw, out, once, other] = [makeRaw(), temporaryFolder(), temporaryFolder(), temporaryFolder()];
    await planDataset(raw, { outDir: folder(out), workers: 1 });
    await run(raw, out);
    for (const dir of [once, other]) {
      await keep(raw, folder(dir));
      expect(kept(folder(dir))).toHaveLength(2);
      if (dir === other) (await makeOthers(raw))(folder(dir));
      await run(raw, dir);
      expect(kept(folder(dir))).toEqual([]);
    }
    expect(contents(once)).toEqual(contents(out));
    expect(contents(other)).not.toEqual(contents(out));
  });

  it('leaves one that was damaged since to be read again', async () => {
    const [raw, out, once] = [makeRaw(), temporaryFolder(), temporaryFolder()];
    await planDataset(raw, { outDir: out, workers: 1 });
    await preprocess(raw, out, { workers: 1 });
    await keep(raw, once);
    for (const name of kept(once)) {
      const bytes = readFileSync(join(once, 'kept_cases', name));
      bytes[bytes.length >> 1] ^= 1;
      writeFileSync(join(once, 'kept_cases', name), bytes);
    }
    await preprocess(raw, once, { workers: 1 });
    expect(contents(once)).toEqual(contents(out));
  });

  it('leaves them where a run fails before it writes, and to nobody but those cases', async () => {
    const [raw, out] = [makeRaw(), temporaryFolder()];
    await keep(raw, out);
    await expect(preprocess(raw, out, { config: 'nonsense' })).rejects.toMatchObject({ name: 'PlansError' });
    expect(kept(out)).toEqual(['a.cropped', 'b.cropped']);
    // Planning again, in another way, puts others in their place.
    await planDataset(raw, { outDir: out, keepCases: true, workers: 1, strictGeometry: true });
    expect(kept(out)).toEqual(['a.cropped', 'b.cropped']);
    const mine = join(out, 'kept_cases', 'mine.cropped');
    mkdirSync(mine);
    const { cases } = await preprocess(raw, out, { workers: 1 });
    expect([cases, kept(out)]).toEqual([2, ['mine.cropped']]);
  });

  it('needs a folder', async () => {
    await expect(planDataset(makeRaw(), { keepCases: true })).rejects.toMatchObject({ name: 'OptionError', where: 'keepCases' });
  });
});

describe('a kept case', () => {
  let raw: RawDataset;
  let reading: NotedReading;
  beforeAll(async () => {
    raw = await openRawDataset(makeRaw());
    reading = { ...readingOf(raw), notes: [] };
  });
  const MUCH = 1e9;
  /** The clock of a file system ticks every few milliseconds. */
  const settle = () => new Promise((resolve) => setTimeout(resolve, 30));

  /** Case a of a data set of its own, put by in `path`: with other voxels than were read, so that it can be told. */
  async function keepOne() {
    const dataset = await openRawDataset(makeRaw());
    const [a, b] = dataset.cases;
    const dir = temporaryFolder();
    const { keeping } = new KeptCases(dir, MUCH);
    const [{ identity: files }, read] = [await identifySources(a), await readCase(a, raw.labels, reading)];
    const cropped = { ...read, channels: read.channels.map((channel) => channel.map((value) => value + 1)) };
    await keepCase(keeping, a, cropped, files, raw.labels, reading);
    return { a, b, keeping, files, read, cropped, path: join(dir, 'kept_cases', 'a.cropped') };
  }

  it('leaves with the run, and nothing else does', async () => {
    const [a] = (await openRawDataset(makeRaw())).cases;
    const dir = temporaryFolder();
    const mine = join(dir, 'kept_cases', 'mine.cropped');
    await settle();
    {
      await using kept = new KeptCases(dir, MUCH);
      expect(kept.leaving).toBe(true);
      await readAndKeep(kept.keeping, a, raw.labels, reading);
      expect(readdirSync(join(dir, 'kept_cases'))).toEqual(['a.cropped']);
      writeFileSync(mine, 'mine');
    }
    expect(readdirSync(join(dir, 'kept_cases'))).toEqual(['mine.cropped']);
    rmSync(mine);
    const elsewhere = temporaryFolder();
    const { keeping } = new KeptCases(elsewhere, MUCH);
    await readAndKeep(keeping, a, raw.labels, reading);
    rmSync(join(dir, 'kept_cases'), { recursive: true });
    const linked = new KeptCases(dir, MUCH);
    symlinkSync(keeping.dir, linked.keeping.dir);
    await linked[Symbol.asyncDispose]();
    expect(readdirSync(keeping.dir)).toEqual(['a.cropped']);
  });

  it('is not there where there is no room', async () => {
    const [a] = (await openRawDataset(makeRaw())).cases;
    const { keeping } = new KeptCases(temporaryFolder(), 1000);
    await settle();
    await readAndKeep(keeping, a, raw.labels, reading);
    expect(existsSync(keeping.dir)).toBe(false);
    expect(new BigInt64Array(keeping.room)[0]).toBe(1000n);
  });

  it('is read again where it is to be read otherwise', async () => {
    const { a, keeping, read, cropped } = await keepOne();
    expect(await keptOrRead(keeping, a, raw.labels, reading)).toEqual(cropped);
    expect(await keptOrRead(keeping, a, raw.labels, { ...reading, strictGeometry: true })).toEqual(read);
  });

  /** Files that look like those that were read to whoever asks for size and time, or are nearly those. */
  const CHANGES: [what: string, change: (path: string) => void][] = [
    ['has another time', (path) => utimesSync(path, 1, 1)],
    [
      'was removed and copied back',
      (path) => {
        const { atime, mtime } = statSync(path);
        const bytes = readFileSync(path);
        rmSync(path);
        writeFileSync(path, bytes);
        utimesSync(path, atime, mtime);
      },
    ],
    [
      'was overwritten in place',
      (path) => {
        const { atime, mtime } = statSync(path);
        writeFileSync(path, readFileSync(path));
        utimesSync(path, atime, mtime);
      },
    ],
    [
      'was replaced by another file',
      (path) => {
        copyFileSync(path, `${path}.new`);
        const { atime, mtime } = statSync(path);
        utimesSync(`${path}.new`, atime, mtime);
        renameSync(`${path}.new`, path);
      },
    ],
  ];
  it.each(CHANGES)('is read again where a file %s', async (_, change) => {
    for (const which of [0, 1, 2]) {
      const { a, keeping, read } = await keepOne();
      await settle();
      change([...a.images, a.label][which]);
      expect(await keptOrRead(keeping, a, raw.labels, reading)).toEqual(read);
    }
  });

  it('that could not be written whole is not there', async () => {
    const { a, keeping, files, read, cropped, path } = await keepOne();
    truncateSync(path, statSync(path).size - 1);
    expect(await keptOrRead(keeping, a, raw.labels, reading)).toEqual(read);
    await keepCase(keeping, a, cropped, files, raw.labels, reading);
    expect(await keptOrRead(keeping, a, raw.labels, reading)).toEqual(cropped);
    expect(readdirSync(keeping.dir)).toEqual(['a.cropped']);
  });

  it("leaves somebody's own file, link or folder of its name alone", async () => {
    const { a, keeping, files, read, cropped, path } = await keepOne();
    const elsewhere = join(temporaryFolder(), 'elsewhere');
    const [room] = new BigInt64Array(keeping.room);
    for (const make of [() => writeFileSync(path, 'mine'), () => symlinkSync(elsewhere, path), () => mkdirSync(path)]) {
      rmSync(path, { recursive: true });
      make();
      const before = lstatSync(path);
      await keepCase(keeping, a, cropped, files, raw.labels, reading);
      await forgetCase(keeping, a);
      expect([lstatSync(path).ino, lstatSync(path).size]).toEqual([before.ino, before.size]);
      expect(existsSync(elsewhere)).toBe(false);
      expect(new BigInt64Array(keeping.room)[0]).toBe(room);
      expect(await keptOrRead(keeping, a, raw.labels, reading)).toEqual(read);
    }
  });

  it('is neither put nor looked for through a link to a folder', async () => {
    const { a, keeping, files, read, cropped } = await keepOne();
    const linked = { ...keeping, dir: join(temporaryFolder(), 'kept_cases') };
    symlinkSync(keeping.dir, linked.dir);
    expect(await keptOrRead(linked, a, raw.labels, reading)).toEqual(read);
    await forgetCase(linked, a);
    await keepCase(linked, { ...a, id: 'other' }, cropped, files, raw.labels, reading);
    expect(readdirSync(keeping.dir)).toEqual(['a.cropped']);
  });

  it('is not one whose files may still change in the same tick of their clock', async () => {
    const [a] = (await openRawDataset(makeRaw())).cases;
    const { keeping } = new KeptCases(temporaryFolder(), MUCH);
    const changed = Math.max(...[...a.images, a.label].map((path) => statSync(path).ctimeMs));
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Math.floor(changed) + 5);
    await readAndKeep(keeping, a, raw.labels, reading);
    expect(existsSync(keeping.dir)).toBe(false);
    clock.mockReturnValue(Math.floor(changed) + 5000);
    await readAndKeep(keeping, a, raw.labels, reading);
    clock.mockRestore();
    expect(readdirSync(keeping.dir)).toEqual(['a.cropped']);
  });

  it('that was damaged anywhere is read again', async () => {
    const { a, keeping, read, path } = await keepOne();
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += at < 2000 ? 13 : 4001) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1 << (at % 8);
      writeFileSync(path, damaged);
      expect(await keptOrRead(keeping, a, raw.labels, reading), `byte ${at}`).toEqual(read);
    }
  });

  it('is not that of another case, nor of files that took the place of others', async () => {
    const { a, b, keeping, path } = await keepOne();
    const other = await readCase(b, raw.labels, reading);
    copyFileSync(path, path.replace('a.cropped', 'b.cropped'));
    expect(await keptOrRead(keeping, b, raw.labels, reading)).toEqual(other);
    for (const [i, from] of [...a.images, a.label].entries()) renameSync([...b.images, b.label][i], from);
    expect((await keptOrRead(keeping, a, raw.labels, reading)).channels).toEqual(other.channels);
  });

  it('comes with what was odd about its files', async () => {
    const { a, keeping, cropped, files } = await keepOne();
    await keepCase(keeping, a, cropped, files, raw.labels, { ...reading, notes: ['bytes follow the image'] });
    const notes: string[] = [];
    await keptOrRead(keeping, a, raw.labels, { ...reading, notes });
    expect(notes).toEqual(['bytes follow the image']);
  });
});
