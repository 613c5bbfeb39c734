import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { OptionTable } from '../../src/common/options.ts';
import { LOADER_OPTIONS } from '../../src/loader/options/table.ts';
import { PLAN_DATASET_OPTIONS } from '../../src/preprocessing/plan-dataset.ts';
import { PREPROCESS_OPTIONS } from '../../src/preprocessing/preprocess.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { TRAIN_OPTIONS } from '../../src/training/train-table.ts';
import { type Damage, damageBytes, damageJson, damages } from './damage.ts';
import { runCommand, wrongWithEnd } from './processes.ts';
import type { Subject } from './subject.ts';
import type { Campaign, Row } from './tally.ts';

/** Values that somebody may type; some are right. */
const TYPED = [
  ...['0', '1', '2', '-1', '1.5', '1e308', '-0', '1e-400', 'NaN', 'Infinity', '9007199254740993', '0x10', '１', ' 1 ', '1,000'],
  ...[
    '',
    ' ',
    '.',
    '..',
    '/',
    '/dev/null',
    '/proc/self/mem',
    '/proc/x/y',
    'nowhere',
    'a/../b',
    'x'.repeat(5000),
    'a\nb',
    '\u001b[31m',
    '💥',
  ],
  ...[
    '8,8,8',
    '8x8',
    '8,8,8,8',
    '0,0,0',
    '4096,4096,4096',
    '8,,8',
    '0:0.5,10:0.33',
    '10:0.1,0:0.2',
    'organ=0.4',
    'organ=2',
    'a=1',
    '=1',
    'a=',
  ],
  ...[
    '3d_fullres',
    '2d',
    '3d_fullres:0',
    '3d_fullres:3,2d',
    ':::',
    'default',
    'da5',
    'none',
    'all',
    'auto',
    'edge',
    'true',
    'null',
    '[]',
    '{}',
  ],
  ...['STORE', 'RAW', 'MODEL', 'STATE', 'STEPS', 'STORE/a.npy', 'RAW/imagesTr/a_0000.nii.gz', 'STORE/voxfeed.json'],
];

const flagsOf = (...tables: OptionTable[]): string[] =>
  tables.flatMap((table) => Object.values(table).flatMap(({ flag }) => (flag === undefined ? [] : [flag])));

/** Of each command: what it must have, and its flags. Runs that were asked to be long are kept short by the last words. */
const COMMANDS: Record<string, { places: string[]; flags: string[]; last: string[] }> = {
  plan: { places: ['RAW'], flags: flagsOf(PLAN_DATASET_OPTIONS), last: [] },
  preprocess: { places: ['RAW', 'OUT'], flags: flagsOf(PREPROCESS_OPTIONS), last: [] },
  verify: { places: ['STORE'], flags: ['--json'], last: [] },
  bench: { places: ['STORE'], flags: flagsOf(LOADER_OPTIONS), last: ['--batches', '2', '--workers', '1'] },
  inspect: { places: ['STORE'], flags: [...flagsOf(LOADER_OPTIONS), '--augment'], last: ['--out', 'OUT/sheet.png', '--workers', '1'] },
  replay: { places: ['STORE'], flags: [...flagsOf(LOADER_OPTIONS), '--sample N', '--state FILE'], last: ['--out', 'OUT'] },
  train: {
    places: ['STORE'],
    flags: flagsOf(TRAIN_OPTIONS),
    last: ['--out', 'OUT', '--epochs', '1', '--iterations', '1', '--val-iterations', '1'],
  },
  predict: { places: ['RAW/imagesTr'], flags: ['--model DIR', '--mirror', '--truth DIR'], last: ['--out', 'OUT'] },
  serve: { places: [], flags: ['--socket FD', '--memory FD', '--parent PID'], last: [] },
};

interface Line {
  command: string;
  words: string[];
  damage: { file: number; damage: Damage } | null;
}

const lines: fc.Arbitrary<Line> = fc.constantFrom(...Object.keys(COMMANDS)).chain((command) => {
  const { places, flags, last } = COMMANDS[command];
  const typed = fc.constantFrom(...TYPED);
  const place = (right: string) => fc.oneof({ weight: 9, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: typed });
  const flag = fc.tuple(fc.constantFrom(...flags, '--nonsense', '-x', '--'), typed).map(([flag, value]) => {
    const [name, takes] = flag.split(' ');
    return takes === undefined ? [name] : [`${name}=${value}`];
  });
  const asked = fc.tuple(fc.tuple(...places.map(place)), fc.array(flag, { maxLength: 3 }), fc.boolean());
  return fc.record({
    command: fc.constant(command),
    words: asked.map(([given, flags, short]) => [
      command,
      ...given,
      ...flags.flat(),
      ...(short || command !== 'bench' ? last : last.slice(0, 2)),
    ]),
    damage: fc.option(fc.record({ file: fc.nat(1000), damage: damages }), { freq: 2 }),
  });
});

/** Command lines with right and wrong words, half of them on damaged files. */
export async function fuzzCommandLines(campaign: Campaign, subject: Subject, count: number): Promise<{ peakBytes: number }> {
  const row = campaign.row('command lines');
  let peakBytes = 0;
  const drawn = fc.sample(lines, { seed: campaign.seed, numRuns: count });
  const lane = async (dir: string): Promise<void> => {
    for (let line = drawn.shift(); line !== undefined && campaign.goesOn(); line = drawn.shift())
      peakBytes = Math.max(peakBytes, await tryLine(row, subject, dir, line));
  };
  await Promise.all(['one', 'two'].map((name) => lane(join(campaign.dir, `lines-${name}`))));
  return { peakBytes };
}

async function tryLine(row: Row, subject: Subject, dir: string, line: Line): Promise<number> {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  const places = { STORE: subject.store, RAW: subject.raw, MODEL: subject.model, STATE: subject.state, STEPS: subject.augmentation };
  const own = Object.fromEntries(Object.entries(places).map(([name, path]) => [name, join(dir, path.split('/').at(-1) as string)]));
  for (const [name, path] of Object.entries(places)) cpSync(path, own[name], { recursive: true });
  own.OUT = join(dir, 'out');
  const words = line.words.map((word) => word.replace(/\b(STORE|RAW|MODEL|STATE|STEPS|OUT)\b/g, (name) => own[name]));
  const damaged = line.damage === null ? null : damageOne(dir, line.damage);
  const ended = await runCommand(words, { cwd: dir });
  row.tried++;
  const wrong = wrongWithEnd(ended) ?? (ended.status === 0 ? await acceptedWrongly(own.STORE, damaged) : null);
  if (wrong !== null) row.findings.push(`${JSON.stringify({ ...line, words })}${damaged ? ` (${damaged.path})` : ''}: ${wrong}`);
  else if (ended.status === 0) row.done++;
  else row.refused++;
  return ended.peakBytes;
}

interface DamagedFile {
  path: string;
  before: Buffer;
}

function damageOne(dir: string, { file, damage }: NonNullable<Line['damage']>): DamagedFile {
  const paths = (readdirSync(dir, { recursive: true }) as string[])
    .map((name) => join(dir, name))
    .filter((path) => statSync(path).isFile())
    .sort();
  const path = paths[file % paths.length];
  const before = readFileSync(path);
  writeFileSync(path, path.endsWith('.json') ? damageJson(before.toString(), damage) : damageBytes(before, damage));
  return { path, before };
}

/** A damaged store that was used must be one of which `verify` tells: folds may be a user's own. What lies beside it is not its. */
async function acceptedWrongly(store: string, damaged: DamagedFile | null): Promise<string | null> {
  if (damaged === null || !damaged.path.startsWith(store) || readFileSync(damaged.path).equals(damaged.before)) return null;
  if (/fingerprint_cache|oversampling\.json/.test(damaged.path)) return null;
  const found = await verifyStore(store).then(
    ({ damaged, edited = [] }) => damaged.length + edited.length,
    () => 1,
  );
  return found > 0 ? null : 'accepted, and `verify` would not catch it';
}
