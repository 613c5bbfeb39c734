/** Cases that were preprocessed elsewhere: bright balls in noise, made up here, become a store that streams as any other does. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PatchLoader, type StoreCase, verifyStore, writeStore } from 'voxfeed';
import { OUTPUT } from './hippocampus.ts';

const SIZE = 64;
const BACKGROUND = 0;
const BALL = 1;

/** One ball in noise; normalised already: mean about 0, standard deviation about 1. */
function ball(number: number): StoreCase {
  const image = new Float32Array(SIZE ** 3);
  const segmentation = new Int8Array(SIZE ** 3);
  const centre = [20 + 3 * number, 30, 40 - 2 * number];
  for (let z = 0, i = 0; z < SIZE; z++)
    for (let y = 0; y < SIZE; y++)
      for (let x = 0; x < SIZE; x++, i++) {
        const inside = Math.hypot(z - centre[0], y - centre[1], x - centre[2]) < 8;
        segmentation[i] = inside ? BALL : BACKGROUND;
        image[i] = (inside ? 3 : 0) + Math.sin(12.9898 * i + number);
      }
  return { id: `ball_${number}`, shape: [SIZE, SIZE, SIZE], image, segmentation, spacing: [1, 1, 1] };
}

/** One at a time: a data set need not fit into memory. Read yours from disk here; an async generator will do, too. */
function* balls(): Generator<StoreCase> {
  for (let number = 0; number < 6; number++) yield ball(number);
}

const dir = join(OUTPUT, 'balls');
await rm(dir, { recursive: true, force: true }); // a store that is there is never overwritten
const store = await writeStore(dir, { name: 'balls', channels: ['noise'], labels: { background: BACKGROUND, ball: BALL }, cases: balls() });
const { cases, damaged } = await verifyStore(dir);
console.log(`${cases} cases written, ${damaged.length} damaged`);

await using loader = await PatchLoader.create({
  store,
  patchSize: [32, 32, 32],
  batchSize: 4,
  augmentation: 'default',
  fold: 0,
  workers: 2,
});
using batch = await loader.next();
console.log(`the first batch, [${batch.dataShape}]: ${batch.keys.join(', ')}`);
console.log(`with a ball in it: ${batch.foreground.join(', ')}`);
if (!batch.foreground.some(Boolean)) throw new Error('no patch shows a ball');
