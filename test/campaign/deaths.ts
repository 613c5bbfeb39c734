import { PatchLoader } from '../../src/loader/loader.ts';
import { openStore } from '../../src/store/store.ts';
import { LiveWorkers } from '../fixtures/live-workers.ts';
import { numbers } from '../fixtures/raw-dataset.ts';
import { streamHashes } from '../fixtures/stream.ts';
import type { Subject } from './subject.ts';
import type { Campaign } from './tally.ts';

const BATCHES = 10;

/** Workers of a loader ended at any moment: its batches stay the same. */
export async function endWorkers(campaign: Campaign, { store }: Subject, count: number): Promise<void> {
  const row = campaign.row('workers of a loader ended');
  const next = numbers(campaign.seed);
  const options = {
    store: await openStore(store),
    patchSize: [8, 8, 8],
    batchSize: 2,
    augmentation: 'default',
    seed: campaign.seed,
    workers: 2,
  } as const;
  while (row.tried < count && campaign.goesOn()) {
    using live = new LiveWorkers();
    await using loader = await PatchLoader.create(options);
    const found: string[] = [];
    let deaths = 0;
    for (let i = 0; i < BATCHES; i++) {
      if (next(2) === 0 && live.end(next(1000))) deaths++;
      found.push(...(await streamHashes(loader, 1)));
    }
    await using quiet = await PatchLoader.create({ ...options, workers: 1 });
    const same = found.join() === (await streamHashes(quiet, BATCHES)).join();
    row.tried += deaths;
    if (same) row.done += deaths;
    else row.findings.push(`${deaths} deaths over ${BATCHES} batches of seed ${campaign.seed} changed the stream`);
  }
}
