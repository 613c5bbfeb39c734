/**
 * voxfeed beside the loaders of nnU-Net, MONAI and TorchIO: `npm run bench:peers -- [--only NAMES] [--peers NAMES] [--config NAMES]
 * [--folder FOLDER …] [--runs N] [--python PYTHON] [--quick] [--json FILE]`.
 *
 * Makes a virtual environment in the user's cache, installs them from PyPI, and lets each one's own recommended loader make patches of the
 * same size of the same volumes, in turns with voxfeed. Hours on two cores: 45 minutes with
 * `--only peers --peers nnunet --config b,c,d,e --json FILE`, a third of that with `--runs 1`. Prints tables, and writes them with every run to
 * FILE, or, where neither `--only` nor `--peers` leaves anything out, to `bench/results/DATE-peers.json`. `--python` takes a Python that has
 * them already, `--folder` ones that nnU-Net preprocessed, whose files it and voxfeed read as they lie. `--only` takes peers, files, consumers;
 * `--peers` nnunet, monai, torchio: who is measured of peers (of files and of consumers, it is nnU-Net).
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openStore } from '../src/index.ts';
import { givenPython, peerPython } from './peers/python.ts';
import { type Printed, runPeer, runWatched } from './peers/run-peer.ts';
import { checkResultPath, keepResult, measured, type Part, type Row } from './report/result.ts';
import { ratio } from './report/statistics.ts';
import { partTable, resultTables } from './report/table.ts';
import { CONFIGURATIONS, type Configuration, optionsOf, storeOf } from './suite/configurations.ts';
import { CONSUMPTION_ABOUT, type Consume, consumerRows } from './suite/consumption.ts';
import type { Job, Options } from './suite/job.ts';
import { chosen, countOf } from './suite/names.ts';
import { folderConfiguration, nnunetFolder } from './suite/nnunet-folder.ts';
import { batchesOf, type Plan } from './suite/plan.ts';
import { type Entry, rounds, rowsOf } from './suite/rounds.ts';
import { JOB_ENVIRONMENT, JOB_SCRIPT } from './suite/run-job.ts';

/** What `--only` names. */
const PARTS = ['peers', 'files', 'consumers'];

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    config: { type: 'string', default: 'b,c,d,e,crop128,crop40,hippocampus3d' },
    folder: { type: 'string', multiple: true },
    runs: { type: 'string' },
    python: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const plan: Plan = {
  quick: values.quick,
  runs: countOf('--runs', values.runs ?? (values.quick ? '1' : '3')),
  configs: chosen('--config', values.config, Object.keys(CONFIGURATIONS)),
  folders: [],
};
const names = chosen('--only', values.only, PARTS);
const peers = chosen('--peers', values.peers, ['nnunet', 'monai', 'torchio']).map((peer) => `${peer}_loader`);

/** What a loader is here, and with how many processes (threads, of voxfeed) and cores it runs. */
interface Contender {
  name: string;
  /** In `bench/peers`; null: voxfeed. */
  script: string | null;
  processes: number;
  cores: number;
}

const CONTENDERS: Contender[] = [
  { name: 'voxfeed, 1 worker', script: null, processes: 1, cores: 1 },
  { name: 'nnU-Net, single process', script: 'nnunet_loader', processes: 0, cores: 1 },
  { name: 'nnU-Net, 1 worker process', script: 'nnunet_loader', processes: 1, cores: 1 },
  { name: 'MONAI, single process', script: 'monai_loader', processes: 0, cores: 1 },
  { name: 'TorchIO, single process', script: 'torchio_loader', processes: 0, cores: 1 },
  { name: 'voxfeed, 2 workers', script: null, processes: 2, cores: 2 },
  { name: 'nnU-Net, 2 worker processes', script: 'nnunet_loader', processes: 2, cores: 2 },
  { name: 'MONAI, 2 worker processes', script: 'monai_loader', processes: 2, cores: 2 },
  { name: 'TorchIO, 2 worker processes', script: 'torchio_loader', processes: 2, cores: 2 },
];
/** What each imports. */
const MODULES: Record<string, string> = { nnunet_loader: 'nnunetv2', monai_loader: 'monai', torchio_loader: 'torchio' };
/** Where two of everything are measured, too: with a large and with a small patch. */
const WITH_TWO = ['b', 'd'];
/**
 * Some patches take ten times as long as others, by what is drawn for them: it takes hundreds of them to know what one takes. Each round draws
 * anew: peers are not seeded, and voxfeed is by the round.
 *
 * voxfeed makes so many times the batches of the suite, a quarter of a minute.
 */
const LONGER = 16;
/** Before that, it makes so many times the batches of the suite that are not timed. */
const WARM_UP = 2;
/** Peers go on for so many seconds at least, and for so many batches. */
const PEER_SECONDS = 30;
const LEAST_BATCHES = 100;
/** Whom the others of as many cores are set beside. */
const OURS: Record<number, string> = { 1: 'voxfeed, 1 worker', 2: 'voxfeed, 2 workers' };

const DIFFERENCES =
  'Each with its own recommended loader, one thread a process, volumes in memory, patches of the same size of the same volumes, as many a batch ' +
  'and on as many cores, in turns. ' +
  "nnU-Net: `nnUNetDataLoader` with nnUNetTrainer's transforms and deep supervision, which voxfeed makes too; alone, or under its own " +
  'multi-process augmenter. MONAI: `CacheDataset`, `RandCropByPosNegLabeld` and dictionary transforms of the same probabilities and ranges; ' +
  'rotation and scaling turn the cropped patch, whose corners are filled with 0; no deep supervision. TorchIO: `Queue` with `LabelSampler`; ' +
  'transforms take whole volumes before about ten patches are cut out of each, which share them; it has none of brightness and contrast, and no ' +
  'deep supervision. CPU time is that of all processes and threads; memory is the most that they hold together, what they share counted once. ' +
  "The last column: how many times voxfeed's CPU time a patch, on as many cores, round by round.";

const versions: Record<string, string> = {};
function note({ versions: found = {}, ...numbers }: Printed): Record<string, number> {
  Object.assign(versions, found);
  return numbers;
}

function ours(job: Job, cores: number): Promise<Record<string, number>> {
  return runWatched(cores, process.execPath, [JOB_SCRIPT, JSON.stringify(job)], JOB_ENVIRONMENT()).then(note);
}

const wordsOf = ({ patch, batch, augmentation, targets }: Configuration, store: string, batches: number): string[] => [
  store,
  patch.join(),
  ...[batch, batches].map(String),
  augmentation,
  String(targets),
];

/** What is streamed, out of which folder, and by whom. */
interface Comparison {
  title: string;
  about: string;
  configuration: Configuration;
  folder: string;
  contenders: readonly Contender[];
  /** For voxfeed. */
  options?: Options;
}

async function comparisonOf(config: string): Promise<Comparison> {
  const configuration = CONFIGURATIONS[config];
  const { dir: folder } = await storeOf(configuration, plan);
  const wanted = CONTENDERS.filter(({ script }) => script === null || peers.includes(script));
  const contenders = wanted.filter(({ cores }) => cores === 1 || WITH_TWO.includes(config));
  return { title: `${config}: ${configuration.about}`, about: '', configuration, folder, contenders };
}

/** Of files that nnU-Net wrote, which it reads by python-blosc2; the others do not know them. */
async function filesComparison(given: string): Promise<Comparison> {
  const folder = resolve(given);
  const configuration = folderConfiguration(await openStore(folder));
  const contenders = CONTENDERS.filter(({ cores, script }) => cores === 1 && (script === null || script === 'nnunet_loader'));
  const about =
    'The `.b2nd` files of a preprocessed data set, in the page cache, read by each loader as they lie; nothing is kept in memory.';
  return { title: `files: ${configuration.about}`, about, configuration, folder, contenders, options: { cacheBytes: 0 } };
}

async function peersPart(python: string, { title, about, configuration, folder, contenders, options: more }: Comparison): Promise<Part> {
  const run = ({ script, processes, cores }: Contender, round: number): Promise<Record<string, number>> => {
    if (script !== null) {
      const more = ['--processes', String(processes), '--seconds', plan.quick ? '0' : String(PEER_SECONDS)];
      return runPeer(python, script, [...wordsOf(configuration, folder, batchesOf(plan, LEAST_BATCHES)), ...more], cores).then(note);
    }
    const options = { ...optionsOf(configuration, 1 + round, processes), ...more };
    const [batches, warmUp] = [LONGER, WARM_UP].map((times) => batchesOf(plan, times * configuration.batches));
    return ours({ kind: 'stream', store: folder, options, batches, warmUp }, cores);
  };
  const entries: Entry[] = contenders.map((contender) => ({ name: contender.name, run: (round) => run(contender, round) }));
  const runs = await rounds(entries, plan.runs);
  const cpu = (name: string): number[] => (runs.get(name) ?? []).map((one) => one.cpu_ms_per_patch);
  const rows: Row[] = rowsOf(entries, runs).map(({ name, figures: { patches_per_second, cpu_ms_per_patch, peak_mib } }, i) => {
    const beside = OURS[contenders[i].cores];
    const figures = { patches_per_second, cpu_ms_per_patch, peak_mib };
    return { name, figures: name === beside ? figures : { ...figures, times: ratio(cpu(name), cpu(beside)) } };
  });
  return { title, about, rows };
}

/** How many cores a simulated trainer wants, of voxfeed and of nnU-Net. */
async function consumersPart(python: string): Promise<Part> {
  const configuration = CONFIGURATIONS.b;
  const { dir: store } = await storeOf(configuration, plan);
  const voxfeed: Consume = (consumerMs, cores, batches) =>
    ours({ kind: 'consumer', store, options: optionsOf(configuration, 1, cores), batches, consumerMs }, cores);
  const nnunet: Consume = (consumerMs, cores, batches) => {
    const words = [
      ...wordsOf(configuration, store, Math.max(8, batches)),
      '--processes',
      String(cores),
      '--consumer-ms',
      String(consumerMs),
    ];
    return runPeer(python, 'nnunet_loader', words, cores).then(note);
  };
  const rows = [...(await consumerRows('voxfeed', voxfeed, plan)), ...(await consumerRows('nnU-Net', nnunet, plan))];
  return { title: 'Consumers', about: CONSUMPTION_ABOUT, rows };
}

// What is wrong is said before hours of measuring.
checkResultPath(values.json);
for (const folder of values.folder ?? []) await openStore(resolve(folder));
const scripts = [...(names.includes('peers') ? peers : []), ...(names.some((name) => name !== 'peers') ? ['nnunet_loader'] : [])];
const modules = ['torch', ...scripts.map((script) => MODULES[script])];
const python = values.python === undefined ? peerPython() : givenPython(values.python, modules);
const result = await measured('peers', plan.quick, async () => {
  const parts: Record<string, Part> = {};
  // Shown at once: hours are long, and may be broken off.
  const keep = (name: string, part: Part): void => {
    parts[name] = part;
    process.stderr.write(`${partTable(part)}\n`);
  };
  for (const config of names.includes('peers') ? plan.configs : []) {
    const part = await peersPart(python, await comparisonOf(config));
    keep(config, Object.keys(parts).length === 0 ? { ...part, about: DIFFERENCES } : part);
  }
  for (const folder of names.includes('files') ? (values.folder ?? [await nnunetFolder()]) : []) {
    const comparison = await filesComparison(folder);
    keep(comparison.title, await peersPart(python, comparison));
  }
  if (names.includes('consumers')) keep('consumers', await consumersPart(python));
  return { parts, versions };
});
console.log(resultTables(result));
const path = values.json ?? (names.length === PARTS.length && values.peers === undefined ? undefined : null);
const kept = path === null ? null : keepResult(result, path);
process.stderr.write(`${result.seconds} s${kept === null ? '' : `; ${kept}`}\n`);
