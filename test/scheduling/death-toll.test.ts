import { describe, expect, it } from 'vitest';
import { WorkerError } from '../../src/common/errors.ts';
import { DeathToll } from '../../src/scheduling/death-toll.ts';
import { Stall } from '../../src/scheduling/watchdog.ts';
import { Warnings } from '../fixtures/warnings.ts';

const cause = new Error('it was the gardener.');

/** So many deaths, each after a finished task, at intervals in milliseconds. Returns the verdicts. */
function die(count: number, interval: number, workers = 1): (WorkerError | null)[] {
  let now = 0;
  const toll = new DeathToll(workers, () => now);
  return Array.from({ length: count }, () => {
    now += interval;
    toll.taskDone();
    return toll.died(cause, true);
  });
}

describe('deaths', () => {
  it('within a minute are warned of once, with the cause', async () => {
    using warnings = new Warnings();
    die(9, 1);
    expect(await warnings.seen()).toEqual([]);
    die(100, 7000);
    expect(await warnings.seen()).toEqual([]);
    die(100, 600);
    expect(await warnings.seen()).toEqual([
      expect.stringMatching(/^Worker threads died 10 times within a minute, the last time with: it was the gardener\. They are replaced/),
    ]);
  });

  it('end the run above a bound per minute, for each worker', () => {
    for (const workers of [1, 2, 7]) {
      const verdicts = die(120 * workers + 1, 60_000 / (120 * workers + 2), workers);
      expect(verdicts.slice(0, -1).every((verdict) => verdict === null)).toBe(true);
      expect(verdicts.at(-1)).toBeInstanceOf(WorkerError);
      expect(verdicts.at(-1)?.message).toMatch(new RegExp(`more than ${120 * workers} times within a minute \\(the last time: it was`));
      expect(die(1000, 60_000 / (120 * workers), workers).every((verdict) => verdict === null)).toBe(true);
    }
  });

  it('in a row without a finished task end it sooner, and sooner still where no worker ever came up', () => {
    const [toll, young] = [new DeathToll(1, () => 0), new DeathToll(1, () => 0)];
    const verdicts = Array.from({ length: 51 }, () => toll.died(cause, true));
    expect(verdicts.map((verdict) => verdict?.message ?? null).slice(49)).toEqual([null, expect.stringMatching(/died 50 times in a row/)]);
    expect([0, 1, 2].map(() => young.died(cause, false)?.message)).toEqual([
      undefined,
      undefined,
      expect.stringMatching(/^workers: worker threads died 3 times while they started \(it was the gardener\)/),
    ]);
    expect(new DeathToll(1).died(new Stall(3, Promise.resolve()), false)?.message).toMatch(
      /does not come up \(it made no progress for 3 s\)/,
    );
    expect(toll.total).toBe(51);
  });
});
