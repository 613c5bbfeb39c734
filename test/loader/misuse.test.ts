import { afterEach, describe, expect, it, vi } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import type { Batch } from '../../src/loader/batch.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { connect, share } from '../../src/loader/share.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';

const { options } = await loaderFixture({ workers: 1 });

afterEach(() => vi.unstubAllEnvs());

/** The numbers that a disposed batch's views show. */
async function shownAfter(batch: Batch): Promise<number[]> {
  const { data, targets } = batch;
  batch.dispose();
  return [...new Set([data, ...targets].flatMap((view) => [...new Set(view)]))];
}

describe('views of a disposed batch', () => {
  // The ring's other batches are held: nobody writes there meanwhile.
  const held = {
    ...options,
    ring: 1,
    deepSupervision: [
      [1, 1, 1],
      [0.5, 0.5, 0.5],
    ],
  };

  it('show NaN and -32768 under development, here and in another thread, and the stream is the same', async () => {
    const expected = await undisturbedHashes({ ...held, poison: false }, 6);
    await using loader = await PatchLoader.create(held);
    await using shared = await connect(share(loader));
    const seen: string[] = [];
    for (const stream of [loader, shared, loader]) {
      const batch = await stream.next();
      seen.push(...(await streamHashes({ next: async () => ({ ...copy(batch), [Symbol.dispose]() {} }) as unknown as Batch }, 1)));
      expect(await shownAfter(batch)).toEqual([Number.NaN, -32768]);
    }
    expect([...seen, ...(await streamHashes(loader, 3))]).toEqual(expected);
  });

  it.each([
    ['production', undefined],
    ['test', false],
  ])('are left alone with NODE_ENV %s and the option %s', async (environment, poison) => {
    vi.stubEnv('NODE_ENV', environment);
    await using loader = await PatchLoader.create({ ...held, ...(poison !== undefined && { poison }) });
    const shown = await shownAfter(await loader.next());
    expect(shown).not.toContain(-32768);
    expect(shown.some(Number.isNaN)).toBe(false);
  });
});

const copy = ({ data, target, keys }: Batch) => ({ data: data.slice(), target: target.slice(), keys });

describe('arguments that make no sense are refused, and the stream goes on', async () => {
  const loader = await PatchLoader.create(options);
  const shared = await connect(share(loader));
  const bad = {} as never;

  it.each<[string, () => unknown, RegExp]>([
    ['skipTo NaN', () => loader.training.skipTo(Number.NaN), /^batch: NaN is not a whole number from 0/],
    ['skipTo a text', () => loader.training.skipTo('7' as never), /^batch: "7" is not a whole number/],
    ['skipTo a fraction', () => loader.training.skipTo(1.5), /^batch: 1\.5 is not a whole number/],
    ['skipTo infinity', () => loader.training.skipTo(Number.POSITIVE_INFINITY), /^batch: Infinity is not/],
    ['skipTo before the start', () => loader.training.skipTo(-1), /^batch: -1 is not/],
    ['skipTo nothing, over a port', () => shared.training.skipTo(undefined as never), /^batch: nothing is not/],
    ['epochs up to NaN', () => loader.epochs(Number.NaN), /^end: NaN is not a number of epochs\. Give a whole number from 0/],
    ['epochs up to a text', () => loader.epochs('3' as never), /^end: "3" is not/],
    ['epochs up to a fraction, over a port', () => shared.epochs(2.5), /^end: 2\.5 is not/],
    ['a state at a fraction', () => loader.state({ training: 0.5 }), /^training: 0\.5 is not a whole number/],
    ['a state of an unknown stream', () => loader.state({ train: 5 } as never), /^train: there is no such option/],
    ['a signal that is none', () => loader.next({ signal: bad }), /^signal: \{\} is no AbortSignal/],
    ['a signal in the wrong place', () => loader.next(AbortSignal.abort() as never), /^options: a AbortSignal are no options/],
    ['a ticket for a text', () => loader.take('x' as never), /^signal: "x" is no AbortSignal/],
    ['share of nothing', () => share(undefined as never), /^loader: nothing is no loader/],
    ['connect to nothing', () => connect(undefined as never), /^port: nothing is no MessagePort/],
    ['connect to something else', () => connect(bad), /^port: \{\} is no MessagePort/],
  ])('%s', async (_, call, message) => {
    const error: unknown = await (async () => call())().catch((reason) => reason);
    expect(error).toBeInstanceOf(OptionError);
    expect((error as Error).message).toMatch(message);
  });

  it('whatever was asked before', async () => {
    await using _ = loader;
    expect(loader.state().nextBatch).toBe(0);
    expect(await streamHashes(loader, 3)).toEqual(await undisturbedHashes(options, 3));
    await shared.close();
  });
});
