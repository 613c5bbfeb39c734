import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasher } from '../../src/common/hash.ts';
import { fromInt16 } from '../../src/formats/int16.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { writeStore } from '../../src/preprocessing/write-store.ts';
import { parseIndex } from '../../src/store/parse-index.ts';
import { readSidecarFile } from '../../src/store/sidecar.ts';
import { openStore } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { commandLine } from '../fixtures/command-line.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, readNpy } from './store-files.ts';

const WORKERS = { workers: 1 };
const dir = temporaryFolder();
let raw: string;
let plain: string;

beforeAll(async () => {
  const cases = ['a', 'b', 'c'].map((id, i) => randomCase(id, [6, 7, 9], { seed: i + 1, channels: 2, sparse: true }));
  raw = makeRawDataset(join(dir, 'Dataset001_Test'), { channels: ['T1', 'T2'], cases });
  plain = join(dir, 'plain');
  await preprocess(raw, plain, WORKERS);
});

/** Of the sidecar, all that does not tell how images are stored. */
async function about(store: string, id: string) {
  const path = join(store, `${id}.msgpack`);
  const { files, lines, optionsHash, ...rest } = readSidecarFile(path, await hasher());
  return { ...rest, segmentation: files.segmentation };
}

describe('int16 images', () => {
  it('are those of a float32 store, off by half a step; all else is the same', async () => {
    const out = join(dir, 'lines');
    expect(await preprocess(raw, out, { ...WORKERS, dtype: 'int16' })).toMatchObject({ cases: 3, written: 3 });
    const store = await openStore(out);
    for (const { id, lines } of store.cases) {
      const exact = readNpy(plain, `${id}.npy`);
      const stored = readNpy(out, `${id}.npy`);
      expect({ ...stored, data: [] }).toEqual({ ...exact, dtype: '<i2', data: [] });
      const count = exact.data.length / 2;
      for (const [channel, line] of lines!.entries()) {
        const part = [channel * count, (channel + 1) * count];
        const wanted = exact.data.slice(...part);
        expect(line.scale).toBeCloseTo((Math.max(...wanted) - Math.min(...wanted)) / 65534, 9);
        const found = fromInt16(stored.data.slice(...part), line);
        const off = wanted.map((value, i) => Math.abs(value - found[i]));
        expect(Math.max(...off)).toBeLessThan(line.scale * 0.51);
      }
      expect(readSidecarFile(join(out, `${id}.msgpack`), await hasher()).lines).toEqual(lines);
      expect(readNpy(out, `${id}_seg.npy`)).toEqual(readNpy(plain, `${id}_seg.npy`));
      expect(await about(out, id)).toEqual(await about(plain, id));
    }
    expect(store.index.imageDtype).toBe('int16');
    expect((await verifyStore(out)).damaged).toEqual([]);
  });

  it('are finished by a run with the same dtype, refuse one with another, and come out of parts as out of one run', async () => {
    const out = join(dir, 'lines');
    const options = { ...WORKERS, dtype: 'int16' as const, plans: join(plain, 'nnUNetPlans.json') };
    expect((await preprocess(raw, out, options)).written).toBe(0);
    const refused = { name: 'StoreError', what: expect.stringContaining('dtype') };
    await expect(preprocess(raw, out, { ...WORKERS, dtype: 'float16' })).rejects.toMatchObject(refused);
    const [parts, whole] = [join(dir, 'line-parts'), join(dir, 'line-whole')];
    for (const number of [1, 2]) await preprocess(raw, parts, { ...options, part: [number, 2] });
    await preprocess(raw, parts, { ...options, finish: true });
    await preprocess(raw, whole, options);
    expect(contents(parts)).toEqual(contents(whole));
  });

  it('are refused where a number is not finite, and an index without their lines', async () => {
    const path = join(dir, 'line-whole', 'voxfeed.json');
    const { cases, ...index } = JSON.parse(readFileSync(path, 'utf8'));
    const { lines, ...bare } = cases[1];
    for (const odd of [{ ...bare }, { ...bare, lines: lines.slice(1) }])
      expect(() => parseIndex(path, JSON.stringify({ ...index, cases: [cases[0], odd, cases[2]] }))).toThrow(/cases\[1\]\.lines: /);
    expect(() => parseIndex(path, JSON.stringify({ ...index, imageDtype: 'float16', cases }))).toThrow(/cases\[0\]\.lines: /);
    const image = new Float32Array(8).fill(2);
    image[3] = 2e38;
    const one = { id: 'far', shape: [2, 2, 2] as [number, number, number], image, segmentation: new Int8Array(8) };
    const content = { name: 'far', channels: ['CT'], labels: { background: 0, organ: 1 }, cases: [one], dtype: 'int16' as const };
    await expect(writeStore(join(dir, 'far-int16'), content)).rejects.toMatchObject({ name: 'CaseError', where: 'case far' });
  });
});

describe('float16 images', () => {
  it('are those of a float32 store, rounded to the nearest; all else is the same', async () => {
    const out = join(dir, 'compact');
    expect(await preprocess(raw, out, { ...WORKERS, dtype: 'float16' })).toMatchObject({ cases: 3, written: 3 });
    for (const { id } of (await openStore(plain)).cases) {
      const exact = readNpy(plain, `${id}.npy`);
      expect(readNpy(out, `${id}.npy`)).toEqual({ ...exact, dtype: '<f2', data: [...Float16Array.from(exact.data)] });
      expect(readNpy(out, `${id}_seg.npy`)).toEqual(readNpy(plain, `${id}_seg.npy`));
      expect(await about(out, id)).toEqual(await about(plain, id));
    }
    const store = await openStore(out);
    expect(store.index).toMatchObject({ imageDtype: 'float16', labelDtype: 'int8' });
    expect(store.hash).not.toBe((await openStore(plain)).hash);
    expect((await verifyStore(out)).damaged).toEqual([]);
  });

  it('are finished by a run with the same dtype, and refuse one with another', async () => {
    const out = join(dir, 'compact');
    const before = contents(out);
    expect((await preprocess(raw, out, { ...WORKERS, dtype: 'float16' })).written).toBe(0);
    expect(contents(out)).toEqual(before);
    for (const [store, options] of [
      [out, WORKERS],
      [plain, { ...WORKERS, dtype: 'float16' }],
    ] as const)
      await expect(preprocess(raw, store, options)).rejects.toMatchObject({ name: 'StoreError', what: expect.stringContaining('dtype') });
  });

  it('come out of parts as out of one run', async () => {
    const out = join(dir, 'parts');
    const options = { ...WORKERS, dtype: 'float16' as const, plans: join(plain, 'nnUNetPlans.json') };
    for (const number of [1, 2]) await preprocess(raw, out, { ...options, part: [number, 2] });
    await preprocess(raw, out, { ...options, finish: true });
    const whole = join(dir, 'whole');
    await preprocess(raw, whole, options);
    expect(contents(out)).toEqual(contents(whole));
  });

  it('are refused beyond what float16 reaches, with the case and its channel', async () => {
    const image = new Float32Array(2 * 8).fill(65519);
    const one = { id: 'far', shape: [2, 2, 2] as [number, number, number], image, segmentation: new Int8Array(8) };
    const content = { name: 'far', channels: ['CT', 'PET'], labels: { background: 0, organ: 1 }, cases: [one], dtype: 'float16' as const };
    await writeStore(join(dir, 'near'), content);
    expect(readNpy(join(dir, 'near'), 'far.npy').data).toEqual(new Array(16).fill(65504));
    image[15] = -65520;
    await expect(writeStore(join(dir, 'far'), content)).rejects.toMatchObject({
      name: 'CaseError',
      message: 'case far: channel 1: it holds -65520, float16 ends at 65504. Store its data set as float32',
    });
  });

  it('are no images for nnU-Net, and no other type is known', async () => {
    const words = ['preprocess', raw, join(dir, 'nnunet'), '--format', 'nnunet', '--dtype', 'float16'];
    const { status, stderr } = await commandLine(dir)(...words);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('--dtype NAME: it goes with --format store. nnU-Net reads float32 from .b2nd files'),
    ]);
    for (const dtype of ['int8', 'float64'] as never[]) {
      const refused = { name: 'OptionError', where: 'dtype' };
      await expect(preprocess(raw, join(dir, 'other'), { dtype })).rejects.toMatchObject(refused);
      await expect(writeStore(join(dir, 'other'), { name: 'x', channels: ['CT'], labels: {}, cases: [], dtype })).rejects.toMatchObject(
        refused,
      );
    }
  });
});
