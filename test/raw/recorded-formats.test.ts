import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readVolumeHead, readVolumes } from '../../src/raw/read-volumes.ts';
import type { Reader } from '../../src/raw/readers.ts';
import { expectNear, expectPlace, floats, type Recorded } from '../fixtures/recorded-reading.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** bench/interop/formats.py writes it. */
interface RecordedFile {
  name: string;
  ending: string;
  /** What lies beside it, for stacks. */
  spacing: number[] | null;
  file: string;
  /** Null where nnU-Net refuses. */
  results: Partial<Record<Reader, Recorded | null>>;
}

const FILES: RecordedFile[] = JSON.parse(
  gunzipSync(readFileSync(process.env.VOXFEED_FORMATS ?? join(import.meta.dirname, 'recorded-formats.json.gz'))).toString(),
);

/**
 * What is refused though nnU-Net's reader takes it, and with which words: several numbers a voxel, which it takes for a fourth axis and
 * then fails over their spacing; rare encodings; NaN, which would become the mean of everything.
 */
const REFUSED = /numbers a voxel|encoding is (hex|bzip2)|NaN or infinite|bits? a pixel|too large for float32|in words|bits a number/;

/** ITK turns volumes alone, so that nnU-Net ends at a 2D image; here there is nothing to turn about it. */
const LENIENT = /WithReorient: SimpleITK, \w+, 2 axes/;

describe.each([...new Set(FILES.map(({ ending }) => ending))])('a %s file', (ending) => {
  const files = FILES.filter((file) => file.ending === ending);
  const all = files
    .flatMap((file, i) => Object.keys(file.results).map((reader) => [i, reader as Reader, file.name] as const))
    .filter(([, reader, name]) => !LENIENT.test(`${reader}: ${name}`));
  it.each(all)('is read as nnU-Net reads it: %d, %s: %s', async (i, reader) => {
    const { file, results, spacing } = files[i];
    const recorded = results[reader];
    const dir = temporaryFolder();
    const path = join(dir, `a_0000${ending}`);
    writeFileSync(path, Buffer.from(file, 'base64'));
    if (spacing !== null) writeFileSync(join(dir, 'a.json'), JSON.stringify({ spacing }));
    const reading = { reader, channels: 1, notes: [] };
    const found = await readVolumes(path, reading).catch((error) => error);
    if (!recorded) return expect(found).toMatchObject({ name: 'CaseError', where: path });
    if (found instanceof Error)
      return expect(found).toMatchObject({ name: 'CaseError', where: path, what: expect.stringMatching(REFUSED) });
    expect([found.length, ...found[0].shape]).toEqual(recorded.shape);
    expect(found.flatMap(({ data }: { data: Float32Array }) => Array.from(data))).toEqual(Array.from(floats(recorded.data)));
    expectNear(found[0].spacing, recorded.spacing);
    expectPlace(found[0], recorded);
    expect(await readVolumeHead(path, reader)).toMatchObject({ shape: found[0].shape, affine: found[0].affine, channels: found.length });
  });
});
