import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { showBytes } from '../../src/common/bytes.ts';
import { fuzzCommandLines } from './command-lines.ts';
import { endWorkers } from './deaths.ts';
import { fuzzFiles } from './files.ts';
import { killRuns, meetRuns } from './kills.ts';
import { makeSubject } from './subject.ts';
import { closePipes, fillDisks, injectErrors, limitGroups, limitResources } from './system.ts';
import { type Campaign, type Row, showRows, within } from './tally.ts';

// Everything that can go wrong around voxfeed, in as much of it as there is time for. `--minutes N` (default 15; 1 is what CI runs),
// `--seed N` to see something again, `--only PART`, `--lines N` for a number of command lines instead of a share of the time.

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string' },
    lines: { type: 'string' },
  },
});
const seed = Number(values.seed);
const seconds = 60 * Number(values.minutes);
const dir = mkdtempSync(join(tmpdir(), 'voxfeed-campaign-'));
const rows: Row[] = [];
const row = (what: string): Row => {
  const made = { what, tried: 0, done: 0, refused: 0, findings: [] };
  rows.push(made);
  return made;
};

console.log(`seed ${seed}, ${values.minutes} minutes`);
let peakBytes = 0;
try {
  const subject = await makeSubject(dir);
  const parts: [name: string, share: number, run: (campaign: Campaign) => Promise<void>][] = [
    ['files', 0.25, (campaign) => fuzzFiles(campaign, subject, Math.ceil(3 * seconds))],
    [
      'lines',
      0.32,
      async (campaign) => {
        ({ peakBytes } = await fuzzCommandLines(campaign, subject, Number(values.lines ?? 10_000)));
      },
    ],
    ['kills', 0.1, (campaign) => killRuns(campaign, subject, 1000)],
    ['meetings', 0.03, (campaign) => meetRuns(campaign, subject, 1000)],
    ['deaths', 0.1, (campaign) => endWorkers(campaign, subject, 1000)],
    ['pipes', 0.02, (campaign) => closePipes(campaign, subject)],
    ['errors', 0.08, (campaign) => injectErrors(campaign, subject)],
    ['limits', 0.03, (campaign) => limitResources(campaign, subject)],
    ['disks', 0.03, (campaign) => fillDisks(campaign, subject)],
    ['groups', 0.04, (campaign) => limitGroups(campaign, subject)],
  ];
  const chosen = parts.filter(([name]) => values.only === undefined || values.only === name);
  const whole = chosen.reduce((sum, [, share]) => sum + share, 0);
  for (const [, share, run] of chosen) await run(within({ seed, dir, row }, (seconds * share) / whole));
} finally {
  rmSync(dir, { recursive: true, force: true });
}
console.log(showRows(rows));
if (peakBytes > 0) console.log(`\nmost memory of a command line: ${showBytes(peakBytes)}`);
for (const { what, findings } of rows) for (const finding of findings) console.log(`\n${what}: ${finding}`);
process.exitCode = rows.some(({ findings }) => findings.length > 0) ? 1 : 0;
