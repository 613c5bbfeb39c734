/**
 * What the ranks of one machine take beside one process that trains alone: proportional set sizes, which count what several processes
 * share once, summed over the processes when every case that stays in memory has been read. Linux.
 *
 *     node bench/ranks.ts [--ranks 4] [--cases 16] [--edge 96]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Triple } from '../src/common/geometry.ts';
import { type LoaderOptions, PatchLoader } from '../src/index.ts';
import { NO_MAP } from '../src/shared-memory/mapping.ts';
import { Ring } from '../src/shared-memory/ring.ts';
import { openStore } from '../src/store/store.ts';
import { syntheticStore } from './suite/synthetic-store.ts';

const { values } = parseArgs({
  options: {
    ranks: { type: 'string', default: '4' },
    cases: { type: 'string', default: '16' },
    edge: { type: 'string', default: '96' },
    /** Of the processes that it starts. */
    child: { type: 'string' },
  },
});
const VOLUME: Triple = [128, 256, 256];
const [ranks, cases, edge] = [Number(values.ranks), Number(values.cases), Number(values.edge)];
const dir = join(tmpdir(), `voxfeed-bench-ranks-${VOLUME.join('x')}-${cases}`);

/** Opens a loader, takes batches until every case with a place is there, and stays. */
async function child(options: Omit<LoaderOptions, 'store'>): Promise<void> {
  const loader = await PatchLoader.create({ store: await openStore(dir), ...options });
  const { buffer, layout } = loader.shared();
  const ring = new Ring(buffer, layout);
  const places = [...layout.residentBytes.keys()].filter((caseNumber) => layout.residentBytes[caseNumber] > 0);
  for (let batch = 0; batch < layout.entries || !places.every((caseNumber) => ring.isResident(caseNumber)); batch++)
    (await loader.next()).dispose();
  process.send?.(loader.memory().parts);
  // Nothing else would keep it here.
  process.on('message', () => {});
}

/** MiB of a process, and of them those of the cases that are shared. */
function proportional({ pid }: ChildProcess): { all: number; cases: number } {
  let [all, cases, mapped] = [0, 0, ''];
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) mapped = line;
    const kib = Number(/^Pss: +(\d+) kB/.exec(line)?.[1] ?? 0);
    all += kib / 1024;
    if (mapped.includes('/memfd:voxfeed-cases-')) cases += kib / 1024;
  }
  return { all, cases };
}

async function measured(name: string, worldSize: number, workers: number, env: Record<string, string> = {}): Promise<void> {
  const common = { patchSize: [edge, edge, edge], batchSize: 8, seed: 7, augmentation: 'default', workers } as const;
  const children = Array.from({ length: worldSize }, (_, rank) =>
    fork(import.meta.filename, [...process.argv.slice(2), '--child', JSON.stringify({ ...common, rank, worldSize })], {
      env: { ...process.env, ...env },
    }),
  );
  const [[parts]] = await Promise.all(children.map((each) => once(each, 'message')));
  const found = children.map(proportional);
  const sum = (of: 'all' | 'cases'): string =>
    found
      .reduce((total, each) => total + each[of], 0)
      .toFixed(0)
      .padStart(7);
  const resident = parts.find((part: { name: string }) => part.name === 'resident cases');
  console.log(`${name.padEnd(44)} ${sum('all')} ${sum('cases')}   ${(resident.bytes / 2 ** 20).toFixed(0)} MiB, ${resident.meaning}`);
  for (const each of children) {
    each.kill();
    await once(each, 'exit');
  }
}

if (values.child !== undefined) await child(JSON.parse(values.child));
else {
  await syntheticStore(dir, cases, VOLUME);
  console.log(`${''.padEnd(44)} PSS MiB  cases   a process keeps`);
  await measured('one process, 1 worker', 1, 1);
  await measured(`one process, ${ranks} workers`, 1, ranks);
  await measured(`${ranks} ranks, 1 worker each`, ranks, 1);
  await measured(`${ranks} ranks, 1 worker each, nothing shared`, ranks, 1, { [NO_MAP]: '1' });
}
