import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { machine } from '../../bench/report/machine.ts';
import { fillMarks } from '../../bench/report/marks.ts';
import { pictures } from '../../bench/report/pictures.ts';
import { checkResultPath, keepResult, newestResult, type Result, rowOf } from '../../bench/report/result.ts';
import { resultTables } from '../../bench/report/table.ts';
import { rounds } from '../../bench/suite/rounds.ts';
import { workerCounts } from '../../bench/suite/workers.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const result: Result = {
  name: 'bench',
  date: '2026-11-26T20:00:00.000Z',
  quick: false,
  seconds: 1,
  environment: machine(),
  versions: { torch: '2.15.0' },
  parts: {
    loader: {
      title: 'The loader',
      about: 'On one core.',
      rows: [
        rowOf(
          'b',
          [100, 101, 102].map((patches_per_second) => ({ patches_per_second, peak_mib: 300 })),
        ),
        rowOf(
          'c',
          [100, 200, 300].map((patches_per_second) => ({ patches_per_second })),
          'a | note',
        ),
      ],
    },
  },
};

describe('tables', () => {
  it('have a line a row, a column a quantity, and no claim that is none', () => {
    const text = resultTables(result);
    expect(text).toContain('|  | patches a second | peak memory, MiB | notes |');
    expect(text).toContain('| b | 101 | 300 |  |');
    expect(text).toContain('| c | not reliable (100 to 300) | – | a \\| note |');
    expect(text).toContain('torch 2.15.0');
    expect(text).not.toContain('Tiny');
    expect(resultTables({ ...result, quick: true })).toContain('Tiny sizes');
  });
});

describe('files of results', () => {
  it('come back as they were, the newest of their name', () => {
    const dir = temporaryFolder();
    for (const date of ['2026-11-25', '2026-11-26', '2026-10-30']) keepResult({ ...result, date }, join(dir, `${date}-bench.json`));
    writeFileSync(join(dir, '2027-01-01-other-bench.json'), '{}');
    expect(newestResult('bench', dir)).toEqual({ ...result, date: '2026-11-26' });
    expect(newestResult('peers', dir)).toBeNull();
    expect(readFileSync(join(dir, '2026-11-26-bench.json'), 'utf8')).toContain('"runs": [ 100, 101, 102 ]');
  });

  it('of tiny sizes are kept only where that is asked for', () => {
    expect(keepResult({ ...result, quick: true })).toBeNull();
    const path = join(temporaryFolder(), 'deep/quick.json');
    mkdirSync(join(path, '..'), { recursive: true });
    expect(keepResult({ ...result, quick: true }, path)).toBe(path);
  });
});

describe('a file for a result', () => {
  it('is refused before anything is measured, where it cannot be written', () => {
    const dir = temporaryFolder();
    const file = join(dir, 'there.json');
    writeFileSync(file, '');
    expect(() => checkResultPath(dir)).toThrow(`--json ${dir}: is a folder`);
    expect(() => checkResultPath(join(file, 'x.json'))).toThrow("its folder can't be written to");
    expect(() => checkResultPath(file)).not.toThrow();
    expect(() => checkResultPath(join(dir, 'new/x.json'))).not.toThrow();
    expect(() => checkResultPath(undefined)).not.toThrow();
  });
});

describe('marks of a page', () => {
  const page =
    'before\n<!-- results: bench -->\nold\n<!-- end of results -->\nbetween\n<!-- results: peers -->\n<!-- end of results -->\nafter\n';

  it('are filled, and what is around them stays', () => {
    const filled = fillMarks(page, { bench: 'costs $1 and $& more', peers: 'table' });
    expect(filled).toBe(
      'before\n<!-- results: bench -->\n\ncosts $1 and $& more\n\n<!-- end of results -->\nbetween\n<!-- results: peers -->\n\ntable\n\n<!-- end of results -->\nafter\n',
    );
    expect(fillMarks(filled, { bench: 'costs $1 and $& more', peers: 'table' })).toBe(filled);
  });

  it('must be there', () => {
    expect(() => fillMarks('nothing', { bench: '' })).toThrow('<!-- results: bench -->');
  });
});

describe('pictures', () => {
  it('draw what is reliable', () => {
    const speed = (runs: number[]) =>
      rowOf(
        '',
        runs.map((speedup) => ({ speedup })),
      ).figures;
    const rows = [
      { name: 'b, 1 worker', figures: speed([1, 1, 1]) },
      { name: 'b, 2 workers', figures: speed([1.9, 1.95, 1.9]) },
      { name: 'b, auto', figures: speed([1.8, 1.8, 1.8]) },
      { name: 'c, 1 worker', figures: speed([1, 1, 1]) },
      { name: 'c, 2 workers', figures: speed([1, 1.5, 2]) },
    ];
    const drawn = pictures({ ...result, parts: { workers: { title: '', about: '', rows } } });
    expect(Object.keys(drawn)).toEqual(['bench-workers.svg']);
    expect([...drawn['bench-workers.svg'].matchAll(/<circle.*?<title>(.*?)<\/title>/g)].map(([, told]) => told)).toEqual([
      'b, 1: 1',
      'b, 2: 1.9',
      'c, 1: 1',
    ]);
  });

  it('have parts of a patch that hold in slow spells, too', () => {
    const times = (name: string, read: number[], transforms: number[], plan: number[]) =>
      rowOf(
        name,
        read.map((_, run) => ({ stage_read: read[run], stage_transforms: transforms[run], stage_plan: plan[run] })),
      );
    const rows = [
      times('slow spell', [1, 2, 1], [3, 6, 3], [0.1, 0.05, 0.1]),
      times('other parts', [1, 2, 1], [3, 3, 3], [0, 0, 0]),
      times('one run', [1], [3], [0]),
    ];
    const drawn = pictures({ ...result, parts: { stages: { title: '', about: '', rows } } })['bench-stages.svg'];
    expect([...drawn.matchAll(/<title>(.*?)<\/title>/g)].map(([, told]) => told)).toEqual([
      // The legend's, then those of the boxes.
      ...['read', 'intensity', 'plan'],
      'slow spell, read: 24 %',
      'slow spell, intensity: 73 %',
      'slow spell, plan: 2 %',
    ]);
  });
});

describe('rounds', () => {
  it('measure everything in turns, every other time backwards', async () => {
    const order: string[] = [];
    const asked: number[] = [];
    const entry = (name: string) => ({
      name,
      run: async (round: number) => {
        asked.push(round);
        return { at: order.push(name) };
      },
    });
    const runs = await rounds([entry('a'), entry('b')], 3);
    expect(order.join('')).toBe('abbaab');
    expect(asked).toEqual([0, 0, 1, 1, 2, 2]);
    expect(runs.get('b')).toEqual([{ at: 2 }, { at: 3 }, { at: 6 }]);
  });
});

describe('numbers of workers', () => {
  it('double up to the cores, which are among them', () => {
    expect(workerCounts(1)).toEqual([1]);
    expect(workerCounts(2)).toEqual([1, 2]);
    expect(workerCounts(6)).toEqual([1, 2, 4, 6]);
    expect(workerCounts(64)).toEqual([1, 2, 4, 8, 16]);
  });
});
