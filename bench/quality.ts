/**
 * What nnU-Net's loader and voxfeed draw and make of the same cases: `npm run bench:quality -- [--folder FOLDER] [--boxes N] [--patches N]
 * [--seed N] [--python PYTHON] [--record] [--quick] [--json FILE]`.
 *
 * FOLDER is one that nnU-Net preprocessed, `nnUNet_preprocessed/DATASET/nnUNetPlans_3d_fullres`; default: the 20 hippocampus cases of this
 * repository. Prints a table with the test of each quantity and its p-value, and writes it to `bench/results/DATE-quality.json`, or to FILE. The status is 1
 * where one differs.
 * `--record` also writes what nnU-Net's loader makes of the default cases for `test/bench/quality.test.ts`, which needs no Python.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openStore } from '../src/index.ts';
import { storeConfiguration } from '../src/store/store-configuration.ts';
import { peerPython } from './peers/python.ts';
import { drawnSamples, madeSamples, type Samples } from './quality/samples.ts';
import { summarise } from './quality/summary.ts';
import { type ComparedRow, differing, type QualityPart, qualityText } from './quality/table.ts';
import { checkResultPath, keepResult, measured } from './report/result.ts';
import { countOf } from './suite/names.ts';
import { nnunetFolder } from './suite/nnunet-folder.ts';

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    boxes: { type: 'string' },
    patches: { type: 'string' },
    seed: { type: 'string', default: '20261126' },
    python: { type: 'string' },
    record: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
if (values.record && (values.folder !== undefined || values.quick))
  throw new Error('--record: it is for the default cases, and not --quick');
const boxes = countOf('--boxes', values.boxes ?? (values.quick ? '2000' : '20000'));
const patches = countOf('--patches', values.patches ?? (values.quick ? '90' : '2000'));
const folder = resolve(values.folder ?? (await nnunetFolder()));
const store = await openStore(folder);
const { patchSize, batchSize } = storeConfiguration(store);
const python = values.python ?? peerPython();
const PYTHON_FOLDER = join(import.meta.dirname, 'quality');
const RECORD = join(import.meta.dirname, '../test/bench/quality-nnunet.json');

/** @throws Error with what it printed */
function inPython(script: string, words: string[]): string {
  return execFileSync(python, [join(PYTHON_FOLDER, script), ...words], { encoding: 'utf8', maxBuffer: 2 ** 28 });
}

function theirSamples(): string {
  process.stderr.write("nnU-Net's loader\n");
  return inPython('nnunet_samples.py', [folder, patchSize.join(), ...[batchSize, boxes, patches].map(String), values.seed]);
}

async function ourSamples(): Promise<Samples> {
  process.stderr.write('voxfeed\n');
  const options = { patchSize: [...patchSize], batchSize, seed: Number(values.seed), augmentation: 'default' as const, workers: 1 };
  return { ...(await drawnSamples(store, options, boxes)), patches: await madeSamples(store, options, patches) };
}

async function compare(): Promise<QualityPart> {
  const work = mkdtempSync(join(tmpdir(), 'voxfeed-quality-'));
  const [theirs, ours] = [join(work, 'nnunet.json'), join(work, 'voxfeed.json')];
  try {
    const recorded = theirSamples();
    if (values.record) writeFileSync(RECORD, `${JSON.stringify(summarise(JSON.parse(recorded)))}\n`);
    writeFileSync(theirs, recorded);
    writeFileSync(ours, JSON.stringify(await ourSamples()));
    const rows = JSON.parse(inPython('compare.py', [theirs, ours])) as ComparedRow[];
    return { dataset: basename(dirname(folder)), cases: store.cases.length, patch: [...patchSize], batch: batchSize, boxes, patches, rows };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

checkResultPath(values.json);
const result = await measured('quality', values.quick, async () => ({
  quality: await compare(),
  parts: {},
  versions: JSON.parse(inPython('versions.py', [])),
}));
console.log(qualityText(result));
if (differing(result.quality.rows).length > 0) process.exitCode = 1;
const kept = keepResult(result, values.json);
process.stderr.write(`${result.seconds} s${kept === null ? '' : `; ${kept}`}\n`);
