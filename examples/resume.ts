/** Stops a stream after five batches, keeps where it stood in a file, and goes on from there: the batches are those of a whole run. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoaderState, PatchLoader } from 'voxfeed';
import { hippocampus, OUTPUT } from './hippocampus.ts';

const store = await hippocampus();
const path = join(OUTPUT, 'state.json');

/** What tells batches apart: a hash of their voxels and labels. */
async function take(loader: PatchLoader, count: number): Promise<string[]> {
  const hashes: string[] = [];
  for (let i = 0; i < count; i++) {
    using batch = await loader.next();
    hashes.push(createHash('md5').update(batch.data).update(batch.target).digest('hex'));
  }
  return hashes;
}

async function wholeRun(): Promise<string[]> {
  await using loader = await PatchLoader.create({ store, augmentation: 'default', seed: 7, workers: 2 });
  return await take(loader, 10); // awaited here: the loader closes where its function ends
}

async function firstHalf(): Promise<string[]> {
  await using loader = await PatchLoader.create({ store, augmentation: 'default', seed: 7, workers: 2 });
  const hashes = await take(loader, 5);
  await writeFile(path, JSON.stringify(loader.state()));
  return hashes;
}

async function secondHalf(): Promise<string[]> {
  const state: LoaderState = JSON.parse(await readFile(path, 'utf8'));
  await using loader = await PatchLoader.create({ store, state, workers: 1 }); // workers change the speed, never the stream
  return await take(loader, 5);
}

const whole = await wholeRun();
const halves = [...(await firstHalf()), ...(await secondHalf())];
for (const [i, hash] of halves.entries()) console.log(`batch ${i}: ${hash}${hash === whole[i] ? ', as in the whole run' : ''}`);
if (halves.join() !== whole.join()) throw new Error('the stream is another one');
