import { OptionError } from '../common/errors.ts';
import { type Checked, checkOptions, type Given, type OptionTable } from '../common/options.ts';
import { flag, text } from '../common/schemas.ts';
import { bringLocations, openLocal } from './local.ts';
import type { LoaderOptions } from './options/options.ts';
import { prepareOptions } from './options/prepare.ts';
import type { ResumeOptions } from './options/state.ts';
import type { ResolvedConfiguration, ResolvedStreams } from './options/streams.ts';
import { type Replayed, Replayer } from './replayer.ts';
import { noValidation } from './stream.ts';

/** Which of a loader's streams a sample is of. Each configuration of a mixed one counts its own. */
export interface ReplayedStream extends Given<typeof REPLAYED_STREAM> {}

export const REPLAYED_STREAM = {
  /** What batches of the configuration are tagged with; needed where several are mixed. */
  config: {
    schema: text('the name of a configuration'),
    help: 'what batches of the configuration are tagged with; needed where several are mixed',
  },
  /** Of the validation stream. Default: of training. */
  validation: { schema: flag(), default: false, help: 'of the validation stream' },
} as const satisfies OptionTable;

/**
 * Makes any sample of a stream again, bit for bit, without the samples before it and without workers.
 * @param sample its position in the stream of its configuration, of all ranks, as its plan has it: batch × batch size + slot
 * @throws what a loader with these options throws
 * @example
 * ```ts
 * const options = { store: await openStore('store'), augmentation: 'default', seed: 7 } as const;
 * const { plan, before, after } = await replay(options, 1234);
 * console.log(plan.caseNumber, plan.operations, before.box, after.data.length);
 * ```
 */
export async function replay(given: LoaderOptions | ResumeOptions, sample: number, which: ReplayedStream = {}): Promise<Replayed> {
  const asked = checkOptions(REPLAYED_STREAM, which);
  await using local = await openLocal(given);
  const { streams } = await prepareOptions(local === null ? given : { ...given, store: local.store });
  if (local !== null) await bringLocations(local, streams);
  const chosen = choose(streams, asked);
  const replayer = new Replayer(chosen);
  if (!Number.isSafeInteger(sample) || sample < 0)
    throw new OptionError(
      'sample',
      `${JSON.stringify(sample)} is no position in a stream`,
      'Give a whole number from 0: batch × batch size + slot',
    );
  using _held = local && (await local.hold([replayer.caseOf(sample)]));
  const plan = replayer.plan(sample);
  return { plan, sidecar: chosen.store.sidecar(plan.caseNumber), before: replayer.before(plan), after: replayer.after(plan) };
}

/** @throws OptionError where there is no such configuration, or more than one */
function choose(
  { training, validation }: ResolvedStreams,
  { config, validation: validating }: Checked<typeof REPLAYED_STREAM>,
): ResolvedConfiguration {
  const stream = validating ? validation : training;
  if (stream === null) throw noValidation();
  const { configurations } = stream;
  const found = config === undefined ? configurations : configurations.filter((entry) => entry.config === config);
  if (found.length === 1) return found[0];
  const names = configurations.map((entry) => entry.config).join(', ');
  throw new OptionError(
    'config',
    config === undefined
      ? `the stream mixes ${names}, whose samples are counted apart`
      : `the stream has ${found.length === 0 ? 'no configuration' : `${found.length} configurations`} ${config}`,
    found.length > 1 && config !== undefined
      ? 'Replay with the options of one of them, and no `configs`'
      : `Say of which the sample is: ${names}`,
  );
}
