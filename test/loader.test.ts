import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Batch } from '../src/batch.ts';
import { caseFiles } from '../src/dataset/case-files.ts';
import type { Store } from '../src/dataset/store.ts';
import { ClosedError, MemoryError, OptionError, SampleError, StateError } from '../src/errors.ts';
import { boxShape, type Triple, voxels } from '../src/geometry.ts';
import { PatchLoader } from '../src/loader.ts';
import type { LoaderOptions } from '../src/options.ts';
import { folder } from './fixtures/folder.ts';
import { imageValue, makeStore } from './fixtures/store.ts';
import { streamHashes } from './fixtures/stream.ts';

const SHAPES: Triple[] = [
  [12, 20, 17],
  [9, 11, 30],
  [16, 16, 16],
  [10, 14, 12],
];
const dir = folder();
let store: Store;
let options: LoaderOptions;

beforeAll(async () => {
  store = await makeStore(join(dir, 'store'), { shapes: SHAPES });
  options = { store, patchSize: [8, 9, 10], batchSize: 6, seed: 7, workers: 2 };
});

/** What a batch must hold, voxel by voxel, from its plans alone. */
function expectVoxels(
  batch: Batch,
  shapes: readonly Triple[],
  channels: number,
  label: (caseNumber: number, flat: number) => number,
): void {
  batch.plans.forEach(({ caseNumber, box }, slot) => {
    const [depth, height, width] = shapes[caseNumber];
    const size = boxShape(box);
    const count = voxels(size);
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      const z = box.lower[0] + Math.floor(i / (size[1] * size[2]));
      const y = box.lower[1] + (Math.floor(i / size[2]) % size[1]);
      const x = box.lower[2] + (i % size[2]);
      const outside = z < 0 || y < 0 || x < 0 || z >= depth || y >= height || x >= width;
      const flat = (z * height + y) * width + x;
      for (let channel = 0; channel < channels; channel++) {
        if (batch.data[(slot * channels + channel) * count + i] !== (outside ? 0 : Math.fround(imageValue(caseNumber, channel, flat))))
          wrong++;
      }
      if (batch.target[slot * count + i] !== (outside ? -1 : label(caseNumber, flat))) wrong++;
    }
    expect(wrong, `sample ${slot} of batch ${batch.index}`).toBe(0);
  });
}

describe('batches', () => {
  const striped = (_: number, flat: number): number => flat % 3;

  it.each([
    { name: 'smaller than every volume', patchSize: [4, 5, 6], channels: 1 },
    { name: 'larger than every volume along some axes', patchSize: [24, 8, 33], channels: 1 },
    { name: 'larger than every volume', patchSize: [40, 40, 40], channels: 1 },
    { name: 'of one voxel', patchSize: [1, 1, 1], channels: 1 },
    { name: 'of several channels', patchSize: [8, 9, 10], channels: 3 },
    { name: 'in 2D', patchSize: [7, 12], channels: 2 },
  ])('hold the planned voxels, 0 and -1 outside: patches $name', async ({ patchSize, channels }) => {
    const shapes: Triple[] = [...SHAPES, [3, 300, 290]];
    const striped_store = await makeStore(join(dir, `voxels-${patchSize.join('-')}-${channels}`), {
      shapes,
      channels,
      label: (c, z, y, x) => striped(c, (z * shapes[c][1] + y) * shapes[c][2] + x),
    });
    await using loader = await PatchLoader.create({ store: striped_store, patchSize, batchSize: 5, seed: 3, workers: 2 });
    for (let i = 0; i < 8; i++) {
      using batch = await loader.next();
      expect(batch.dataShape).toEqual([5, channels, ...patchSize]);
      expect(batch.targetShape).toEqual([5, 1, ...patchSize]);
      expect(batch.data.length).toBe(voxels(batch.dataShape));
      expect(batch.target.length).toBe(voxels(batch.targetShape));
      expectVoxels(batch, shapes, channels, striped);
    }
  });

  it('hold labels above 127', async () => {
    const shapes: Triple[] = [[12, 12, 12]];
    const wide = await makeStore(join(dir, 'wide'), { shapes, labels: { background: 0, far: 300 }, label: (_, z) => (z % 2 ? 300 : -1) });
    expect(wide.index.labelDtype).toBe('int16');
    await using loader = await PatchLoader.create({ store: wide, patchSize: [5, 5, 19], batchSize: 2, workers: 1 });
    using batch = await loader.next();
    expectVoxels(batch, shapes, 1, (_, flat) => (Math.floor(flat / 144) % 2 ? 300 : -1));
    expect(batch.foreground).toEqual([true, true]);
  });

  it('say truly which samples hold foreground', async () => {
    await using loader = await PatchLoader.create(options);
    const seen = new Set<boolean>();
    for (let i = 0; i < 30; i++) {
      using batch = await loader.next();
      const size = voxels(batch.targetShape) / 6;
      batch.foreground.forEach((found, slot) => {
        seen.add(found);
        expect(found).toBe(batch.target.subarray(slot * size, (slot + 1) * size).some((label) => label > 0));
      });
    }
    expect(seen).toEqual(new Set([true, false]));
  });

  it('can be padded with edges or reflections instead of zeros', async () => {
    for (const padMode of ['edge', 'reflect'] as const) {
      await using loader = await PatchLoader.create({ ...options, patchSize: [24, 24, 40], padMode });
      using batch = await loader.next();
      // Every stored voxel is above 0, so whatever stands outside came from inside.
      expect(batch.data.every((value) => value > 0)).toBe(true);
      expect(batch.target.some((label) => label === -1)).toBe(true);
    }
  });

  it('come in plan order, under their numbers, with their case names', async () => {
    await using loader = await PatchLoader.create({ ...options, workers: 4 });
    for (let i = 0; i < 40; i++) {
      using batch = await loader.next();
      expect(batch.index).toBe(i);
      expect(batch.plans.map(({ sample }) => sample)).toEqual([0, 1, 2, 3, 4, 5].map((slot) => 6 * i + slot));
      expect(batch.keys).toEqual(batch.plans.map(({ caseNumber }) => store.cases[caseNumber].id));
    }
  });
});

describe('the stream', () => {
  it('is the same whether cases come from memory, from files, or some from each', async () => {
    for (const [name, labels] of Object.entries({ narrow: { background: 0, far: 3 }, wide: { background: 0, far: 300 } })) {
      const shapes: Triple[] = [...SHAPES, [3, 300, 290]];
      const cached = await makeStore(join(dir, `cached-${name}`), {
        shapes,
        channels: 2,
        labels,
        label: (_, z, y, x) => ((z + y + x) % 5 === 0 ? labels.far : 0),
      });
      const streams: string[][] = [];
      for (const cacheBytes of [0, 60_000, 1e9]) {
        await using loader = await PatchLoader.create({ ...options, store: cached, cacheBytes });
        const { meaning } = loader.memory().parts.find((part) => part.name === 'resident cases') as { meaning: string };
        expect(meaning).toMatch({ 0: /^0 cases/, 60000: /^[12] cases/, 1e9: /^5 cases/ }[cacheBytes] as RegExp);
        streams.push(await streamHashes(loader, 40));
      }
      expect(streams[1]).toEqual(streams[0]);
      expect(streams[2]).toEqual(streams[0]);
    }
  });

  it('is the same for any number of workers, any ring and any timing', async () => {
    await using reference = await PatchLoader.create({ ...options, workers: 1 });
    const expected = await streamHashes(reference, 40);
    expect(new Set(expected).size).toBe(40);
    for (const variant of [{ workers: 2 }, { workers: 4 }, { workers: 3, ring: 1 }, { workers: 2, ring: 11 }]) {
      await using loader = await PatchLoader.create({ ...options, ...variant });
      expect(await streamHashes(loader, 40), JSON.stringify(variant)).toEqual(expected);
    }
  });

  it('changes with the seed', async () => {
    await using a = await PatchLoader.create(options);
    await using b = await PatchLoader.create({ ...options, seed: 8 });
    expect(await streamHashes(a, 1)).not.toEqual(await streamHashes(b, 1));
  });

  it('continues at any batch from a state that went through JSON', async () => {
    await using whole = await PatchLoader.create(options);
    const expected = await streamHashes(whole, 30);
    for (const stop of [0, 1, 17]) {
      const first = await PatchLoader.create(options);
      await streamHashes(first, stop);
      const state = JSON.parse(JSON.stringify(first.state()));
      await first.close();
      expect(state.nextBatch).toBe(stop);
      await using second = await PatchLoader.create({ store, state, workers: 3 });
      expect(await streamHashes(second, 30 - stop)).toEqual(expected.slice(stop));
    }
  });

  it('refuses a state of other options or of another store', async () => {
    const loader = await PatchLoader.create(options);
    const state = loader.state();
    await loader.close();
    await expect(PatchLoader.create({ ...options, state, batchSize: 5 })).rejects.toThrow(StateError);
    await expect(PatchLoader.create({ ...options, state, batchSize: 5 })).rejects.toThrow(/saved with batchSize 6, the options say 5/);
    const other = await makeStore(join(dir, 'other'), { shapes: [[9, 9, 9]] });
    await expect(PatchLoader.create({ store: other, state })).rejects.toThrow(/another store/);
    await expect(PatchLoader.create({ ...options, state: {} as never })).rejects.toThrow(OptionError);
  });

  it('counts what it hands out', async () => {
    await using loader = await PatchLoader.create(options);
    let foreground = 0;
    for (let i = 0; i < 20; i++) {
      using batch = await loader.next();
      foreground += batch.foreground.filter(Boolean).length;
    }
    expect(loader.metrics()).toMatchObject({
      batches: 20,
      patches: 120,
      forced: 40,
      withForeground: foreground,
      redone: 0,
      workerRestarts: 0,
      workers: 2,
    });
    expect(loader.metrics().forcedWithoutForeground).toBeGreaterThan(0);
  });

  it('yields only random patches where no case has foreground', async () => {
    const empty = await makeStore(join(dir, 'empty'), { shapes: SHAPES, label: () => 0 });
    await using loader = await PatchLoader.create({ ...options, store: empty });
    using batch = await loader.next();
    expect(batch.plans.every(({ classNumber }) => classNumber === null)).toBe(true);
    expect(loader.metrics()).toMatchObject({ forced: 2, forcedWithoutForeground: 2, withForeground: 0 });
  });
});

describe('leases', () => {
  it('stay untouched while they are held, however far the stream goes on', async () => {
    await using loader = await PatchLoader.create({ ...options, ring: 4 });
    using held = await loader.next();
    const before = held.data.slice();
    await streamHashes(loader, 30);
    expect(held.data).toEqual(before);
  });

  it('end with disposal', async () => {
    await using loader = await PatchLoader.create(options);
    const batch = await loader.next();
    batch.dispose();
    batch.dispose();
    expect(() => batch.data).toThrow(ClosedError);
    expect(() => batch.target).toThrow(/batch 0: it was disposed/);
  });

  it('are the only back-pressure: a consumer that keeps all of them is told so', async () => {
    await using loader = await PatchLoader.create({ ...options, ring: 2 });
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const held = [await loader.next(), await loader.next()];
    const third = loader.next();
    expect((await warned).message).toMatch(/All 2 batches of the ring are held/);
    held[0].dispose();
    expect((await third).index).toBe(2);
    held[1].dispose();
  });
});

describe('waiting', () => {
  it('can be given up without losing a batch', async () => {
    await using loader = await PatchLoader.create({ ...options, ring: 1 });
    const first = await loader.next();
    const abort = new AbortController();
    const given_up = loader.next({ signal: abort.signal });
    abort.abort(new Error('changed my mind'));
    await expect(given_up).rejects.toThrow('changed my mind');
    await expect(loader.next({ signal: AbortSignal.abort(new Error('already')) })).rejects.toThrow('already');
    first.dispose();
    expect((await loader.next()).index).toBe(1);
  });

  it('is served in the order of asking', async () => {
    await using loader = await PatchLoader.create(options);
    const batches = await Promise.all([loader.next(), loader.next(), loader.next()]);
    expect(batches.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  it('ends when the loader is closed, and so does every later call', async () => {
    const loader = await PatchLoader.create({ ...options, ring: 1 });
    await loader.next();
    const waiting = loader.next();
    await Promise.all([loader.close(), expect(waiting).rejects.toThrow(ClosedError)]);
    await expect(loader.next()).rejects.toThrow(/create a new one/i);
    await loader.close();
  });

  it('in a loop ends without an error when the loader is closed', async () => {
    const loader = await PatchLoader.create(options);
    let count = 0;
    for await (using _ of loader) if (++count === 5) void loader.close();
    expect(count).toBe(5);
  });
});

describe('a closed loader', () => {
  it('leaves no worker, no memory and no new worker behind', async () => {
    const live = new Set<Worker>();
    const track = (worker: Worker): void => {
      live.add(worker);
      worker.on('exit', () => live.delete(worker));
    };
    process.on('worker', track);
    const collected: WeakRef<SharedArrayBuffer>[] = [];
    for (let i = 0; i < 6; i++) {
      const loader = await PatchLoader.create(options);
      await streamHashes(loader, 3);
      collected.push(new WeakRef(loader.shared().buffer));
      loader.next().catch(() => {});
      await loader.close();
      expect(live.size).toBe(0);
    }
    await new Promise((done) => setTimeout(done, 500));
    expect(live.size).toBe(0);
    process.off('worker', track);
    setFlagsFromString('--expose-gc');
    for (let i = 0; i < 20 && collected.some((buffer) => buffer.deref() !== undefined); i++) {
      runInNewContext('gc')();
      await new Promise((done) => setTimeout(done, 20));
    }
    // The last ones may still be on some stack; a leak would keep all.
    expect(collected.filter((buffer) => buffer.deref() !== undefined).length).toBeLessThanOrEqual(2);
  });
});

describe('several loaders at once', () => {
  it('share the descriptors of the process without failing', () => {
    const source = JSON.stringify(pathToFileURL(join(import.meta.dirname, '../src/index.ts')).href);
    const code = `
      import { openStore, PatchLoader } from ${source};
      const store = await openStore(${JSON.stringify(join(dir, 'many'))});
      const open = (seed) => PatchLoader.create({ store, patchSize: [4, 4, 4], batchSize: 50, seed, workers: 2, cacheBytes: 0 });
      await using train = await open(1);
      await using validation = await open(2);
      for (let i = 0; i < 40; i++) { using a = await train.next(); using b = await validation.next(); }
      console.log('done');`;
    const run = spawnSync('sh', ['-c', 'ulimit -n 160; exec "$0" "$@"', process.execPath, '--input-type=module', '--eval', code], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect({ stdout: run.stdout, stderr: run.stderr, status: run.status }).toEqual({ stdout: 'done\n', stderr: '', status: 0 });
  });

  beforeAll(() => makeStore(join(dir, 'many'), { shapes: Array(120).fill([4, 4, 4]) }));
});

describe('the process', () => {
  const script = (body: string): string => `
    import { openStore, PatchLoader } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../src/index.ts')).href)};
    const loader = await PatchLoader.create({ store: await openStore(${JSON.stringify(join(dir, 'store'))}), patchSize: [8, 8, 8], batchSize: 2, workers: 2 });
    ${body}`;
  const run = (body: string) =>
    spawnSync(process.execPath, ['--input-type=module', '--eval', script(body)], { encoding: 'utf8', timeout: 30_000 });

  it.each([
    ['after close', 'for await (using batch of loader) if (batch.index === 3) break; await loader.close(); console.log("done");'],
    ['without close, once nobody asks for batches', 'using batch = await loader.next(); console.log("done");'],
    [
      'when it is closed with batches under way',
      'loader.next(); loader.next().catch(() => {}); await loader.close(); console.log("done");'.replace(
        'loader.next();',
        'loader.next().catch(() => {});',
      ),
    ],
  ])('exits by itself %s', (_, body) => {
    const { stdout, stderr, status, signal } = run(body);
    expect({ stdout, stderr, status, signal }).toEqual({ stdout: 'done\n', stderr: '', status: 0, signal: null });
  });
});

describe('options', () => {
  it.each<[string, object, RegExp]>([
    ['an unknown option', { patchsize: [1, 1, 1] }, /patchsize: there is no such option/],
    ['no store', { store: undefined }, /store: it is not an opened store/],
    ['a patch of four axes', { patchSize: [1, 2, 3, 4] }, /patchSize: \[1,2,3,4\] is not a patch size/],
    ['a patch of size 0', { patchSize: [0, 2, 3] }, /patchSize/],
    ['a batch of 0', { batchSize: 0 }, /batchSize: 0 is not a whole number from 1/],
    ['no batch size', { batchSize: undefined }, /batchSize: nothing is not a whole number/],
    ['a negative seed', { seed: -1 }, /seed: -1/],
    ['a seed that is no whole number', { seed: 1.5 }, /seed: 1.5/],
    ['no worker', { workers: 0 }, /workers: 0/],
    ['a fraction above 1', { oversample: 33 }, /oversample: 33 is not a fraction/],
    ['an unknown padding', { padMode: 'wrap' }, /padMode: "wrap"/],
    ['a ring of 0', { ring: 0 }, /ring: 0/],
    ['a negative cache', { cacheBytes: -1 }, /cacheBytes: -1/],
  ])('are refused: %s', async (_, wrong, message) => {
    await expect(PatchLoader.create({ ...options, ...wrong })).rejects.toThrow(OptionError);
    await expect(PatchLoader.create({ ...options, ...wrong })).rejects.toThrow(message);
  });

  it('that do not fit into memory are refused before anything is allocated', async () => {
    await expect(PatchLoader.create({ ...options, maxMemoryBytes: 10_000 })).rejects.toThrow(MemoryError);
    await expect(PatchLoader.create({ ...options, patchSize: [2000, 2000, 2000], batchSize: 4 })).rejects.toThrow(
      /the loader needs .* (TiB|GiB) \(ring/,
    );
  });

  it('that leave little memory get a smaller ring and no cache, not a refusal', async () => {
    await using roomy = await PatchLoader.create(options);
    await using tight = await PatchLoader.create({ ...options, maxMemoryBytes: 4_000_000 });
    const part = (loader: PatchLoader, name: string): number =>
      loader.memory().parts.find((found) => found.name === name)?.bytes ?? Number.NaN;
    expect(part(tight, 'ring')).toBeLessThan(part(roomy, 'ring'));
    expect(part(tight, 'resident cases')).toBeLessThan(part(roomy, 'resident cases'));
    expect(tight.memory().totalBytes).toBeLessThanOrEqual(4_000_000);
    expect(await streamHashes(tight, 5)).toEqual(await streamHashes(roomy, 5));
  });

  it('determine the memory, which can be read', async () => {
    await using loader = await PatchLoader.create({ ...options, ring: 5 });
    const { parts, totalBytes } = loader.memory();
    expect(parts.map(({ name }) => name)).toEqual(['ring', 'scratch', 'header', 'resident cases', 'class locations']);
    expect(parts[0].bytes).toBeGreaterThanOrEqual(5 * 6 * 8 * 9 * 10 * 6);
    expect(totalBytes).toBeGreaterThanOrEqual(parts.reduce((sum, { bytes }) => sum + bytes, 0));
  });
});

describe('a store that is damaged while it is read', () => {
  /** The error that ends the stream, and how many batches came before. */
  async function breakStore(
    name: string,
    damage: (files: ReturnType<typeof caseFiles>) => void,
  ): Promise<{ error: unknown; batches: number }> {
    const broken = await makeStore(join(dir, name), { shapes: SHAPES });
    damage(caseFiles(broken.dir, 'case_002'));
    await using loader = await PatchLoader.create({ ...options, store: broken, ring: 2 });
    let batches = 0;
    try {
      for await (using _ of loader) batches++;
    } catch (error) {
      await expect(loader.next()).rejects.toBe(error);
      return { error, batches };
    }
    return { error: null, batches };
  }

  it.each<[string, (files: ReturnType<typeof caseFiles>) => void, RegExp]>([
    ['cut off', ({ data }) => truncateSync(data, 1000), /case_002\.npy: it holds 1000 bytes instead of/],
    [
      'of another shape',
      ({ segmentation }) => overwrite(segmentation, 10, "{'descr': '|i1', 'fortran_order': False, 'shape': (16, 16, 15), }"),
      /case_002_seg\.npy: it holds an array \[16, 16, 15\] of 1 bytes a voxel/,
    ],
    ['no array any more', ({ data }) => overwrite(data, 0, 'rubbish'), /case_002\.npy: it is not an \.npy file/],
  ])('ends the stream with an error that names sample, case and file: %s', async (name, damage, message) => {
    const { error } = await breakStore(name, damage);
    expect(error).toBeInstanceOf(SampleError);
    expect((error as Error).message).toMatch(/sample \d+ \(case case_002, box from \[.*\], shape \[8, 9, 10\]\): it failed twice/);
    expect((error as Error).message).toMatch(message);
  });

  it('ends the stream where a file cannot be read', async () => {
    const { error } = await breakStore('unreadable', ({ data }) => {
      rmSync(data);
      mkdirSync(data);
    });
    expect((error as Error).message).toMatch(/case_002\.npy: .*EISDIR/);
  });

  it('hands out what comes before the damage', async () => {
    const whole = await makeStore(join(dir, 'whole'), { shapes: SHAPES });
    await using reference = await PatchLoader.create({ ...options, store: whole });
    let first = 0;
    for await (using batch of reference) {
      if (batch.keys.includes('case_002')) break;
      first++;
    }
    const { batches } = await breakStore('late', ({ data }) => truncateSync(data, 1000));
    expect(batches).toBe(first);
  });
});

function overwrite(path: string, at: number, text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, at, 'latin1');
  closeSync(file);
}
