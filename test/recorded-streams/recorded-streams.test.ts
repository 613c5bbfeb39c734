import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Digest } from '../../src/common/hash.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { type RecordedLoader, recordedLoaders } from './loaders.ts';

/**
 * The bytes of these streams are promised: people resume and replay them. A change of `hashes.json` is a decision, and goes into the
 * changelog. `VOXFEED_RECORD=1 npm test -- test/recorded-streams` writes it anew.
 */
const FILE = new URL('hashes.json', import.meta.url);
const record = process.env.VOXFEED_RECORD === '1';
const hashes: Record<string, string> = JSON.parse(readFileSync(FILE, 'utf8'));
const loaders = await recordedLoaders();

/** The digest of everything that batches hold, of training and of validation. */
async function digestOf({ options, batches, resumeAt = 0 }: RecordedLoader): Promise<string> {
  const digest = await Digest.create();
  const look = async (loader: PatchLoader, from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) {
      for (const stream of options.validation ? [loader, loader.validation] : [loader]) {
        using batch = await stream.next();
        digest.update(JSON.stringify([batch.config, batch.keys, batch.foreground])).update(batch.data);
        for (const target of batch.targets) digest.update(target);
      }
    }
  };
  await using first = await PatchLoader.create(options);
  await look(first, 0, resumeAt);
  const state = JSON.parse(JSON.stringify(first.state()));
  const { store, rank, previousStage } = options;
  const given = { store, ...(rank !== undefined && { rank }), ...(previousStage !== undefined && { previousStage }) };
  await using second = await PatchLoader.create(resumeAt > 0 ? { ...given, state, workers: 1 } : options);
  await look(second, resumeAt, batches);
  return digest.hex();
}

describe('the recorded stream', () => {
  it.each(Object.entries(loaders))('%s is what it was', async (name, loader) => {
    const digest = await digestOf(loader);
    if (record) hashes[name] = digest;
    expect(digest).toBe(hashes[name]);
  });

  it('that is resumed is the one that was never interrupted', () => {
    expect(hashes['everything resumed']).toBe(hashes.everything);
  });

  it('exists for every recorded hash', () => {
    expect(Object.keys(hashes).sort()).toEqual(Object.keys(loaders).sort());
  });
});

afterAll(() => {
  if (record) writeFileSync(FILE, `${JSON.stringify(hashes, null, 2)}\n`);
});
