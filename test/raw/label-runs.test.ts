import { expect, it } from 'vitest';
import { forEachRun } from '../../src/raw/label-runs.ts';
import { numbers } from '../fixtures/raw-dataset.ts';

/** Runs, voxel by voxel. */
function runsOf(labels: ArrayLike<number>, start: number, end: number): [number, number, number][] {
  const runs: [number, number, number][] = [];
  for (let i = start; i < end; i++) {
    const last = runs.at(-1);
    if (last?.[0] === labels[i]) last[2] = i + 1;
    else runs.push([labels[i], i, i + 1]);
  }
  return runs;
}

it.each([Int8Array, Int16Array])('runs of equal labels in %o, wherever they begin and end', (Labels) => {
  const next = numbers(11);
  for (let round = 0; round < 300; round++) {
    const longest = 1 + next(30);
    const data: number[] = [];
    while (data.length < 80) data.push(...new Array(1 + next(longest)).fill([-1, 0, 0, 1, 2, 127][next(6)]));
    const offset = next(6);
    const labels = new Labels([...new Array(offset).fill(0), ...data]).subarray(offset);
    const start = next(labels.length);
    const end = start + next(labels.length - start + 1);
    const found: [number, number, number][] = [];
    forEachRun(labels, start, end, (...run) => found.push(run));
    expect(found).toEqual(runsOf(labels, start, end));
  }
});
