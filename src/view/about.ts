import { basename } from 'node:path';
import { PRESETS } from '../augmentation/presets.ts';
import { prepareOptions } from '../loader/options/prepare.ts';
import { version } from '../measuring/environment.ts';
import { outlinesOf } from '../pictures/legend.ts';
import { areRegions } from '../pictures/outlined-labels.ts';
import { foregroundOf } from '../raw/labels.ts';
import { readSplits } from '../store/splits.ts';
import type { Store } from '../store/store.ts';
import { storeConfiguration } from '../store/store-configuration.ts';
import type { AboutFacts, CaseFacts } from './facts.ts';
import type { StreamOptions } from './settings.ts';

/** What a page is about: the store, and what the command line says of the stream. @throws what a loader with these options throws */
export async function aboutPage(store: Store, base: StreamOptions): Promise<AboutFacts> {
  const { streams } = await prepareOptions({ ...base, store });
  const { common } = streams;
  const ids = store.cases.map(({ id }) => id);
  const splits = await readSplits(store.aboutDir, ids).catch(() => null);
  const { seed = 0, fold, config, oversample, augmentation } = base;
  return {
    version: version(),
    name: store.index.name,
    dir: basename(store.dir),
    cases: ids.length,
    channels: store.index.channels,
    outlines: outlinesOf(store.classes, areRegions(store.classes)),
    regions: areRegions(store.classes),
    configurations: configurationsOf(store),
    folds: splits?.length ?? 0,
    presets: PRESETS,
    settings: {
      seed,
      // Without a fold the stream is the same as with all of them: that has a name which the page can send.
      fold: fold ?? 'all',
      config: config ?? streams.training.configurations[0].config,
      ...(typeof (oversample ?? common.oversample) === 'number' && { oversample: common.oversample as number }),
      augmentation: (augmentation ?? 'none') as NonNullable<AboutFacts['settings']['augmentation']>,
    },
    fixed: {
      oversample: common.exposure !== null || typeof common.oversample !== 'number',
      config: streams.mixed || base.patchSize !== undefined || base.batchSize !== undefined,
    },
  };
}

/** The configurations of the plans that the store's voxels are right for. */
function configurationsOf(store: Store): AboutFacts['configurations'] {
  const names = Object.keys(store.plans?.configurations ?? {});
  return names.flatMap((name) => {
    try {
      const { patchSize, batchSize, previousStage } = storeConfiguration(store, name);
      return previousStage === null ? [{ name, patchSize, batchSize }] : [];
    } catch {
      // It has cases of its own.
      return [];
    }
  });
}

/** The table of cases. */
export function listCases(store: Store): CaseFacts[] {
  return store.cases.map(({ id, shape, spacing, files }, caseNumber) => {
    const { classes } = store.sidecar(caseNumber);
    const voxels = Object.fromEntries(
      foregroundOf(store.classes).map((entry) => [entry.name, classes[store.classes.indexOf(entry)].voxels]),
    );
    return { caseNumber, id, shape, spacing, voxels, bytes: files.data.bytes + files.segmentation.bytes };
  });
}
