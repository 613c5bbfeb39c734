import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { memfd } from '../fixtures/memfd.ts';
import { Served } from '../fixtures/served.ts';

const { store, options } = await loaderFixture({ augmentation: 'default', batchSize: 5, workers: 1 });
const { store: _, ...plain } = options;

async function rank(number: number, start = 0): Promise<Served> {
  const served = new Served(memfd());
  const open = { store: store.dir, options: { ...plain, rank: number, worldSize: 2 }, map: true, start: { training: start } };
  await served.open(open);
  return served;
}

/** The images of the next batches. */
async function taken(served: Served, count: number): Promise<Buffer[]> {
  const images: Buffer[] = [];
  while (images.length < count) {
    const batch = await served.batch();
    images.push(served.read(batch)[0]);
    served.say({ op: 'release', slot: batch.slot });
  }
  return images;
}

/** Which file the resident cases of a process lie in. */
function casesOf({ child }: Served): number[] {
  const dir = `/proc/${child.pid}/fd`;
  const open = readdirSync(dir).filter((fd) => /^\/memfd:voxfeed-cases-/.test(readlinkSync(`${dir}/${fd}`)));
  return open.map((fd) => statSync(`${dir}/${fd}`).ino);
}

it('a rank that is killed harms no other, and one that takes its place shares the cases again', async () => {
  await using loader = await PatchLoader.create(options);
  const whole: Buffer[] = [];
  for (let i = 0; i < 12; i++) {
    using batch = await loader.next();
    whole.push(Buffer.from(new Uint8Array(batch.data.buffer, batch.data.byteOffset, batch.data.byteLength).slice()));
  }
  const [first, second] = [await rank(0), await rank(1)];
  const ofFirst = await taken(first, 4);
  const ofSecond = await taken(second, 4);
  const [file] = casesOf(first);
  expect([casesOf(first), casesOf(second)]).toEqual([[file], [file]]);
  second.child.kill('SIGKILL');
  ofFirst.push(...(await taken(first, 4)));
  const again = await rank(1, 4);
  expect(casesOf(again)).toEqual([file]);
  first.child.kill('SIGKILL');
  ofSecond.push(...(await taken(again, 8)));
  const third = await rank(0, 8);
  expect(casesOf(third)).toEqual([file]);
  ofFirst.push(...(await taken(third, 4)));
  expect(ofFirst.map((part, i) => Buffer.concat([part, ofSecond[i]]))).toEqual(whole);
});
