import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ReadVolume, readVolumes } from '../../src/raw/read-volumes.ts';
import { READER_NAMES, type Reader } from '../../src/raw/readers.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** What one of nnU-Net's readers gave: bench/interop/readers.py writes it. */
interface Recorded {
  shape: number[];
  spacing: number[];
  /** float32, base64. */
  data: string;
  /** SimpleITK's. */
  steps?: number[];
  origin?: number[];
  direction?: number[];
  original_orientation?: string | null;
  /** nibabel's. */
  original_affine?: number[][];
  reoriented_affine?: number[][];
}

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

function floats(base64: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
}

/** Up to what float32 in ITK's and nibabel's headers leaves of a length. */
function expectNear(found: readonly number[], wanted: readonly number[]): void {
  expect(found).toHaveLength(wanted.length);
  for (const [i, value] of wanted.entries())
    expect(Math.abs(found[i] - value), `${found} ${wanted}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
}

function expectPlace({ affine, file }: ReadVolume, recorded: Recorded): void {
  if (recorded.direction !== undefined) {
    const { direction, steps = [], origin = [] } = recorded;
    // ITK looks to the left and to the back.
    const sign = [-1, -1, 1];
    expectNear(
      affine.slice(0, 3).flat(),
      sign.flatMap((towards, row) => [...steps.map((step, axis) => towards * direction[3 * row + axis] * step), towards * origin[row]]),
    );
    if (recorded.original_orientation) expect(file.orientation).toBe(recorded.original_orientation);
  } else {
    expectNear(file.affine.flat(), (recorded.original_affine ?? []).flat());
    expectNear(affine.flat(), (recorded.reoriented_affine ?? recorded.original_affine ?? []).flat());
  }
}

describe.each(READER_NAMES)("nnU-Net's %s", (reader) => {
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
