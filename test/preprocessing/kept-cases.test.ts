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
import { beforeAll, describe, expect, it } from 'vitest';
import { KeptCases, keepCase, keptOrRead } from '../../src/preprocessing/kept-cases.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { preprocessForNnunet } from '../../src/preprocessing/preprocess-nnunet.ts';
import { statSources } from '../../src/preprocessing/sources.ts';
import { openRawDataset, type RawDataset, readingOf } from '../../src/raw/raw-dataset.ts';
import { readCase } from '../../src/raw/read-case.ts';
import type { NotedReading } from '../../src/raw/readers.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents } from './store-files.ts';

const cases = [randomCase('a', [18, 24, 20], { channels: 2, sparse: true }), randomCase('b', [20, 22, 24], { channels: 2, sparse: true })];
const makeRaw = (): string => makeRawDataset(join(temporaryFolder(), 'Dataset001_Made'), { channels: ['MR', 'CT'], cases });

/** Other bytes, which look untouched to whoever asks the system. */
function spoil(raw: string, folders = ['imagesTr', 'labelsTr']): void {
  for (const folder of folders)
    for (const name of readdirSync(join(raw, folder))) {
      const path = join(raw, folder, name);
      const { size, atime, mtime } = statSync(path);
      writeFileSync(path, Buffer.alloc(size, 7));
      utimesSync(path, atime, mtime);
    }
}

describe('a run that plans and preprocesses', () => {
  it.each([
    ['a store', (raw: string, out: string, onProgress = (_: { phase: string }) => {}) => preprocess(raw, out, { workers: 1, onProgress })],
    [
      "nnU-Net's folders",
      (raw: string, out: string, onProgress = (_: { phase: string }) => {}) =>
        preprocessForNnunet(raw, out, { workers: 1, configs: ['3d_fullres', '2d'], onProgress }),
    ],
  ])('into %s reads each case once, and leaves what two runs would', async (_, run) => {
    const [raw, out] = [makeRaw(), temporaryFolder()];
    await run(raw, out);
    const once = temporaryFolder();
    let spoilt = false;
    await run(raw, once, ({ phase }) => {
      if (phase !== 'preprocess' || spoilt) return;
      spoilt = true;
      spoil(raw);
    });
    expect(spoilt).toBe(true);
    expect(Object.keys(contents(out)).length).toBeGreaterThan(6);
    expect(contents(once)).toEqual(contents(out));
  });
});

describe('a plan that keeps its cases', () => {
  const keep = (raw: string, outDir: string) => planDataset(raw, { outDir, keepCases: true, workers: 1 });
  const kept = (dir: string): string[] => (existsSync(join(dir, 'kept_cases')) ? readdirSync(join(dir, 'kept_cases')) : []);

  it.each([
    ['a store', (out: string) => out, ['imagesTr', 'labelsTr'], (raw: string, out: string) => preprocess(raw, out, { workers: 1 })],
    // Labels are copied there.
    [
      "nnU-Net's folders",
      (out: string) => join(out, 'Dataset001_Made'),
      ['imagesTr'],
      (raw: string, out: string) => preprocessForNnunet(raw, out, { workers: 1, configs: ['3d_fullres'] }),
    ],
  ])('leaves nothing to read to the run that makes %s, which removes them', async (_, folder, spoilt, run) => {
    const [raw, out, once] = [makeRaw(), temporaryFolder(), temporaryFolder()];
    await planDataset(raw, { outDir: folder(out), workers: 1 });
    await run(raw, out);
    await keep(raw, folder(once));
    expect(kept(folder(once))).toHaveLength(2);
    spoil(raw, spoilt);
    await run(raw, once);
    expect(contents(once)).toEqual(contents(out));
    expect(kept(folder(once))).toEqual([]);
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

  /** Case a of a data set of its own, put by in `path`. */
  async function keepOne() {
    const dataset = await openRawDataset(makeRaw());
    const [a, b] = dataset.cases;
    const dir = temporaryFolder();
    const { keeping } = new KeptCases(dir, MUCH);
    const [sources, cropped] = [await statSources(a), await readCase(a, raw.labels, reading)];
    await keepCase(keeping, a, cropped, sources, raw.labels, reading);
    return { a, b, keeping, sources, cropped, path: join(dir, 'kept_cases', 'a.cropped') };
  }

  /** Reads case a, keeps it where there is so much room, spoils the files, and asks for it. */
  async function again(bytes: number, { outdated = false, otherwise = {} } = {}) {
    const dataset = await openRawDataset(makeRaw());
    const [a] = dataset.cases;
    const dir = temporaryFolder();
    await using kept = new KeptCases(dir, bytes);
    const [sources, cropped] = [await statSources(a), await readCase(a, raw.labels, reading)];
    await keepCase(kept.keeping, a, cropped, sources, raw.labels, reading);
    spoil(dataset.dir);
    if (outdated) for (const path of [...a.images, a.label]) utimesSync(path, 1, 1);
    return { cropped, dir, found: await keptOrRead(kept.keeping, a, await statSources(a), raw.labels, { ...reading, ...otherwise }) };
  }

  it('is the case that was read', async () => {
    const { cropped, found } = await again(MUCH);
    expect(found).toEqual(cropped);
  });

  it('leaves with the run', async () => {
    const { dir } = await again(MUCH);
    expect(readdirSync(dir)).toEqual([]);
  });

  it.each([
    ['there is no room', 1000, {}],
    ['its files have changed', MUCH, { outdated: true }],
    ['it is to be read otherwise', MUCH, { otherwise: { strictGeometry: true } }],
  ])('is read again where %s', async (_, bytes, how) => {
    await expect(again(bytes, how)).rejects.toMatchObject({ name: 'CaseError' });
  });

  it('that could not be written whole is not there, and nothing is written through a link', async () => {
    const { a, keeping, sources, cropped, path } = await keepOne();
    const elsewhere = join(temporaryFolder(), 'elsewhere');
    rmSync(path);
    symlinkSync(elsewhere, path);
    await keepCase(keeping, a, cropped, sources, raw.labels, reading);
    expect(existsSync(elsewhere)).toBe(false);
    expect(lstatSync(path).isFile()).toBe(true);
    truncateSync(path, statSync(path).size - 1);
    expect(await keptOrRead(keeping, a, sources, raw.labels, reading)).toEqual(cropped);
  });

  it('that was damaged anywhere is read again', async () => {
    const { a, keeping, sources, cropped, path } = await keepOne();
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += at < 2000 ? 13 : 4001) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1 << (at % 8);
      writeFileSync(path, damaged);
      expect(await keptOrRead(keeping, a, sources, raw.labels, reading), `byte ${at}`).toEqual(cropped);
    }
  });

  it('is not that of another case, nor of files that took the place of others', async () => {
    const { a, b, keeping, sources, path } = await keepOne();
    const other = await readCase(b, raw.labels, reading);
    copyFileSync(path, path.replace('a.cropped', 'b.cropped'));
    for (const [i, from] of [...a.images, a.label].entries())
      utimesSync([...b.images, b.label][i], statSync(from).atime, statSync(from).mtime);
    expect(await keptOrRead(keeping, b, sources, raw.labels, reading)).toEqual(other);
    for (const [i, from] of [...a.images, a.label].entries()) renameSync([...b.images, b.label][i], from);
    expect((await keptOrRead(keeping, a, sources, raw.labels, reading)).channels).toEqual(other.channels);
  });

  it('comes with what was odd about its files', async () => {
    const { a, keeping, cropped, sources } = await keepOne();
    await keepCase(keeping, a, cropped, sources, raw.labels, { ...reading, notes: ['bytes follow the image'] });
    const notes: string[] = [];
    await keptOrRead(keeping, a, sources, raw.labels, { ...reading, notes });
    expect(notes).toEqual(['bytes follow the image']);
  });
});
