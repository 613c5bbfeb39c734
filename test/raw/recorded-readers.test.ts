import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readVolumes } from '../../src/raw/read-volumes.ts';
import { READER_NAMES, type Reader, reads } from '../../src/raw/readers.ts';
import { expectNear, expectPlace, floats, type Recorded } from '../fixtures/recorded-reading.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

interface RecordedFile {
  name: string;
  file: string;
  results: Record<Reader, Recorded | null>;
}

const FILES: RecordedFile[] = JSON.parse(
  readFileSync(process.env.VOXFEED_READERS ?? join(import.meta.dirname, 'recorded-readers.json'), 'utf8'),
);

/** A file of four axes of which the last is 1 is one of three to voxfeed, and nothing to nibabel readers: no harm is done. */
const LENIENT = /shape \[\d+, \d+, \d+, 1\]/;

describe.each(READER_NAMES.filter((reader) => reads(reader, '.nii')))("nnU-Net's %s", (reader) => {
  const files = FILES.filter(({ name }) => !(reader.startsWith('Nibabel') && LENIENT.test(name)));
  it.each(files.map(({ name }, i) => [i, name] as const))('reads file %d as here: %s', async (i) => {
    const { file, results } = files[i];
    const recorded = results[reader];
    const path = join(temporaryFolder(), 'a.nii');
    writeFileSync(path, Buffer.from(file, 'base64'));
    const reading = { reader, channels: 1, notes: [] };
    const hasNaN = recorded !== null && floats(recorded.data).some((value) => !Number.isFinite(value));
    if (recorded === null || hasNaN) return expect(readVolumes(path, reading)).rejects.toMatchObject({ name: 'CaseError', where: path });
    const volumes = await readVolumes(path, reading);
    expect([volumes.length, ...volumes[0].shape]).toEqual(recorded.shape);
    // Zero has no sign here: nibabel adds no intercept of 0.
    expect(volumes.flatMap(({ data }) => Array.from(data, (value) => value + 0))).toEqual(
      Array.from(floats(recorded.data), (value) => value + 0),
    );
    expectNear(volumes[0].spacing, recorded.spacing);
    expectPlace(volumes[0], recorded);
  });
});
