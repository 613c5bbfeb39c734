import { OptionError } from '../../common/errors.ts';
import { checkOptions, checkValue, isPlainObject, type OptionTable, shown } from '../../common/options.ts';
import { oneOf, text, that, wholeNumber } from '../../common/schemas.ts';
import { CONFIGURATION_OPTIONS } from './configuration-table.ts';
import { CONFIG_NAMES, CONFIG_OPTIONS, type ConfigName, EPOCH_OPTIONS, LOADER_OPTIONS, SHAPING_NAMES } from './table.ts';

const help = 'see `LoaderState`';
const position = wholeNumber(0, Number.MAX_SAFE_INTEGER);
const list = that<readonly unknown[]>('a list', Array.isArray, 'Give one entry a configuration');
const object = that<object>('an object', isPlainObject, 'Restore it');
const labelsOfChannels = that<readonly (readonly number[])[] | null>(
  'null or lists of labels',
  (value) =>
    value === null || (Array.isArray(value) && value.every((labels) => Array.isArray(labels) && labels.every(Number.isSafeInteger))),
  'Restore it',
);
const hash = that<string | null>('null or a hash', (value) => value === null || typeof value === 'string', 'Restore it');

/** What shapes a stream, as states keep it: mostly what options may be, said for good. */
const SHAPING_FIELDS: OptionTable = {
  ...Object.fromEntries(SHAPING_NAMES.map((name) => [name, { schema: CONFIGURATION_OPTIONS[name].schema, help }])),
  patchSize: { schema: CONFIGURATION_OPTIONS.patchSize.schema, required: true, help },
  batchSize: { schema: CONFIGURATION_OPTIONS.batchSize.schema, required: true, help },
  augmentation: { schema: list, help },
  deepSupervision: { schema: list, help },
  regions: { schema: labelsOfChannels, help },
  previousHash: { schema: hash, help },
};

/** States of versions before an option came leave it out: what is not required may be missing. */
const STATE_FIELDS: OptionTable = {
  format: { schema: oneOf(['voxfeed-state']), required: true, help },
  version: { schema: wholeNumber(1, 1), required: true, help },
  ...SHAPING_FIELDS,
  nextBatch: { schema: position, required: true, help },
  storeHash: { schema: text('a hash'), required: true, help },
  seed: { schema: CONFIGURATION_OPTIONS.seed.schema, required: true, help },
  config: { schema: text('the name of a configuration'), help },
  epoch: { schema: position, help },
  epochs: { schema: object, help },
  configs: { schema: LOADER_OPTIONS.configs.schema, help },
  fold: { schema: LOADER_OPTIONS.fold.schema, help },
  foldHash: { schema: text('a hash'), help },
  cases: { schema: LOADER_OPTIONS.cases.schema, help },
  validation: { schema: object, help },
};

const CONFIG_FIELDS: OptionTable = {
  ...Object.fromEntries(Object.entries(SHAPING_FIELDS).filter(([name]) => CONFIG_NAMES.includes(name as ConfigName))),
  ...CONFIG_OPTIONS,
  config: { schema: text('the name of a configuration'), required: true, help },
};

const VALIDATION_FIELDS: OptionTable = {
  nextBatch: { schema: position, required: true, help },
  augmentation: { schema: list, required: true, help },
  exposure: { schema: list, help },
};

/**
 * Looks whether something is a whole state and nothing else, before anything of it is used.
 * @throws OptionError that names the field
 */
export function checkFields(state: unknown): void {
  if (!isPlainObject(state) || state.format !== 'voxfeed-state' || state.version !== 1)
    throw new OptionError(
      'state',
      `it is not the state of a loader${isPlainObject(state) ? '' : ` but ${Array.isArray(state) ? 'a list' : shown(state)}`}`,
      'Pass what `loader.state()` returned, as an object',
    );
  check(STATE_FIELDS, state, 'state.');
  const { nextBatch, batchSize, epochs, configs, validation } = state;
  if (!Number.isSafeInteger((nextBatch as number) * (batchSize as number)))
    throw new OptionError('state.nextBatch', `there is no batch ${nextBatch}`, 'Restore it');
  if (epochs !== undefined) checkOptions(EPOCH_OPTIONS, epochs as object, { path: 'state.epochs.' });
  for (const [i, entry] of ((configs ?? []) as object[]).entries()) check(CONFIG_FIELDS, entry, `state.configs[${i}].`);
  if (validation === undefined) return;
  check(VALIDATION_FIELDS, validation as object, 'state.validation.');
  const { augmentation: pipelines } = validation as { augmentation: unknown[] };
  for (const [i, steps] of pipelines.entries()) checkValue(list, steps, `state.validation.augmentation[${i}]`);
}

function check(fields: OptionTable, given: object, path: string): void {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(fields, name))
      throw new OptionError(path + name, 'states have no such field', 'Remove it, or use the version of voxfeed that saved the state');
    // JSON has no undefined: a field is there or it is not.
    checkValue(fields[name].schema, value, path + name);
  }
  const missing = Object.keys(fields).find((name) => fields[name].required && !Object.hasOwn(given, name));
  if (missing !== undefined) throw new OptionError(path + missing, 'it is missing', 'Pass the whole of what `loader.state()` returned');
}
