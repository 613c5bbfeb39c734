import { expect, it } from 'vitest';
import { Lanes } from '../../src/caching/lanes.ts';

it('lanes are for so many jobs at once, and for those first that somebody waits for', async () => {
  const lanes = new Lanes(2);
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const run = (name: string, isAwaited: boolean): Promise<void> =>
    lanes.run(() => {
      begun.push(name);
      return new Promise((done, fail) => ends.set(name, (error) => (error ? fail(error) : done())));
    }, isAwaited);
  const end = async (name: string, error?: Error): Promise<void> => {
    ends.get(name)?.(error);
    await new Promise((done) => setImmediate(done));
  };
  const jobs = [run('ahead 1', false), run('ahead 2', false), run('ahead 3', false), run('awaited 1', true), run('awaited 2', true)];
  const outcome = Promise.allSettled(jobs);
  expect(begun).toEqual(['ahead 1', 'ahead 2']);
  await end('ahead 2');
  expect(begun).toEqual(['ahead 1', 'ahead 2', 'awaited 1']);
  await end('awaited 1', new Error('broken'));
  await end('ahead 1');
  expect(begun).toEqual(['ahead 1', 'ahead 2', 'awaited 1', 'awaited 2', 'ahead 3']);
  await end('awaited 2');
  await end('ahead 3');
  expect((await outcome).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  const later = run('later', false);
  await end('later');
  await later;
});
