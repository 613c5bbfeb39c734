/**
 * Puts the newest results of `bench/results` into the pages that have marks for them, and their charts into docs/pictures:
 * `npm run docs:results`. With `--check` it writes nothing, and the status is 1 where a page or a chart is not what the results say.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type QualityResult, qualityText } from './quality/table.ts';
import { fillMarks } from './report/marks.ts';
import { pictures } from './report/pictures.ts';
import { newestResult } from './report/result.ts';
import { resultTables } from './report/table.ts';

const DOCS = join(import.meta.dirname, '../docs');
const MEASURING = 'measuring.md';
/** What results are of, by name: how they are made, and the page that has them. */
const SOURCES = {
  bench: { command: 'bench', page: MEASURING },
  peers: { command: 'bench:peers', page: MEASURING },
  scaling: { command: 'bench:scaling', page: 'scaling.md' },
};

/** By page, then by mark. */
const texts: Record<string, Record<string, string>> = { [MEASURING]: {}, 'scaling.md': {} };
const drawn: Record<string, string> = {};
for (const [name, { command, page }] of Object.entries(SOURCES)) {
  const result = newestResult(name);
  const own = result === null ? {} : pictures(result);
  Object.assign(drawn, own);
  const links = Object.keys(own).map((file) => `![${file.replace('.svg', '').replace('-', ': ')}](pictures/${file})`);
  texts[page][name] = result === null ? `Nothing measured yet: \`npm run ${command}\`.` : [...links, resultTables(result)].join('\n\n');
}

const quality = newestResult('quality') as QualityResult | null;
texts[MEASURING].quality = quality === null ? 'Nothing measured yet: `npm run bench:quality`.' : qualityText(quality);

const filled = Object.entries(texts).map(([page, marks]): [string, string] => {
  const path = join(DOCS, page);
  return [path, fillMarks(readFileSync(path, 'utf8'), marks)];
});
const wanted = new Map<string, string>([
  ...filled,
  ...Object.entries(drawn).map(([file, svg]): [string, string] => [join(DOCS, 'pictures', file), svg]),
]);
const stale = [...wanted].filter(([path, text]) => !existsSync(path) || readFileSync(path, 'utf8') !== text);
if (!process.argv.includes('--check')) for (const [path, text] of stale) writeFileSync(path, text);
else if (stale.length > 0) {
  process.stderr.write(`${stale.map(([path]) => path).join(', ')}: not what bench/results says: npm run docs:results\n`);
  process.exitCode = 1;
}
