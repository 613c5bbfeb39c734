import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasher, xxh64 } from '../../src/common/hash.ts';
import { NPY_HEADER_BYTES, parseNpyHeader } from '../../src/formats/npy.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { writeIndex } from '../../src/preprocessing/write-index.ts';
import { OpenFiles } from '../../src/reading/open-files.ts';
import { caseFiles } from '../../src/store/file-names.ts';
import type { IndexFile } from '../../src/store/parse-index.ts';
import { encodeSidecar, readSidecarFile } from '../../src/store/sidecar.ts';
import { openStore } from '../../src/store/store.ts';
import { contentHash, indexChecksum, type StoredCase, type StoreIndex } from '../../src/store/store-index.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { asVersion2 } from '../fixtures/store-version-2.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { identities } from '../preprocessing/store-files.ts';

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
async function changeIndex(dir: string, change: (index: IndexFile) => unknown): Promise<void> {
  const path = join(dir, 'voxfeed.json');
  const changed = change(JSON.parse(readFileSync(path, 'utf8'))) as IndexFile;
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
    expect(store.index).toMatchObject({ format: 'voxfeed-store', version: 3, name: 'Test', channels: ['T1', 'T2'], labelDtype: 'int8' });
    expect(store.classes.map(({ name, labels }) => [name, labels])).toEqual([
      ['whole', [1, 2]],
      ['core', [2]],
      ['absent', [3]],
    ]);
    expect(store.cases.map(({ id, shape }) => [id, shape])).toEqual([
      ['a', [5, 6, 7]],
      ['b', [4, 4, 4]],
    ]);
    expect([...store.cases[1].locations]).toEqual([0, 0, 0]);
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
    const { hash, index } = await openStore(one);
    await changeIndex(two, (found) => ({ ...found, name: 'Other', configuration: '2d', coverage: [] }));
    expect((await openStore(two)).hash).toBe(hash);
    expect(contentHash(await hasher(), { ...index, name: 'Other', configuration: '2d', coverage: [], optionsHash: '' })).toBe(hash);
  });

  it('has another hash once any of its voxels, labels or locations is another, or means something else', async () => {
    const { hash, index } = await openStore(copy());
    const checksum = await hasher();
    const [first, ...others] = index.cases;
    const otherFirst = (change: Partial<StoredCase>): StoreIndex => ({ ...index, cases: [{ ...first, ...change }, ...others] });
    const { files } = first;
    const xxh64 = '0123456789abcdef';
    const changed: StoreIndex[] = [
      otherFirst({ files: { ...files, data: { ...files.data, xxh64 } } }),
      otherFirst({ files: { ...files, segmentation: { ...files.segmentation, xxh64 } } }),
      otherFirst({ locationsXxh64: xxh64 }),
      otherFirst({ locations: first.locations.map((count, i) => (i === 0 ? count + 1 : count)) }),
      { ...index, labels: { ...index.labels, classes: [...index.labels.classes].reverse() } },
      { ...index, cases: [...index.cases].reverse() },
    ];
    expect(contentHash(checksum, index)).toBe(hash);
    for (const other of changed) expect(contentHash(checksum, other)).not.toBe(hash);
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
    await expect(openStore(dir)).rejects.toMatchObject(
      refusal(join(dir, 'voxfeed.json'), 'version 1, this voxfeed reads versions 2 and 3'),
    );
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
    const index: IndexFile = JSON.parse(readFileSync(path, 'utf8'));
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

  it.each<[string, (index: IndexFile) => object, string]>([
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
    ['has no numbers of locations', () => ({ files: {} }), 'files: voxfeed.counts is not among them'],
    ['has labels without values', ({ labels }) => ({ labels: { ...labels, values: [] } }), 'labels.values: it is empty'],
  ])('%s, whatever its checksum says', async (_, change, what) => {
    const dir = copy();
    await changeIndex(dir, (index) => ({ ...index, ...change(index) }));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(join(dir, 'voxfeed.json'), what));
  });

  it('lacks the numbers of class locations, or has others', async () => {
    const dir = copy();
    const path = join(dir, 'voxfeed.counts');
    const before = readFileSync(path);
    expect(before.length).toBe(2 * 3 * 4);
    const changed = Buffer.from(before);
    changed[5] ^= 1;
    writeFileSync(path, changed);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'not those that the index lists'));
    truncateSync(path, 23);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'holds 23 bytes instead of 24'));
    rmSync(path);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'the file is missing'));
    mkdirSync(path);
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'it is no file'));
    rmSync(path, { recursive: true });
    writeFileSync(path, before);
    await changeIndex(dir, (index) => ({ ...index, labels: { ...index.labels, classes: index.labels.classes.slice(1) } }));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(path, 'holds 24 bytes instead of 16'));
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
  const { index } = await openStore(dir);
  const ids = Array.from({ length: 10_001 }, (_, number) => `case_${String(number).padStart(5, '0')}`);
  const cases = ids.map((id) => ({ ...index.cases[0], id, coverage: [] }));
  await writeIndex(dir, { ...index, cases });
  const store = await openStore(dir);
  expect(store.cases).toHaveLength(10_001);
  const { sidecar, data } = caseFiles(dir, 'case_00007');
  expect(() => store.location(7, 0, 0)).toThrow(expect.objectContaining({ name: 'FileError', where: sidecar }));
  const files = new OpenFiles({ dir, format: 'npy', cases: store.cases, channels: 2, labelBytes: 1, previous: null }, 1);
  expect(() => files.get(7)).toThrow(expect.objectContaining({ name: 'FileError', where: data }));
  // A store of one case fewer is looked at, file by file.
  await writeIndex(dir, { ...index, cases: cases.slice(1) });
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
    const sidecar = readSidecarFile(path, checksum);
    const [first, ...others] = sidecar.classes;
    for (const classes of [[{ ...first, locations: first.locations.subarray(1) }, ...others], others]) {
      writeFileSync(path, encodeSidecar({ ...sidecar, classes }, checksum));
      expect(() => store.location(0, 0, 0)).toThrow(expect.objectContaining(refusal(path, 'are not those of the index')));
    }
  });

  it('are refused where one of them, or of their checksums, is another; those of other classes are read', async () => {
    const dir = copy();
    const path = caseFiles(dir, 'a').sidecar;
    const whole = await openStore(dir);
    const counts = whole.cases[0].locations;
    const before = readFileSync(path);
    const flipped = (at: number) => writeFileSync(path, before.with(before.length + at, before[before.length + at] ^ 1));
    const damaged = expect.objectContaining(refusal(path, 'it is damaged'));
    flipped(-1);
    const store = await openStore(dir);
    expect(() => store.flatLocations(0, 1)).toThrow(damaged);
    expect(store.flatLocations(0, 0)).toEqual(whole.flatLocations(0, 0));
    flipped(-4 * (counts[0] + counts[1]) - 8 * 3);
    expect(() => store.flatLocations(0, 1)).toThrow(damaged);
    writeFileSync(path, before);
    expect(store.flatLocations(0, 1)).toEqual(whole.flatLocations(0, 1));
    expect(store.flatLocations(0, 1)).toHaveLength(counts[1]);
    expect(store.flatLocations(0, 2)).toHaveLength(0);
  });

  it('are refused where the file is damaged', async () => {
    const dir = copy();
    const store = await openStore(dir);
    const path = caseFiles(dir, 'a').sidecar;
    truncateSync(path, statSync(path).size - 5);
    expect(() => store.location(0, 0, 0)).toThrow(expect.objectContaining(refusal(path, 'damaged')));
  });
});

describe('a store of version 2', () => {
  it('opens as the same: hash, numbers and locations', async () => {
    const [old, dir] = [copy(), copy()];
    await asVersion2(old);
    const [found, store] = [await openStore(old), await openStore(dir)];
    const withoutSums = (cases: readonly StoredCase[]) => cases.map(({ classesXxh64: _, ...entry }) => entry);
    expect(found.hash).toBe(store.hash);
    const { channels, labels, labelDtype, cases } = JSON.parse(readFileSync(join(old, 'voxfeed.json'), 'utf8'));
    const contents = cases.map(({ coverage: _, ...entry }: { coverage: unknown }) => entry);
    expect(store.hash).toBe(await xxh64(JSON.stringify([channels, labels, labelDtype, contents])));
    expect(withoutSums(found.cases)).toEqual(withoutSums(store.cases));
    expect(found.index.coverage).toEqual(store.index.coverage);
    expect(store.index.coverage[0].classes).toHaveLength(3);
    for (const caseNumber of [0, 1]) {
      expect({ ...found.sidecar(caseNumber), version: 3 }).toEqual(store.sidecar(caseNumber));
      for (const classNumber of [0, 1, 2])
        expect(found.flatLocations(caseNumber, classNumber)).toEqual(store.flatLocations(caseNumber, classNumber));
    }
    expect((await verifyStore(old)).damaged).toEqual([]);
  });

  it('is refused where its numbers, or the locations of a case, are not what was written', async () => {
    const dir = copy();
    await asVersion2(dir);
    const store = await openStore(dir);
    const path = caseFiles(dir, 'a').sidecar;
    const before = readFileSync(path);
    writeFileSync(path, before.with(before.length - 30, before[before.length - 30] ^ 1));
    expect(() => store.location(0, 0, 0)).toThrow(expect.objectContaining(refusal(path, 'it is damaged')));
    const index = join(dir, 'voxfeed.json');
    const { cases, ...about } = JSON.parse(readFileSync(index, 'utf8'));
    writeFileSync(index, JSON.stringify({ ...about, cases: [{ ...cases[0], locations: [1] }, cases[1]] }));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(index, 'cases[0].locations: there is not one for each class'));
    writeFileSync(index, JSON.stringify({ ...about, cases: [{ ...cases[0], locations: [1, 2, 3] }, cases[1]] }));
    await expect(openStore(dir)).rejects.toMatchObject(refusal(index, 'do not match its checksum'));
  });

  it('becomes one of version 3 when it is preprocessed again, with the same streams; its cases stay', async () => {
    const dir = copy();
    await asVersion2(dir);
    const before = await openStore(dir);
    const files = identities(dir);
    expect(await preprocess(join(original, 'raw'), dir, { workers: 1 })).toMatchObject({ cases: 2, written: 0 });
    const { 'voxfeed.json': _, ...others } = files;
    expect(identities(dir)).toMatchObject(others);
    const store = await openStore(dir);
    expect([store.hash, store.index.coverage]).toEqual([before.hash, before.index.coverage]);
    expect(store.cases[0].classesXxh64).toBe(undefined);
    expect(store.flatLocations(0, 1)).toEqual(before.flatLocations(0, 1));
    expect((await verifyStore(dir)).damaged).toEqual([]);
  });
});
