import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EpochReport, openStore, preprocess, type TrainStart, train } from '../../src/index.ts';
import { EXAMPLE_PLANS, EXAMPLES } from '../../test/fixtures/paths.ts';
import { tinyPlans } from '../../test/training/tiny-training.ts';

/** The end of a training by the clock. */
class Enough extends Error {}

/**
 * Trains 3d_fullres on fold 0 of the checkout's 20 hippocampus cases for some seconds, with batches of 9 as planned for all 260, at the
 * learning rate that the first of 1000 epochs have.
 */
export async function trainHippocampus(
  { tiny, seconds }: { tiny: boolean; seconds: number },
  keep: (result: unknown) => void,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'voxfeed-gpu-'));
  const epochs: Omit<EpochReport, 'losses' | 'gradientNorms'>[] = [];
  let begun: Partial<TrainStart> = {};
  try {
    await preprocess(EXAMPLES, join(dir, 'store'), { plans: tiny ? tinyPlans(join(dir, 'plans.json')) : EXAMPLE_PLANS });
    const until = performance.now() + 1000 * seconds;
    await train(await openStore(join(dir, 'store')), {
      out: join(dir, 'model'),
      config: '3d_fullres',
      fold: 0,
      ...(tiny ? { iterations: 3, validationIterations: 1 } : { batchSize: 9, iterations: 100, validationIterations: 10 }),
      epochs: 1000,
      saveEvery: 1000,
      onStart({ precision, tuning }) {
        begun = { precision, tuning };
      },
      onEpoch({ losses: _, gradientNorms: __, ...report }) {
        epochs.push(report);
        keep({ ...begun, seconds, epochs });
        if (performance.now() > until) throw new Enough();
      },
    });
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
