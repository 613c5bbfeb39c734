import * as v from 'valibot';
import { OptionError, StateError } from '../../common/errors.ts';
import { checkContents, readJson } from '../../common/json-file.ts';
import { faultOf } from '../../common/options.ts';
import { list, object, positiveNumber, text, that, wholeNumber } from '../../common/schemas.ts';
import type { LoaderState } from './state.ts';
import { LOADER_OPTIONS } from './table.ts';

const MOST = Number.MAX_SAFE_INTEGER;
const steps = () => list(object({ transform: text('the name of a transform') }));
const exposure = () => v.nullish(object({}));

/** What a state says of one configuration. Values are checked again as the options that they become. */
const CONFIGURATION = {
  config: v.optional(text('the name of a configuration')),
  patchSize: v.pipe(
    list(wholeNumber(1, MOST)),
    v.minLength(2, 'it has fewer than two axes'),
    v.maxLength(3, 'it has more than three axes'),
  ),
  batchSize: wholeNumber(1, 2 ** 20),
  augmentation: v.optional(steps()),
  deepSupervision: v.optional(list(list(positiveNumber()))),
  regions: v.nullish(list(list(wholeNumber(0, 32767)))),
  exposure: exposure(),
};

const EPOCHS = { training: wholeNumber(1, MOST), validation: wholeNumber(1, MOST) };

/** As far as anything is done with it before its values are checked as options. */
const STATE = object({
  ...CONFIGURATION,
  nextBatch: wholeNumber(0, MOST),
  storeHash: text(),
  seed: wholeNumber(0, MOST),
  worldSize: v.optional(wholeNumber(1, 2 ** 20)),
  epochs: v.optional(object(EPOCHS)),
  configs: v.optional(v.pipe(list(object(CONFIGURATION)), v.minLength(1, 'it is empty'))),
  fold: v.optional(LOADER_OPTIONS.fold.schema),
  foldHash: v.optional(text()),
  previousHash: v.nullish(text()),
  validation: v.optional(object({ nextBatch: wholeNumber(0, MOST), augmentation: list(steps()), exposure: v.optional(list(exposure())) })),
});

const KIND = object({
  format: that('that of a state', (format) => format === 'voxfeed-state'),
  version: that('a version that is read here', (version) => version === 1),
});

/** The state in a file. @throws StateError naming the file and the place within it, FileError */
export async function readStateFile(path: string): Promise<LoaderState> {
  const refusal = { Failure: StateError, action: 'Give a file with what `loader.state()` returned, as JSON' };
  const state = await readJson(path, v.unknown(), refusal);
  if (faultOf(KIND, state) !== null) throw new StateError(path, 'it is not the state of a loader', refusal.action);
  checkContents(path, state, STATE, refusal);
  return state as LoaderState;
}

/** @throws OptionError if it is nothing like a state, or not of this version; StateError naming what within it is wrong */
export function checkLoaderState(state: unknown): asserts state is LoaderState {
  const action = 'Pass what `loader.state()` returned, as an object';
  if (faultOf(KIND, state) !== null) throw new OptionError('state', 'it is not the state of a loader', action);
  checkContents('state', state, STATE, { Failure: StateError, action });
}
