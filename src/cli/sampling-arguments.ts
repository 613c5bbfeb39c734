import type { SamplingChoices } from '../sampling/options.ts';
import type { Schedule } from '../sampling/oversampling.ts';
import { number, text, UsageError, type Values } from './values.ts';

/** The options that say how samples are drawn. */
export const SAMPLING_ARGUMENTS = {
  oversample: 'string',
  probabilistic: 'boolean',
  realised: 'boolean',
  'case-weights': 'string',
  'class-weights': 'string',
  exposure: 'string',
  rank: 'string',
  'world-size': 'string',
  ranks: 'string',
} as const;

export const SAMPLING_USAGE = `  --oversample F      part of each batch that is forced to hold foreground; default 0.33;
                      auto: what preprocessing found that the data need;
                      0:0.5,10000:0.33: half of batch 0, linear to a third of batch 10000 and of all after it
  --probabilistic     decide forced samples at random, not by position in the batch
  --realised          the same, with the chance that positions would give: one half of batches of 2
  --exposure C=F,…    the part of all patches that is to hold class C, in the place of --oversample
  --class-weights C=W,…   how often forced samples are centred on class C; default 1
  --case-weights ID=W,…   how often case ID is drawn; default 1
  --rank N --world-size N   one process of a data-parallel training; --batch counts the samples of all
  --ranks environment the same, from RANK and WORLD_SIZE`;

export function samplingChoices(values: Values): SamplingChoices {
  const oversample = text(values, 'oversample');
  return {
    oversample: oversample === 'auto' ? 'auto' : oversample?.includes(':') ? schedule(oversample) : number(values, 'oversample'),
    probabilisticOversampling: values.realised ? 'realised' : (values.probabilistic as boolean | undefined),
    exposure: byName(values, 'exposure'),
    classWeights: byName(values, 'class-weights'),
    caseWeights: byName(values, 'case-weights'),
    rank: number(values, 'rank'),
    worldSize: number(values, 'world-size'),
    ranks: text(values, 'ranks') as 'environment' | undefined,
  } as SamplingChoices;
}

function schedule(list: string): Schedule {
  return list.split(',').map((point): [number, number] => {
    const [batch, fraction, ...rest] = point.split(':').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
    if (fraction === undefined || rest.length > 0 || Number.isNaN(batch) || Number.isNaN(fraction))
      throw new UsageError(`--oversample ${list} is not a list of batches and fractions such as 0:0.5,10000:0.33`);
    return [batch, fraction];
  });
}

/** NAME=NUMBER, separated by commas; names may have "=" in them. */
function byName(values: Values, option: string): Record<string, number> | undefined {
  const list = text(values, option);
  if (list === undefined) return undefined;
  return Object.fromEntries(
    list.split(',').map((entry) => {
      const [, name, value] = /^(.+)=([^=]+)$/.exec(entry.trim()) ?? [];
      if (name === undefined || Number.isNaN(Number(value)))
        throw new UsageError(`--${option} ${list} is not a list of names and numbers such as NAME=0.4`);
      return [name, Number(value)];
    }),
  );
}
