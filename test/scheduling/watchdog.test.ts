import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Stall, Watchdog } from '../../src/scheduling/watchdog.ts';
import type { WorkerThread } from '../../src/scheduling/worker-thread.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** A watchdog over one thread, whose task and progress the test sets. */
function watched(seconds: number, patience?: () => number) {
  const ended: Error[] = [];
  const state = { task: undefined as object | undefined, beats: 0 };
  const thread = {
    get current() {
      return state.task;
    },
    gone: Promise.resolve(),
    end: async (cause: Error) => ended.push(cause) > 0,
  } as unknown as WorkerThread<object>;
  const watchdog = new Watchdog(seconds, new Set([thread]), () => state.beats, patience);
  watchdog.begin();
  return { ended, state };
}

describe('a task', () => {
  it('that stands still for so long is ended, not before', () => {
    const { ended, state } = watched(120);
    vi.advanceTimersByTime(1_000_000);
    state.task = {};
    vi.advanceTimersByTime(120_000);
    expect(ended).toEqual([]);
    vi.advanceTimersByTime(2000);
    expect(ended[0]).toBeInstanceOf(Stall);
    expect(ended[0].message).toBe('it made no progress for 120 s');
  });

  it('that gets on, however slowly, is left alone, and so is a thread that goes from task to task', () => {
    const { ended, state } = watched(120);
    state.task = {};
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(100_000);
      if (i % 2 === 0) state.beats++;
      else state.task = {};
    }
    expect(ended).toEqual([]);
  });

  it('is not blamed for a sleep of the whole machine', () => {
    const { ended, state } = watched(120);
    state.task = {};
    vi.advanceTimersByTime(10_000);
    // Time passes, and nobody is there to look.
    const now = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => now + 3_600_000);
    vi.advanceTimersByTime(1000);
    expect(ended).toEqual([]);
    vi.restoreAllMocks();
  });

  it('may have a patience of its own', () => {
    const { ended, state } = watched(120, () => 300);
    state.task = {};
    vi.advanceTimersByTime(299_000);
    expect(ended).toEqual([]);
    vi.advanceTimersByTime(3000);
    expect(ended[0].message).toBe('it made no progress for 300 s');
  });

  it('may stand still for ever with 0 seconds', () => {
    const { ended, state } = watched(0);
    state.task = {};
    vi.advanceTimersByTime(10_000_000);
    expect(ended).toEqual([]);
  });
});
