import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { caseFiles } from '../src/dataset/case-files.ts';
import { sampleClassLocations } from '../src/dataset/class-locations.ts';
import { xxh64 } from '../src/dataset/hash.ts';
import { readLabels } from '../src/dataset/labels.ts';
import { encodeNpyHeader } from '../src/dataset/npy.ts';
import { encodeSidecar } from '../src/dataset/sidecar.ts';
import { INDEX_FILE, openStore, type Store, type StoredCase, type StoreIndex } from '../src/dataset/store.ts';
import { type Triple, voxels } from '../src/geometry.ts';
import { Draws, STAGE } from '../src/random.ts';

/** A store of made-up volumes, large enough to measure with: noise, and balls of three classes, about 1 % foreground together. */
export async function syntheticStore(dir: string, cases: number, shape: Triple): Promise<Store> {
  if (existsSync(join(dir, INDEX_FILE))) return openStore(dir);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const labels = readLabels('bench', { background: 0, one: 1, two: 2, three: 3 });
  const entries: StoredCase[] = [];
  for (let number = 0; number < cases; number++) {
    const id = `case_${number}`;
    const image = new Float32Array(voxels(shape));
    let state = number + 1;
    for (let i = 0; i < image.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      image[i] = state / 2 ** 31 - 1;
    }
    const segmentation = balls(shape, number);
    const paths = caseFiles(dir, id);
    const files = {
      data: await write(paths.data, encodeNpyHeader('<f4', [1, ...shape]), image),
      segmentation: await write(paths.segmentation, encodeNpyHeader('|i1', shape), segmentation),
    };
    const classes = sampleClassLocations(segmentation, labels.classes);
    const spacing: Triple = [1, 1, 1];
    const geometry = { shape, spacing, shapeBeforeCrop: shape, cropBox: { lower: [0, 0, 0] as Triple, upper: shape }, affine: [] };
    writeFileSync(
      paths.sidecar,
      encodeSidecar({
        format: 'voxfeed-case',
        version: 1,
        id,
        channels: 1,
        ...geometry,
        optionsHash: '',
        sources: [],
        files,
        classes,
      }),
    );
    const locations = classes.map((entry) => entry.locations);
    entries.push({
      id,
      shape,
      spacing,
      locations: locations.map(({ length }) => length),
      locationsXxh64: await xxh64(...locations),
      files,
    });
  }
  const index: StoreIndex = {
    format: 'voxfeed-store',
    version: 1,
    name: `synthetic ${shape.join('x')}`,
    channels: ['noise'],
    labels,
    labelDtype: 'int8',
    options: null,
    optionsHash: '',
    cases: entries,
  };
  writeFileSync(join(dir, INDEX_FILE), JSON.stringify(index));
  return openStore(dir);
}

async function write(path: string, header: Buffer, data: ArrayBufferView): Promise<{ bytes: number; xxh64: string }> {
  const bytes = Buffer.concat([header, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
  writeFileSync(path, bytes);
  return { bytes: bytes.length, xxh64: await xxh64(bytes) };
}

/** One ball a class, each a third of a percent of the volume, anywhere inside. */
function balls(shape: Triple, number: number): Int8Array {
  const segmentation = new Int8Array(voxels(shape));
  const radius = Math.floor(((voxels(shape) / 300) * (3 / (4 * Math.PI))) ** (1 / 3));
  for (const label of [1, 2, 3]) {
    const draws = new Draws(1, number * 3 + label, STAGE.box);
    const centre = shape.map((size) => draws.between(radius, size - 1 - radius));
    for (let z = -radius; z <= radius; z++) {
      for (let y = -radius; y <= radius; y++) {
        for (let x = -radius; x <= radius; x++) {
          if (z * z + y * y + x * x > radius * radius) continue;
          segmentation[((centre[0] + z) * shape[1] + centre[1] + y) * shape[2] + centre[2] + x] = label;
        }
      }
    }
  }
  return segmentation;
}
