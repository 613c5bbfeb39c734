import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Digest, xxh64 } from '../../src/common/hash.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { replay } from '../../src/loader/replay.ts';
import { measureThroughput } from '../../src/measuring/throughput.ts';
import type { Store } from '../../src/store/store.ts';
import { ViewApi } from '../../src/view/api.ts';
import type {
  AboutFacts,
  BatchFacts,
  CaseFacts,
  PlannedFacts,
  SampleFacts,
  SpeedFacts,
  StepsFacts,
  VolumeFacts,
} from '../../src/view/facts.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { decode } from './view.ts';

const dir = temporaryFolder();
const OPTIONS = { patchSize: [4, 5, 6], batchSize: 3, seed: 7, workers: 1, augmentation: 'default' as const };
let store: Store;
let api: ViewApi;

beforeAll(async () => {
  store = await makeStore(join(dir, 'store'), { shapes: [[7, 9, 11], [8, 9, 10]], channels: 2 }); // biome-ignore format: two shapes
  api = new ViewApi(store, OPTIONS);
});

afterAll(() => api[Symbol.asyncDispose]());

const body = async (name: string, query: Record<string, string> = {}): Promise<Uint8Array> => {
  const answer = await api.answer(name, new URLSearchParams(query));
  return Buffer.from((answer as { body: Uint8Array | string }).body as Uint8Array);
};
const facts = async <T>(name: string, query?: Record<string, string>): Promise<T> =>
  JSON.parse(Buffer.from(await body(name, query)).toString()) as T;
const packet = async <T>(name: string, query?: Record<string, string>) => decode<T>(await body(name, query));

/** The loader that starts next. */
function nextLoader(): Promise<PatchLoader> {
  const { promise, resolve } = Promise.withResolvers<PatchLoader>();
  const onLoader = (message: unknown): void => {
    unsubscribe('voxfeed:loader', onLoader);
    resolve((message as { loader: PatchLoader }).loader);
  };
  subscribe('voxfeed:loader', onLoader);
  return promise;
}

/** The hash of a sample as `replay` makes it. */
async function replayed(sample: number, options: object = {}): Promise<string> {
  const { after } = await replay({ store, ...OPTIONS, ...options }, sample);
  return xxh64(after.data, after.targets[0]);
}

describe('what the server of a page answers', () => {
  it('is a stream as it comes, whose samples are those of replay', async () => {
    for (const batch of [0, 1, 4]) {
      const { facts: found, arrays } = await packet<BatchFacts>('batch', { batch: String(batch) });
      expect(found).toMatchObject({ batch, live: true });
      expect(found.cards.map(({ sample }) => sample)).toEqual([3 * batch, 3 * batch + 1, 3 * batch + 2]);
      for (const { sample, hash, planes } of found.cards) {
        expect(hash).toBe(await replayed(sample));
        for (const { name, rows, columns } of planes)
          expect(arrays[`${name}.image`]).toMatchObject({ dtype: 'f4', shape: [rows, columns] });
      }
    }
  });

  it('is a batch that has passed, the same bytes again', async () => {
    const passed = await packet<BatchFacts>('batch', { batch: '3' });
    expect(passed.facts.live).toBe(false);
    await using loader = await PatchLoader.create({ store, ...OPTIONS });
    loader.training.skipTo(3);
    using batch = await loader.next();
    const size = 2 * 4 * 5 * 6;
    for (const [slot, { hash, id, forced }] of passed.facts.cards.entries()) {
      expect(hash).toBe(
        await xxh64(batch.data.slice(slot * size, (slot + 1) * size), batch.target.slice((slot * size) / 2, ((slot + 1) * size) / 2)),
      );
      expect([id, forced]).toEqual([batch.keys[slot], batch.plans[slot].forced]);
    }
  });

  it('is the stream of other settings', async () => {
    const options = JSON.stringify({ seed: 8, oversample: 1, augmentation: 'none' });
    const { facts: found } = await packet<BatchFacts>('batch', { options });
    expect(found.cards.every(({ forced, words }) => forced && words.length === 0)).toBe(true);
    expect(found.cards[1].hash).toBe(await replayed(1, { seed: 8, oversample: 1, augmentation: 'none' }));
  });

  it('is all cases where the page wants them, though the command line names a fold', async () => {
    writeFileSync(join(store.aboutDir, 'splits_final.json'), JSON.stringify([{ train: ['case_000'], val: ['case_001'] }]));
    await using ofFold = new ViewApi(store, { ...OPTIONS, fold: 0 });
    const drawn = async (options: object): Promise<Set<string>> => {
      const answer = await ofFold.answer('batch', new URLSearchParams({ options: JSON.stringify(options), batch: '5' }));
      return new Set(decode<BatchFacts>(answer?.body as Uint8Array).facts.cards.map(({ id }) => id));
    };
    const about = await ofFold.answer('about', new URLSearchParams());
    expect(JSON.parse(about?.body as string).settings.fold).toBe(0);
    expect(await drawn({})).toEqual(new Set(['case_000']));
    expect(await drawn({ fold: 'all' })).toEqual(new Set(['case_000', 'case_001']));
  });

  it('is a sample step by step, from what is stored to what is in the batch', async () => {
    const { facts: found, arrays } = await packet<SampleFacts>('sample', { sample: '11', channel: '1' });
    const { plan, after } = await replay({ store, ...OPTIONS }, 11);
    expect(found.plan).toEqual(plan);
    expect(found.stages).toHaveLength(1 + plan.operations.length);
    expect(found.stages.at(-1)?.hash).toBe(await xxh64(after.data, after.targets[0]));
    expect(found.stages[0].title).toBe('as stored');
    const count = 4 * 5 * 6;
    const plane = found.stages[plan.operations.length].planes[0];
    const channel = after.data.subarray(count, 2 * count);
    const expected = channel.slice(plane.position * 30, (plane.position + 1) * 30);
    expect(arrays[`${plane.name}.image`].bytes).toEqual(Buffer.from(expected.buffer));
    for (const { histogram } of found.stages) expect(histogram.reduce((a, b) => a + b)).toBe(count);
  });

  it('is where a patch lies, turned as planned', async () => {
    const steps = [{ transform: 'spatial', rotation: Math.PI / 2, rotationProbability: 1, scalingProbability: 0, dummy2d: true }];
    const options = JSON.stringify({ augmentation: steps });
    const { facts: found } = await packet<SampleFacts>('sample', { options });
    const size = [0, 1, 2].map(
      (axis) => Math.max(...found.corners.map((one) => one[axis])) - Math.min(...found.corners.map((one) => one[axis])),
    );
    // A quarter of a turn about axis 0: 5 and 6 change places.
    expect(size.map((one) => Math.round(1e6 * one) / 1e6)).toEqual([4, 6, 5]);
  });

  it('is the hash that bench reports', async () => {
    const { hash } = await facts<{ hash: string }>('hash', { batches: '2' });
    await using loader = await PatchLoader.create({ store, ...OPTIONS });
    expect(hash).toBe((await measureThroughput(loader, { batches: 2, hash: true })).stream_hash);
    const digest = await Digest.create();
    expect(hash).not.toBe(digest.hex());
  });

  it('is no hash once nobody waits for it: its loader is closed', async () => {
    const gone = new AbortController();
    const started = nextLoader();
    const hash = api.answer('hash', new URLSearchParams({ batches: '1000' }), gone.signal);
    const loader = await started;
    // It waits for its first batches.
    await setImmediate();
    gone.abort();
    await expect(hash).rejects.toThrow();
    expect(loader.closed).toBe(true);
  });

  it('is no batch once the page is closed, however many are asked for', async () => {
    const other = new ViewApi(store, { ...OPTIONS, batchSize: 1000 });
    const started = nextLoader();
    const [first, next] = [0, 1].map((batch) => other.answer('batch', new URLSearchParams({ batch: String(batch) })));
    const refused = [expect(first).rejects.toThrow('closed'), expect(next).rejects.toThrow('the page is closed')];
    await started;
    await setImmediate();
    await other[Symbol.asyncDispose]();
    await Promise.all(refused);
  });

  it('is the flags by which bench makes the same stream: those of the command line, and of the page', async () => {
    const options = JSON.stringify({ oversample: 0.5, augmentation: 'none' });
    expect(await facts('command', { options })).toEqual({ flags: ['--patch 4,5,6', '--batch 3', '--seed 7', '--oversample 0.5'] });
  });

  it('is a pipeline with all of its options', async () => {
    const { steps, options } = await facts<StepsFacts>('steps', { preset: 'da5' });
    expect(steps[0]).toMatchObject({ transform: 'spatial', rotationProbability: 0.4, scaling: [0.7, 1.43] });
    expect(options.gamma).toContainEqual(expect.objectContaining({ name: 'gamma', kind: 'range', from: 0.05, to: 10 }));
    expect(options.spatial).toContainEqual(expect.objectContaining({ name: 'image', kind: 'choice', choices: ['linear', 'nearest'] }));
    expect(options.oneOf).toContainEqual(expect.objectContaining({ name: 'of', kind: 'steps' }));
    // Giving it back makes the same stream.
    const given = await facts<{ hash: string }>('hash', { batches: '1', options: JSON.stringify({ augmentation: steps }) });
    expect(given).toEqual(await facts('hash', { batches: '1', options: JSON.stringify({ augmentation: 'da5' }) }));
  });

  it('is the store: what it is about, its cases, a whole one, as voxels and as NIfTI', async () => {
    expect(await facts<AboutFacts>('about')).toMatchObject({
      name: 'fixture',
      cases: 2,
      channels: ['channel 0', 'channel 1'],
      outlines: [{ name: 'one', label: 1 }, { name: 'two', label: 2 }], // biome-ignore format: short
      settings: { seed: 7, fold: 'all', augmentation: 'default' },
      fixed: { config: true },
    });
    const cases = await facts<CaseFacts[]>('cases');
    expect(cases.map(({ shape }) => shape)).toEqual([[7, 9, 11], [8, 9, 10]]); // biome-ignore format: two shapes
    const { facts: found, arrays } = await packet<VolumeFacts>('volume', { case: '1', channel: '1' });
    expect([found.id, found.shape, found.step]).toEqual(['case_001', [8, 9, 10], 1]);
    expect(arrays.image.bytes.readFloatLE(4 * 17)).toBe(100_000 + 10_000_000 + 18);
    expect(arrays.labels.bytes).toHaveLength(2 * 720);
    const nifti = Buffer.from(await body('volume-nifti', { case: '1', part: 'labels' }));
    expect([nifti.readInt32LE(0), nifti.readInt16LE(42), nifti.readInt16LE(44), nifti.readInt16LE(46)]).toEqual([348, 10, 9, 8]);
  });

  it('is where planned patches fall, and what they hold', async () => {
    const { facts: found, arrays } = await packet<PlannedFacts>('planned', { count: '60' });
    expect(found.drawn.reduce((a, b) => a + b)).toBe(60);
    expect(arrays.boxes).toMatchObject({ dtype: 'i4', shape: [60, 5] });
    // A third is forced, and the case without foreground forces nothing.
    expect(found.forcedOnto.reduce((a, b) => a + b)).toBeGreaterThan(0);
    for (const [i, part] of found.holding.entries()) expect(part).toBeGreaterThanOrEqual(found.forcedOnto[i]);
  });

  it('is what the loader measures while it is consumed', async () => {
    const now = await vi.waitFor(
      async () => {
        const asked = await facts<SpeedFacts>('speed', { step: '0' });
        expect(asked.metrics.batches).toBeGreaterThan(4);
        return asked;
      },
      { timeout: 60_000 },
    );
    expect(now.metrics.stages.read).toBeGreaterThan(0);
    expect(now.memory.map(({ name }) => name)).toContain('ring');
    expect(await facts('doctor')).toHaveProperty('bound');
  });

  it.each([
    ['batch', { batch: '-1' }, 'batch: "-1" is not a whole number'],
    ['batch', { batch: '1e9' }, 'batch: "1e9" is not a whole number'],
    ['sample', { at: '1,2' }, 'at: it is no place'],
    ['volume', { case: '2' }, 'case: "2" is not a whole number from 0 to 1'],
    ['batch', { channel: '2' }, 'channel: "2" is not'],
    ['batch', { options: '[]' }, 'options: they are no object'],
    ['batch', { options: '{"seed":-1}' }, 'seed: -1 is not'],
    ['batch', { options: '{"previousStage":"/etc"}' }, 'options.previousStage: there is no such option'],
    ['batch', { options: '{"augmentation":[{"transform":"custom","module":"/tmp/x.mjs"}]}' }, 'pages run no code'],
    [
      'batch',
      { options: '{"augmentation":[{"transform":"oneOf","of":[{"transform":"custom","module":"/tmp/x.mjs"}]}]}' },
      'pages run no code',
    ],
    ['batch', { options: '{"augmentation":[{"module":"x"}]}' }, 'augmentation[0]: there is no transform nothing'],
    ['batch', { options: '{"augmentation":[{"transform":"oneOf"}]}' }, 'augmentation[0].of: '],
    ['batch', { options: '{"augmentation":[7]}' }, 'augmentation[0]: there is no transform'],
    ['steps', { preset: 'nonsense' }, 'there is no preset "nonsense"'],
    ['hash', { batches: '1001' }, 'batches: "1001" is not'],
  ])('is a refusal of %s %o', async (name, query, message) => {
    await expect(api.answer(name, new URLSearchParams(query as unknown as Record<string, string>))).rejects.toThrow(message);
  });

  it('is nothing where there is no such question', async () => {
    for (const name of ['', 'nothing', 'constructor', '__proto__', 'about/x'])
      expect(await api.answer(name, new URLSearchParams())).toBeNull();
  });
});
