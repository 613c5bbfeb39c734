import { describe, expect, it } from 'vitest';
import { type Look, WorkerCount } from '../../src/scheduling/worker-count.ts';

const LOOK: Look = { passedMs: 250, workers: 1, up: true, waitMs: 100, workMs: 250, loaded: true, freeCores: 3.2 };

/** How many workers there are after each of so many looks, each made from how many there are. */
function looks(count: WorkerCount, times: number, of: (workers: number) => Partial<Look>, from = 1): number[] {
  let workers = from;
  return Array.from({ length: times }, () => {
    workers = count.next({ ...LOOK, workers, ...of(workers) });
    return workers;
  });
}

describe('the number of workers', () => {
  it('doubles while somebody waits and cores idle, up to the most there may be', () => {
    expect(looks(new WorkerCount(7), 5, () => ({ freeCores: 16 }))).toEqual([2, 4, 7, 7, 7]);
    // Never by more than cores idle.
    expect(looks(new WorkerCount(7), 4, (workers) => ({ freeCores: 4 - workers }))).toEqual([2, 4, 4, 4]);
  });

  it.each<[string, Partial<Look>]>([
    ['nobody waits', { waitMs: 0 }],
    ['somebody hardly waits', { waitMs: 4 }],
    ['workers have nothing to do', { loaded: false }],
    ['one of them is still coming up', { up: false }],
    ['others have the cores', { freeCores: 0.5 }],
  ])('stays where %s', (_, look) => {
    expect(looks(new WorkerCount(8), 10, () => look)).toEqual(Array(10).fill(1));
  });

  it('shrinks where nobody has waited for long, as far as the others have room for the work', () => {
    // The work of one and a half workers: two would be busy three quarters of their time.
    const calm = looks(new WorkerCount(4), 100, () => ({ waitMs: 0, workMs: 1.5 * 250 }), 4);
    expect(calm[18]).toBe(4);
    expect(calm[19]).toBe(3);
    expect(calm[39]).toBe(2);
    expect(calm[99]).toBe(2);
    // One stays, whatever it has to do.
    expect(looks(new WorkerCount(4), 200, () => ({ waitMs: 0, workMs: 0 }), 4).at(-1)).toBe(1);
  });

  it('takes longer to shrink again where shrinking was a mistake', () => {
    const count = new WorkerCount(2);
    // One worker is too few; two have room.
    const history = looks(count, 2000, (workers) => (workers === 1 ? {} : { waitMs: 0, workMs: 0.7 * 250 }), 2);
    const spared = history.flatMap((workers, i) => (workers < (history[i - 1] ?? 2) ? [i] : []));
    const gaps = spared.slice(1).map((at, i) => at - spared[i]);
    expect(spared[0]).toBe(19);
    expect(gaps).toEqual([41, 81, 161, 321, 641]);
  });
});
