import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { writeStore } from '../../src/preprocessing/write-store.ts';
import { decodeSidecar } from '../../src/store/sidecar.ts';
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
function about(store: string, id: string) {
  const path = join(store, `${id}.msgpack`);
  const { files, optionsHash, xxh64, ...rest } = decodeSidecar(path, readFileSync(path));
  return { ...rest, segmentation: files.segmentation };
}

describe('float16 images', () => {
  it('are those of a float32 store, rounded to the nearest; all else is the same', async () => {
    const out = join(dir, 'compact');
    expect(await preprocess(raw, out, { ...WORKERS, dtype: 'float16' })).toMatchObject({ cases: 3, written: 3 });
    for (const { id } of (await openStore(plain)).cases) {
      const exact = readNpy(plain, `${id}.npy`);
      expect(readNpy(out, `${id}.npy`)).toEqual({ ...exact, dtype: '<f2', data: [...Float16Array.from(exact.data)] });
      expect(readNpy(out, `${id}_seg.npy`)).toEqual(readNpy(plain, `${id}_seg.npy`));
      expect(about(out, id)).toEqual(about(plain, id));
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
    for (const dtype of ['int16', 'float64'] as never[]) {
      const refused = { name: 'OptionError', where: 'dtype' };
      await expect(preprocess(raw, join(dir, 'other'), { dtype })).rejects.toMatchObject(refused);
      await expect(writeStore(join(dir, 'other'), { name: 'x', channels: ['CT'], labels: {}, cases: [], dtype })).rejects.toMatchObject(
        refused,
      );
    }
  });
});
