/**
 * Draws the pictures of README.md and docs/augmentation.md anew from the demo's store: its first batch, and each transform on patches
 * before and after. (prediction.png is from `voxfeed predict --truth`.)
 *
 *     npm run demo && npm run docs:pictures
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeContactSheet } from '../src/cli/inspect.ts';
import { openStore, type PipelineStep, presetSteps } from '../src/index.ts';
import { augmentationPairs } from '../src/pictures/augmentation-pairs.ts';
import { drawAugmentationSheet } from '../src/pictures/augmentation-sheet.ts';

const [dir = 'demo-output/store'] = process.argv.slice(2);
const OUT = join(import.meta.dirname, 'pictures');
/** Pairs of a row: enough to see what is random. */
const SHOWN = 2;
/** Of the default pipeline, 3D. */
const PATCH = [40, 56, 40];

const spatial: PipelineStep = {
  transform: 'spatial',
  rotation: [-Math.PI / 6, Math.PI / 6],
  // nnU-Net's ranges, which are never used there, change almost nothing.
  elasticProbability: 0.2,
  elasticScale: [0.1, 0.2],
  elasticMagnitude: [3, 6],
};
/** The steps of nnU-Net's trainers, those to choose from too. */
const known = [...presetSteps('default', { patchSize: PATCH }), ...presetSteps('da5', { patchSize: PATCH })].flatMap((step) =>
  step.transform === 'oneOf' ? (step.of as PipelineStep[]) : [step],
);
const kinds = Map.groupBy(
  known.filter(({ transform }) => transform !== 'spatial'),
  ({ transform }) => transform,
);
/** The first step of each kind; gamma plain and inverted. */
const pictures = [[spatial], ...[...kinds.values()].map((steps) => steps.slice(0, steps[0].transform === 'gamma' ? 2 : 1))];

mkdirSync(OUT, { recursive: true });
const store = await openStore(dir);
console.log(await writeContactSheet({ store, seed: 7, augmentation: 'default' }, 1, join(OUT, 'batch.png')));
for (const steps of pictures) {
  const rows = (
    await Promise.all(steps.map((step) => augmentationPairs({ store, seed: 7, patchSize: PATCH, augmentation: [step] })))
  ).flat();
  if (rows.length === 0) continue;
  const shown = rows.map((row) => ({ ...row, pairs: row.pairs.slice(0, SHOWN) }));
  const path = join(OUT, `${steps[0].transform}.png`);
  writeFileSync(path, await drawAugmentationSheet('before, after (blue frame)', shown, store.classes));
  console.log(path);
}
