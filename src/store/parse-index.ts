import * as v from 'valibot';
import { StoreError } from '../common/errors.ts';
import { checkContents, parseJson } from '../common/json-file.ts';
import { fileName } from '../common/names.ts';
import { faultOf, shown } from '../common/options.ts';
import { byName, list, object, oneOf, text, that, wholeNumber } from '../common/schemas.ts';
import { COUNTS_FILE } from './file-names.ts';
import { anyText, coverage, hash, labels, lines, meanCoverage, shape, spacing, storedFile, writtenOptions } from './file-schemas.ts';
import type { Coverage } from './sidecar.ts';
import type { StoredCase, StoreIndex } from './store-index.ts';

/** An index as it is written: how many locations cases have is in a file of its own. */
export interface IndexFile extends Omit<StoreIndex, 'cases'> {
  cases: Omit<StoredCase, 'locations'>[];
}

/** As it was written before: with all numbers of all cases. */
export interface IndexFile2 extends Omit<StoreIndex, 'version' | 'hash' | 'coverage' | 'cases'> {
  version: 2;
  cases: (Omit<StoredCase, 'locations'> & { locations: number[]; coverage: Coverage[] })[];
}

const AGAIN = 'Run `voxfeed preprocess` again';

const KIND = object({ format: that('that of a store', (format) => format === 'voxfeed-store') });

const ABOUT = {
  name: anyText(),
  channels: list(anyText()),
  labels: labels(),
  labelDtype: oneOf(['int8', 'int16']),
  imageDtype: v.optional(oneOf(['float16', 'int16'])),
  arrays: v.optional(oneOf(['b2nd'])),
  largestBlock: v.optional(object({ bytes: wholeNumber(1, 2 ** 31), channels: wholeNumber(1, 1) })),
  options: writtenOptions(),
  optionsHash: anyText(),
  configuration: v.nullable(text()),
  plans: v.nullable(fileName()),
  cases: list(v.unknown()),
  files: byName(storedFile(), fileName()),
  xxh64: hash(),
};

const CASE = {
  id: fileName(),
  shape: shape(),
  spacing: spacing(),
  locationsXxh64: hash(),
  classesXxh64: v.optional(hash()),
  files: object({ data: storedFile(), segmentation: storedFile() }),
  lines: v.optional(lines()),
};

const SCHEMAS = {
  2: { index: object(ABOUT), case: object({ ...CASE, locations: list(wholeNumber(0, 2 ** 32)), coverage: coverage() }) },
  3: { index: object({ ...ABOUT, hash: hash(), coverage: meanCoverage() }), case: object(CASE) },
};

/**
 * @param action what to do about damage
 * @throws StoreError naming `path` and the place within it. Whether its checksum is right is for `indexChecksum` to say.
 */
export function parseIndex(path: string, content: string, action = AGAIN): IndexFile | IndexFile2 {
  const refusal = { Failure: StoreError, action };
  const index = parseJson(path, content, v.unknown(), refusal) as IndexFile | IndexFile2;
  if (faultOf(KIND, index) !== null)
    throw new StoreError(path, 'it is not the index of a voxfeed store', 'Give the folder that `voxfeed preprocess` wrote');
  const { version } = index;
  if (version !== 2 && version !== 3)
    throw new StoreError(
      path,
      `the store has version ${shown(version)}, this voxfeed reads versions 2 and 3`,
      'Preprocess the data set into a new folder',
    );
  checkContents(path, index, SCHEMAS[version].index, refusal);
  const { cases, labels, channels, files } = index;
  // One by one: a schema copies what it checks, and there may be 100,000 of them.
  for (const [number, entry] of cases.entries()) checkContents(path, entry, SCHEMAS[version].case, refusal, `cases[${number}]`);
  if (cases.length === 0) throw new StoreError(path, 'the store has 0 cases', 'Preprocess a data set with at least one case');
  if (channels.length === 0) throw new StoreError(path, 'the store has 0 channels', action);
  if (version === 3 && files[COUNTS_FILE] === undefined) throw new StoreError(path, `files: ${COUNTS_FILE} is not among them`, action);
  const odd = version === 2 ? index.cases.findIndex(({ locations }) => locations.length !== labels.classes.length) : -1;
  if (odd >= 0) throw new StoreError(path, `cases[${odd}].locations: there is not one for each class of \`labels\``, action);
  const unmapped = cases.findIndex(({ lines }) => lines?.length !== (index.imageDtype === 'int16' ? channels.length : undefined));
  if (unmapped >= 0) throw new StoreError(path, `cases[${unmapped}].lines: there is not one for each channel of int16`, action);
  return index;
}
