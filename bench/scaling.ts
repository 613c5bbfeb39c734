/**
 * What grows with cases, classes and workers, past what fits this machine: `npm run bench:scaling -- [--runs N] [--quick] [--json FILE]`.
 * Makes stores of up to 100,000 cases in the user's cache. Prints tables, and writes them to `bench/results/DATE-scaling.json`, or to FILE;
 * `npm run docs:results` puts the newest ones into docs/scaling.md.
 */
import { parseArgs } from 'node:util';
import { checkResultPath, keepResult, measured } from './report/result.ts';
import { resultTables } from './report/table.ts';
import { countOf } from './suite/names.ts';
import type { Plan } from './suite/plan.ts';
import { scalingParts } from './suite/scaling.ts';

const { values } = parseArgs({
  options: { runs: { type: 'string' }, quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});
const runs = countOf('--runs', values.runs ?? (values.quick ? '1' : '3'));
const plan: Plan = { quick: values.quick, runs, configs: [], folders: [] };
checkResultPath(values.json);
const result = await measured('scaling', plan.quick, async () => ({ parts: await scalingParts(plan), versions: {} }));
console.log(resultTables(result));
const kept = keepResult(result, values.json);
process.stderr.write(`${result.seconds} s${kept === null ? '' : `; ${kept}`}\n`);
