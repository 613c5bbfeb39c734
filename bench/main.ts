/**
 * The suite: `npm run bench -- [--only NAMES] [--config NAMES] [--folder FOLDER …] [--runs N] [--quick] [--json FILE]`.
 *
 * Minutes on two cores. Prints tables, and writes them with every run to `bench/results/DATE-bench.json`, or to FILE; `npm run docs:results`
 * puts the newest results and their charts into the pages. `--only` takes names of parts, `--config` those of the loader's table,
 * `--folder` one that nnU-Net preprocessed, for the storage table. `--quick` tries everything with tiny sizes, and keeps no figure.
 */
import { parseArgs } from 'node:util';
import { openStore } from '../src/index.ts';
import { checkResultPath, keepResult, measured, type Part } from './report/result.ts';
import { resultTables } from './report/table.ts';
import { CONFIGURATIONS } from './suite/configurations.ts';
import { consumptionPart } from './suite/consumption.ts';
import { loaderPart } from './suite/loader.ts';
import { mainThreadPart } from './suite/main-thread.ts';
import { chosen, countOf } from './suite/names.ts';
import type { Plan } from './suite/plan.ts';
import { stagesPart } from './suite/stages.ts';
import { openingPart, startPart } from './suite/start.ts';
import { storagePart } from './suite/storage.ts';
import { workersPart } from './suite/workers.ts';

const PARTS: Record<string, (plan: Plan) => Promise<Part>> = {
  loader: loaderPart,
  stages: stagesPart,
  workers: workersPart,
  storage: storagePart,
  'main-thread': mainThreadPart,
  start: startPart,
  opening: openingPart,
  consumers: consumptionPart,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    config: { type: 'string' },
    folder: { type: 'string', multiple: true, default: [] },
    runs: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const plan: Plan = {
  quick: values.quick,
  runs: countOf('--runs', values.runs ?? (values.quick ? '1' : '5')),
  configs: chosen('--config', values.config, Object.keys(CONFIGURATIONS)),
  folders: values.folder,
};
const names = chosen('--only', values.only, Object.keys(PARTS));

// What is wrong is said before minutes of measuring.
checkResultPath(values.json);
for (const folder of plan.folders) await openStore(folder);

const result = await measured('bench', plan.quick, async () => {
  const parts: Record<string, Part> = {};
  for (const name of names) {
    process.stderr.write(`${name}\n`);
    const start = performance.now();
    parts[name] = await PARTS[name](plan);
    process.stderr.write(`  ${Math.round((performance.now() - start) / 1000)} s\n`);
  }
  return { parts, versions: {} };
});
console.log(resultTables(result));
// A part of the suite is no result of the suite.
const path = values.json ?? (names.length === Object.keys(PARTS).length ? undefined : null);
const kept = path === null ? null : keepResult(result, path);
process.stderr.write(`${result.seconds} s${kept === null ? '' : `; ${kept}`}\n`);
