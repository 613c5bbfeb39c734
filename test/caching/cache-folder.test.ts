import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CacheFolder, type Item } from '../../src/caching/cache-folder.ts';
import { openSession } from '../../src/caching/session.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const { signal } = new AbortController();

function item(number: number, bytes = 100): Item {
  return { key: number.toString(16).padStart(16, '0'), bytes, files: [{ name: `case_${number}.npy`, bytes }] };
}

const filling =
  ({ files }: Item) =>
  async (dir: string): Promise<void> => {
    for (const { name, bytes } of files) writeFileSync(join(dir, name), Buffer.alloc(bytes ?? 7, 1));
  };

/** A cache with items 0 … count - 1, used in this order. */
async function cacheOf(count: number, bytes: number): Promise<{ dir: string; cache: CacheFolder; into: string }> {
  const dir = join(temporaryFolder(), 'cache');
  const into = temporaryFolder();
  const cache = await CacheFolder.open(dir, bytes);
  for (let i = 0; i < count; i++) {
    await cache.add(item(i), filling(item(i)), signal);
    const then = 1_700_000_000 + i;
    utimesSync(join(dir, 'items', `${item(i).key}-100`), then, then);
  }
  return { dir, cache, into };
}

const listed = (dir: string): string[] => readdirSync(join(dir, 'items')).sort();
const names = (...numbers: number[]): string[] => numbers.map((number) => `${item(number).key}-100`);

describe('a cache folder', () => {
  it('is marked before anything else is in it, so that none of several who make it takes it for somebody else’s', async () => {
    const dir = join(temporaryFolder(), 'deep/cache');
    const seen = new Set<string>();
    let open = true;
    const opened = CacheFolder.open(dir, 1000).finally(() => {
      open = false;
    });
    while (open) {
      if (existsSync(dir)) seen.add(readdirSync(dir).sort()[0] ?? 'nothing');
      await setImmediate();
    }
    await opened;
    expect(readdirSync(dir).sort()).toEqual(['.voxfeed-local-cache', 'items', 'locks']);
    seen.delete('nothing');
    expect([...seen]).toEqual(['.voxfeed-local-cache']);
  });

  it('gives what was added to it, and nothing else', async () => {
    const { cache, into } = await cacheOf(2, 1000);
    expect(await cache.take(item(1), into)).toBe(true);
    expect(readFileSync(join(into, 'case_1.npy'))).toEqual(Buffer.alloc(100, 1));
    expect(await cache.take(item(2), into)).toBe(false);
    expect(readdirSync(into)).toEqual(['case_1.npy']);
    await cache.giveBack(item(1), into);
    expect(readdirSync(into)).toEqual([]);
  });

  it('takes away what was used least recently when room is short', async () => {
    const { dir, cache, into } = await cacheOf(4, 400);
    await cache.take(item(0), into);
    await cache.giveBack(item(0), into);
    await cache.add(item(4), filling(item(4)), signal);
    // One leaves for the room that is needed, another for that of the next.
    expect(listed(dir)).toEqual(names(0, 3, 4));
  });

  it('keeps what somebody has, whatever that takes', async () => {
    const { dir, cache, into } = await cacheOf(2, 200);
    for (const number of [0, 1]) await cache.take(item(number), into);
    await cache.add(item(2), filling(item(2)), signal);
    expect(listed(dir)).toEqual(names(0, 1, 2));
    await cache.giveBack(item(0), into);
    await cache.add(item(3), filling(item(3)), signal);
    expect(listed(dir)).toEqual(names(1, 3));
  });

  it.each<[string, (path: string) => void]>([
    ['cut off', (path) => truncateSync(path, 50)],
    ['removed', (path) => rmSync(path)],
  ])('gives back nothing that was %s since', async (_, damage) => {
    const { dir, cache, into } = await cacheOf(1, 1000);
    damage(join(dir, 'items', names(0)[0], 'case_0.npy'));
    expect(await cache.take(item(0), into)).toBe(false);
    expect(listed(dir)).toEqual([]);
    expect(readdirSync(into)).toEqual([]);
  });

  it('has an item whole or not at all', async () => {
    const { dir, cache } = await cacheOf(0, 1000);
    const failing = async (into: string): Promise<void> => {
      writeFileSync(join(into, 'case_0.npy'), 'half');
      expect(await cache.has(item(0))).toBe(false);
      throw new Error('no more');
    };
    await expect(cache.add(item(0), failing, signal)).rejects.toThrow('no more');
    expect(listed(dir)).toEqual([]);
  });

  it('has each item copied once, by whoever comes first', async () => {
    const { dir } = await cacheOf(0, 1000);
    let fills = 0;
    const slow = async (into: string): Promise<void> => {
      fills++;
      await new Promise((done) => setTimeout(done, 50));
      await filling(item(0))(into);
    };
    const caches = await Promise.all([1, 2, 3].map(() => CacheFolder.open(dir, 1000)));
    await Promise.all(caches.map((cache) => cache.add(item(0), slow, signal)));
    expect(fills).toBe(1);
    expect(readdirSync(join(dir, 'locks'))).toEqual([]);
  });

  it('takes nothing away that comes while others look for it', async () => {
    const { cache } = await cacheOf(0, 10_000);
    const folders = [1, 2, 3].map(() => temporaryFolder());
    let fills = 0;
    for (let number = 0; number < 20; number++) {
      let waiting = folders.length;
      const look = async (into: string): Promise<void> => {
        while (!(await cache.take(item(number), into)));
        waiting--;
      };
      const fill = async (into: string): Promise<void> => {
        fills++;
        await filling(item(number))(into);
      };
      const looking = folders.map(look);
      while (waiting > 0) await cache.add(item(number), fill, signal);
      await Promise.all(looking);
    }
    expect(fills).toBe(20);
  });

  it('is cleared of what killed processes left when it is opened', async () => {
    const { dir } = await cacheOf(1, 1000);
    for (const name of ['00000000000000ab-100.partial', 'leaving-1']) {
      mkdirSync(join(dir, 'items', name));
      writeFileSync(join(dir, 'items', name, 'case.npy'), 'half');
    }
    await CacheFolder.open(dir, 1000);
    expect(listed(dir)).toEqual(names(0));
  });

  it('is made anew where somebody removes it', async () => {
    const { dir, cache, into } = await cacheOf(2, 1000);
    rmSync(dir, { recursive: true });
    expect(await cache.take(item(0), into)).toBe(false);
    await cache.add(item(0), filling(item(0)), signal);
    expect(await cache.take(item(0), into)).toBe(true);
    await CacheFolder.open(dir, 1000);
  });

  it('of other files is refused, before anything is removed', async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'thesis.txt'), 'mine');
    await expect(CacheFolder.open(dir, 1000)).rejects.toMatchObject({ name: 'OptionError', where: 'localCache.dir' });
    expect(readdirSync(dir)).toEqual(['thesis.txt']);
  });
});

describe('a session', () => {
  it('has a folder of its own, which goes with it', async () => {
    const { dir } = await cacheOf(0, 1000);
    {
      await using one = await openSession(dir);
      await using two = await openSession(dir);
      expect(readdirSync(one.dir)).toEqual([]);
      expect(two.dir).not.toBe(one.dir);
    }
    expect(readdirSync(join(dir, 'sessions'))).toEqual([]);
  });

  it('takes away what a killed one had, and leaves others alone', async () => {
    const { dir } = await cacheOf(1, 1000);
    await using living = await openSession(dir);
    const left = join(dir, 'sessions', '01234567-89ab-cdef-0123-456789abcdef');
    mkdirSync(left);
    linkSync(join(dir, 'items', names(0)[0], 'case_0.npy'), join(left, 'case_0.npy'));
    linkSync(join(dir, 'items', names(0)[0], 'case_0.npy'), join(living.dir, 'case_0.npy'));
    await using _ = await openSession(dir);
    expect(readdirSync(join(dir, 'sessions'))).not.toContain('01234567-89ab-cdef-0123-456789abcdef');
    expect(readdirSync(living.dir)).toEqual(['case_0.npy']);
  });
});
