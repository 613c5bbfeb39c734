import * as v from 'valibot';
import { readByName, readNumber, readPairs } from '../common/flag-readers.ts';
import { isPlainObject, type Option } from '../common/options.ts';
import { oneOf, refusal, that, wholeNumber } from '../common/schemas.ts';
import type { Schedule } from './oversampling.ts';

/** An option of a loader. */
export interface StreamOption extends Option {
  /** Whether the configurations of a mixed stream may differ in it. */
  readonly perConfiguration?: true;
  /** Whether it decides bytes: states keep what it was, and a stream goes on only with the same. */
  readonly shapes?: true;
}

/** The part of all patches that is to hold each class, by its name; classes that are not named follow. */
export type Exposure = Readonly<Record<string, number>>;

const isFraction = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 1;

const SCHEDULE = 'Give [batch, fraction] pairs, batches ascending, fractions from 0 to 1, as [[0, 0.5], [10000, 0.33]]';
const isPoint = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0]) && value[0] >= 0 && isFraction(value[1]);

const schedule = v.pipe(
  v.array(that<readonly [batch: number, fraction: number]>('a batch and a fraction', isPoint, SCHEDULE)),
  v.minLength(1, refusal('is an empty schedule', SCHEDULE)),
  v.rawCheck(({ dataset, addIssue }) => {
    const points = dataset.value as [number, number][];
    const late = dataset.typed ? points.findIndex(([batch], i) => i > 0 && batch <= points[i - 1][0]) : -1;
    if (late < 0) return;
    const path = { type: 'array', origin: 'value', input: points, key: late, value: points[late] } as const;
    addIssue({ message: `batch ${points[late][0]} does not come after batch ${points[late - 1][0]}\n${SCHEDULE}`, path: [path] });
  }),
);
const fraction = that<number | 'auto'>(
  "a fraction, a schedule or 'auto'",
  (value) => isFraction(value) || value === 'auto',
  "Give a number from 0 to 1, a schedule of [batch, fraction] pairs, or 'auto'; nnU-Net uses 0.33",
);
const oversample: v.GenericSchema<number | 'auto' | Schedule> = v.pipe(
  v.lazy<v.GenericSchema<number | 'auto' | Schedule>>((value) => (Array.isArray(value) ? schedule : fraction)),
  v.description("a number from 0 to 1, 'auto', or [batch, fraction] pairs"),
);

const named = (value: unknown): boolean => value === null || isPlainObject(value);
type Weights = Readonly<Record<string, number>>;

/** What `exposure` decides in the place of. */
export const DECIDED_BY_EXPOSURE = ['oversample', 'probabilisticOversampling', 'classWeights'] as const;

/** How cases, classes and forced slots are drawn: a part of a loader's options. */
export const SAMPLING_OPTIONS = {
  /**
   * The part of every batch that is forced to hold foreground, 0 to 1. Default 0.33, as in nnU-Net. 'auto': what preprocessing found that
   * this data set needs, for patches of the planned size (see `adviseOversampling`). Or a schedule over the training: [batch, fraction]
   * pairs, such as [[0, 0.5], [10000, 0.33]], linear between two of them and constant around.
   */
  oversample: {
    schema: oversample,
    perConfiguration: true,
    shapes: true,
    otherwise: '0.33, as in nnU-Net',
    flag: '--oversample F',
    read: (text: string): unknown => (text.includes(':') ? readPairs(text) : readNumber(text)),
    typed: 'a fraction from 0 to 1, auto, or such fractions by batch, ascending: 0:0.5,10000:0.33; nnU-Net uses 0.33',
    help: 'part of each batch that is forced to hold foreground; auto: what preprocessing found that the data need; 0:0.5,10000:0.33: half of batch 0, linear to a third of batch 10000 and of all after it',
  },
  /**
   * Decide forced samples one by one, at random, instead of the last ones of each batch. With true the chance is `oversample`; with
   * 'realised' it is what the rule of the last ones forces of a batch (one half of two samples). Default false.
   */
  probabilisticOversampling: {
    schema: that<boolean | 'realised'>(
      "true, false or 'realised'",
      (value) => typeof value === 'boolean' || value === 'realised',
      'Set it to one of them',
    ),
    default: false,
    perConfiguration: true,
    shapes: true,
    flag: '--probabilistic [realised]',
    help: 'decide forced samples at random, not by position in the batch; realised: with the chance that positions would give, one half of batches of 2',
  },
  /** How often each case is drawn beside the others: by case id (1 where it is not named), or one number a case in the store's order. */
  caseWeights: {
    schema: that<Weights | readonly number[] | null>(
      'a set of case weights',
      (value) => named(value) || Array.isArray(value),
      'Give { CASE: weight, … }, or one number a case',
    ),
    default: null,
    perConfiguration: true,
    shapes: true,
    flag: '--case-weights ID=W,…',
    read: readByName,
    typed: 'numbers by name, such as NAME=0.4,OTHER=1',
    help: 'how often case ID is drawn beside the others; 1 where it is not named',
  },
  /** How often a forced sample is centred on each class of its case beside the others, by name; 1 where it is not named. */
  classWeights: {
    schema: that<Weights | null>('a set of class weights', named, 'Give { CLASS: weight, … }'),
    default: null,
    perConfiguration: true,
    shapes: true,
    flag: '--class-weights C=W,…',
    read: readByName,
    typed: 'numbers by name, such as NAME=0.4,OTHER=1',
    help: 'how often forced samples are centred on class C beside the others; 1 where it is not named',
  },
  /**
   * In which part of all patches a class is to be present, by its name, as { tumour: 0.4 }. It decides which slots are forced onto which
   * class, in the place of `oversample`. A slot that is forced onto a class draws among the cases that have it.
   */
  exposure: {
    schema: that<Exposure | null>('a part of patches for each class', named, 'Give { tumour: 0.4 }'),
    default: null,
    perConfiguration: true,
    shapes: true,
    flag: '--exposure C=F,…',
    read: readByName,
    typed: 'numbers by name, such as NAME=0.4,OTHER=1',
    help: 'the part of all patches that is to hold class C, in the place of --oversample',
  },
  /** Which of the processes of a data-parallel training this is, from 0. Needed with a `worldSize` above 1. */
  rank: {
    schema: that<number>('a rank', Number.isFinite, 'Give a whole number from 0, below `worldSize`'),
    otherwise: 'a process that trains alone',
    flag: '--rank N',
    read: readNumber,
    help: 'which process of a data-parallel training this is, from 0',
  },
  /**
   * How many processes train together. `batchSize` then counts the samples of all of them; each makes its part of every batch, split and
   * oversampled as nnU-Net does. With the same seed they are disjoint, and together the stream of a single process. Default 1.
   */
  worldSize: {
    schema: wholeNumber(1, 2 ** 20),
    shapes: true,
    otherwise: '1',
    flag: '--world-size N',
    read: readNumber,
    help: 'how many processes train together; --batch counts the samples of all',
  },
  /** 'environment': take rank and world size from RANK and WORLD_SIZE, which torchrun sets. */
  ranks: {
    schema: oneOf(['environment']),
    otherwise: '`rank` and `worldSize` say it',
    flag: '--ranks environment',
    help: 'rank and world size from RANK and WORLD_SIZE, as torchrun sets them',
  },
} as const satisfies Record<string, StreamOption>;
