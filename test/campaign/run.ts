import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzzFiles } from './files.ts';
import { makeSubject } from './subject.ts';
import { type Row, showRows, within } from './tally.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
const rows: Row[] = [];
const dir = mkdtempSync(join(tmpdir(), 'voxfeed-campaign-'));
const campaign = {
  seed,
  dir,
  row: (what: string): Row => {
    const row = { what, tried: 0, done: 0, refused: 0, findings: [] };
    rows.push(row);
    return row;
  },
};
console.log(`seed ${seed}`);
const subject = await makeSubject(dir);
await fuzzFiles(within(campaign, 60 * Number(values.minutes)), subject, 1000);
rmSync(dir, { recursive: true, force: true });
console.log(showRows(rows));
for (const { what, findings } of rows) for (const finding of findings) console.log(`\n${what}: ${finding}`);
