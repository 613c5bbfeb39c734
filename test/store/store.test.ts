import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasher, xxh64 } from '../../src/common/hash.ts';
import { NPY_HEADER_BYTES, parseNpyHeader } from '../../src/formats/npy.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { OpenFiles } from '../../src/reading/open-files.ts';
import { caseFiles } from '../../src/store/file-names.ts';
import { decodeSidecar, encodeSidecar, sidecarChecksum } from '../../src/store/sidecar.ts';
import { openStore } from '../../src/store/store.ts';
import { indexChecksum, type StoredCase, type StoreIndex } from '../../src/store/store-index.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

let original: string;

beforeAll(async () => {
  original = mkdtempSync(join(tmpdir(), 'voxfeed-test-'));
  const raw = makeRawDataset(join(original, 'raw'), {
    channels: ['T1', 'T2'],
    labels: { background: 0, whole: [1, 2], core: 2, absent: 3 },
    cases: [
      randomCase('a', [5, 6, 7], { channels: 2, labels: 2, seed: 1 }),
      { ...randomCase('b', [4, 4, 4], { channels: 2, seed: 2 }), label: new Uint8Array(64) },
    ],
  });
  await preprocess(raw, join(original, 'store'), { workers: 1 });
});

afterAll(() => rmSync(original, { recursive: true, force: true }));

/** A copy of the store that the test may damage. */
function copy(): string {
  const dir = join(temporaryFolder(), 'store');
  cpSync(join(original, 'store'), dir, { recursive: true });
  return dir;
}

/** Another index with a checksum of its own, as if it had been written so. */
async function changeIndex(dir: string, change: (index: StoreIndex) => unknown): Promise<void> {
  const path = join(dir, 'voxfeed.json');
  const changed = change(JSON.parse(readFileSync(path, 'utf8'))) as StoreIndex;
  writeFileSync(path, JSON.stringify({ ...changed, xxh64: indexChecksum(await hasher(), changed) }));
}

const refusal = (where: string, what: string) => ({
  name: 'StoreError',
  code: 'VOXFEED_BAD_STORE',
  where,
  what: expect.stringContaining(what),
  action: expect.stringMatching(/\S/),
});

describe('a store', () => {
  it('opens with its cases, classes and channels', async () => {
    const store = await openStore(copy());
    expect(store.index).toMatchObject({ format: 'voxfeed-store', version: 2, name: 'Test', channels: ['T1', 'T2'], labelDtype: 'int8' });
    expect(store.classes.map(({ name, labels }) => [name, labels])).toEqual([
      ['whole', [1, 2]],
      ['core', [2]],
      ['absent', [3]],
    ]);
    expect(store.cases.map(({ id, shape }) => [id, shape])).toEqual([
      ['a', [5, 6, 7]],
      ['b', [4, 4, 4]],
    ]);
    expect(store.cases[1].locations).toEqual([0, 0, 0]);
    expect(store.cases[0].locations[2]).toBe(0);
    expect(store.locationsBytes).toBe(4 * store.cases[0].locations.reduce((a, b) => a + b, 0));
  });

  it('lists the sizes and hashes of the files that are there', async () => {
    const dir = copy();
    for (const { id, shape, files } of (await openStore(dir)).cases) {
      const voxels = shape[0] * shape[1] * shape[2];
      expect(files.data.bytes).toBe(NPY_HEADER_BYTES + 2 * voxels * 4);
      expect(files.segmentation.bytes).toBe(NPY_HEADER_BYTES + voxels);
      expect(await xxh64(readFileSync(caseFiles(dir, id).data))).toBe(files.data.xxh64);
      expect(await xxh64(readFileSync(caseFiles(dir, id).segmentation))).toBe(files.segmentation.xxh64);
    }
  });

  it('has the same hash wherever it lies, and whatever it is called and planned for', async () => {
    const [one, two] = [copy(), copy()];
    const { hash } = await openStore(one);
    expect((await openStore(two)).hash).toBe(hash);
    await changeIndex(two, (index) => ({
      ...index,
      name: 'Other',
      configuration: '2d',
      cases: index.cases.map((entry) => ({ ...entry, coverage: [] })),
    }));
    expect((await openStore(two)).hash).toBe(hash);
  });

  it('has another hash once any of its voxels, labels or locations is another, or means something else', async () => {
    const { hash } = await openStore(copy());
    const otherFirst = (change: (entry: StoredCase) => Partial<StoredCase>) => (index: StoreIndex) => {
      const [first, ...others] = index.cases;
      return { ...index, cases: [{ ...first, ...change(first) }, ...others] };
    };
    const sum = { bytes: 1, xxh64: '0123456789abcdef' };
    const changes: ((index: StoreIndex) => StoreIndex)[] = [
      otherFirst(({ files }) => ({ files: { ...files, data: { ...sum, bytes: files.data.bytes } } })),
      otherFirst(({ files }) => ({ files: { ...files, segmentation: { ...sum, bytes: files.segmentation.bytes } } })),
      otherFirst(() => ({ locationsXxh64: sum.xxh64 })),
      (index) => ({ ...index, labels: { ...index.labels, classes: [...index.labels.classes].reverse() } }),
      (index) => ({ ...index, cases: [...index.cases].reverse() }),
    ];
    for (const change of changes) {
      const dir = copy();
      await changeIndex(dir, change);
      expect((await openStore(dir)).hash).not.toBe(hash);
    }
  });

  it('gives voxels whose stored label belongs to the class, each one once', async () => {
    const dir = copy();
    const store = await openStore(dir);
    const path = caseFiles(dir, 'a').segmentation;
    const bytes = readFileSync(path);
    const labels = new Int8Array(Uint8Array.from(bytes.subarray(parseNpyHeader(path, bytes).offset)).buffer);
    const [, height, width] = store.cases[0].shape;
    store.classes.forEach((entry, classNumber) => {
      const count = store.cases[0].locations[classNumber];
      expect(count).toBe(labels.filter((label) => entry.labels.includes(label)).length);
      const seen = new Set<string>();
      for (let position = 0; position < count; position++) {
        const [z, y, x] = store.location(0, classNumber, position);
        expect(entry.labels).toContain(labels[(z * height + y) * width + x]);
        seen.add(`${z} ${y} ${x}`);
      }
      expect(seen.size).toBe(count);
    });
    expect(store.cases[0].locations[0]).toBeGreaterThan(store.cases[0].locations[1]);
    expect(store.cases[0].locations[1]).toBeGreaterThan(0);
  });

  it('reads the locations of a case once', async () => {
    const dir = copy();
    const store = await openStore(dir);
    const first = store.location(0, 0, 0);
    rmSync(caseFiles(dir, 'a').sidecar);
    expect(store.location(0, 0, 0)).toEqual(first);
  });
});

describe('a store that cannot be used', () => {
  it('has no index', async () => {
    const dir = copy();
    rmSync(join(dir, 'voxfeed.json'));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(dir, 'not a finished voxfeed store'));
    await expect(openStore(join(dir, 'nowhere'))).rejects.toMatchObject(refusal(join(dir, 'nowhere'), 'not a finished voxfeed store'));
  });

  it('has an index that cannot be read', async () => {
    const dir = temporaryFolder();
    mkdirSync(join(dir, 'voxfeed.json'));
    await expect(openStore(dir)).rejects.toMatchObject({ name: 'FileError', where: join(dir, 'voxfeed.json') });
  });

  it('has an index that is cut off', async () => {
    const dir = copy();
    const path = join(dir, 'voxfeed.json');
    truncateSync(path, statSync(path).size >> 1);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'not JSON'));
    truncateSync(path, 0);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'not JSON'));
  });

  it('has an index of something else', async () => {
    const dir = copy();
    for (const text of ['{}', 'null', '[]', '3', '{"format": "other", "version": 1}']) {
      writeFileSync(join(dir, 'voxfeed.json'), text);
      await expect(openStore(dir)).rejects.toMatchObject(refusal(join(dir, 'voxfeed.json'), 'not the index'));
    }
  });

  it('has another version', async () => {
    const dir = copy();
    await changeIndex(dir, (index) => ({ ...index, version: 1 }));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(join(dir, 'voxfeed.json'), 'version 1, this voxfeed reads version 2'));
  });

  it('has no cases', async () => {
    const dir = copy();
    await changeIndex(dir, (index) => ({ ...index, cases: [] }));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(join(dir, 'voxfeed.json'), '0 cases'));
  });

  it('has an index without the list of cases', async () => {
    const dir = copy();
    await changeIndex(dir, ({ format, version }) => ({ format, version }));
    await expect(openStore(dir)).rejects.toMatchObject({ name: 'StoreError', where: join(dir, 'voxfeed.json') });
  });

  it('lacks any field of its index that it needs: never another error', async () => {
    const dir = copy();
    const path = join(dir, 'voxfeed.json');
    const index: StoreIndex = JSON.parse(readFileSync(path, 'utf8'));
    const [first, ...others] = index.cases;
    const lacking = [
      ...Object.keys(index).map((key) => [key, { ...index, [key]: undefined }]),
      ...Object.keys(first).map((key) => [`cases: ${key}`, { ...index, cases: [{ ...first, [key]: undefined }, ...others] }]),
    ] as [string, StoreIndex][];
    for (const [key, content] of lacking) {
      writeFileSync(path, JSON.stringify(content));
      const outcome = await openStore(dir).then(
        () => 'opened',
        (error) => `${error.name} ${error.where}`,
      );
      expect(outcome, key).toBe(`StoreError ${path}`);
    }
  });

  it('has an index that was changed since it was written', async () => {
    const dir = copy();
    const path = join(dir, 'voxfeed.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"name": "Test"', '"name": "Tent"'));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'do not match its checksum'));
  });

  it.each<[string, (index: StoreIndex) => object, string]>([
    [
      'names a case outside of its folder',
      ({ cases: [first] }) => ({ cases: [{ ...first, id: '../a' }] }),
      'cases[0].id: "../a" is not a name for a file',
    ],
    [
      'names a case with a line break',
      ({ cases: [first] }) => ({ cases: [{ ...first, id: 'a\nb' }] }),
      'cases[0].id: "a\\nb" is not a name',
    ],
    ['names a case too long for a file', ({ cases: [first] }) => ({ cases: [{ ...first, id: 'ä'.repeat(101) }] }), 'cases[0].id:'],
    ['names plans outside of its folder', () => ({ plans: '../../plans.json' }), 'plans: "../../plans.json" is not a name for a file'],
    ['names files outside of its folder', () => ({ files: { '/etc/passwd': { bytes: 1, xxh64: '0'.repeat(16) } } }), 'files./etc/passwd'],
    [
      'has a shape that is none',
      ({ cases: [first] }) => ({ cases: [{ ...first, shape: [5, 6] }] }),
      'cases[0].shape[2]: nothing is not a whole number',
    ],
    [
      'has a spacing of 0',
      ({ cases: [first] }) => ({ cases: [{ ...first, spacing: [1, 0, 1] }] }),
      'cases[0].spacing[1]: 0 is not a number above 0',
    ],
    [
      'has locations of other classes',
      ({ cases: [first] }) => ({ cases: [{ ...first, locations: [1] }] }),
      'cases[0].locations: there is not one for each class',
    ],
    ['has labels without values', ({ labels }) => ({ labels: { ...labels, values: [] } }), 'labels.values: it is empty'],
  ])('%s, whatever its checksum says', async (_, change, what) => {
    const dir = copy();
    await changeIndex(dir, (index) => ({ ...index, ...change(index) }));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(join(dir, 'voxfeed.json'), what));
  });

  it.each([undefined, null, 3, '', 'a\0b', {}])('is not where no path leads: %j', async (path) => {
    await expect(openStore(path as string)).rejects.toMatchObject({ name: 'OptionError', where: 'dir' });
  });

  it.each(['data', 'segmentation', 'sidecar'] as const)('lacks a %s file', async (kind) => {
    const dir = copy();
    const path = caseFiles(dir, 'b')[kind];
    rmSync(path);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'missing'));
  });

  it.each(['data', 'segmentation'] as const)('has a %s file of the wrong size', async (kind) => {
    const dir = copy();
    const path = caseFiles(dir, 'b')[kind];
    const { size } = statSync(path);
    truncateSync(path, size - 1);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, `holds ${size - 1} bytes instead of ${size}`));
    truncateSync(path, size + 1);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, `holds ${size + 1} bytes instead of ${size}`));
  });
});

it('a store of very many cases opens without a look at each file; reading and `verify` name what is missing', async () => {
  const dir = copy();
  const index: StoreIndex = JSON.parse(readFileSync(join(dir, 'voxfeed.json'), 'utf8'));
  const [like] = index.cases;
  const ids = Array.from({ length: 10_001 }, (_, number) => `case_${String(number).padStart(5, '0')}`);
  await changeIndex(dir, (found) => ({ ...found, cases: ids.map((id) => ({ ...like, id })) }));
  const store = await openStore(dir);
  expect(store.cases).toHaveLength(10_001);
  const { sidecar, data } = caseFiles(dir, 'case_00007');
  expect(() => store.location(7, 0, 0)).toThrow(expect.objectContaining({ name: 'FileError', where: sidecar }));
  const files = new OpenFiles({ dir, format: 'npy', cases: store.cases, channels: 2, labelBytes: 1, previous: null }, 1);
  expect(() => files.get(7)).toThrow(expect.objectContaining({ name: 'FileError', where: data }));
  // A store of one case fewer is looked at, file by file.
  await changeIndex(dir, (found) => ({ ...found, cases: found.cases.slice(1) }));
  await expect(openStore(dir)).rejects.toMatchObject({ name: 'StoreError', what: 'the file is missing' });
});

describe('class locations that changed under an open store', () => {
  it('are missed with the name of their file', async () => {
    const dir = copy();
    const store = await openStore(dir);
    const path = caseFiles(dir, 'a').sidecar;
    rmSync(path);
    expect(() => store.location(0, 0, 0)).toThrow(expect.objectContaining({ name: 'FileError', where: path }));
  });

  it('are refused where they are not those of the index, whatever the checksum of their file says', async () => {
    const dir = copy();
    const store = await openStore(dir);
    const path = caseFiles(dir, 'a').sidecar;
    const checksum = await hasher();
    const sidecar = decodeSidecar(path, readFileSync(path));
    const [first, ...others] = sidecar.classes;
    for (const classes of [[{ ...first, locations: first.locations.subarray(1) }, ...others], others]) {
      const changed = { ...sidecar, classes };
      writeFileSync(path, encodeSidecar(changed));
      expect(() => store.location(0, 0, 0)).toThrow(expect.objectContaining(refusal(path, 'do not match its checksum')));
      writeFileSync(path, encodeSidecar({ ...changed, xxh64: sidecarChecksum(checksum, changed) }));
      expect(() => store.location(0, 0, 0)).toThrow(expect.objectContaining(refusal(path, 'are not those of the index')));
    }
  });

  it('are refused where the file is damaged', async () => {
    const dir = copy();
    const store = await openStore(dir);
    const path = caseFiles(dir, 'a').sidecar;
    truncateSync(path, statSync(path).size - 5);
    expect(() => store.location(0, 0, 0)).toThrow(expect.objectContaining(refusal(path, 'damaged')));
  });
});
