import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { readFastest, tileCacheFile, writeFastest } from '../../../src/training/gpu/tile-cache.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';
import { Warnings } from '../../fixtures/warnings.ts';

const dir = temporaryFolder();
const ADAPTER = 'a GPU, its driver';
const FASTEST = { gather: 'large tiles', scatter: 'small tiles' };

test('what was written is read, for this adapter alone', async () => {
  process.env.XDG_CACHE_HOME = join(dir, 'cache');
  const path = await tileCacheFile(ADAPTER);
  expect(path.startsWith(join(dir, 'cache/voxfeed/tiles/'))).toBe(true);
  using warnings = new Warnings();
  expect(await readFastest(path)).toEqual({});
  await writeFastest(path, ADAPTER, FASTEST);
  expect(await readFastest(path)).toEqual(FASTEST);
  expect(JSON.parse(readFileSync(path, 'utf8')).adapter).toBe(ADAPTER);
  expect(await readFastest(await tileCacheFile('another GPU, its driver'))).toEqual({});
  expect(await warnings.seen()).toEqual([]);
});

test.each([
  ['{"fastest": ', /it is not JSON.*\. Tiles are measured again\.$/],
  ['{"fastest": {"gather": 3}}', /fastest.gather: .*3.*\. Tiles are measured again\.$/],
  ['[]', /is no object\. Tiles are measured again\.$/],
])('a file that is damaged is a warning, and written over: %s', async (text, message) => {
  const path = join(dir, 'damaged/tiles.json');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  using warnings = new Warnings();
  expect(await readFastest(path)).toEqual({});
  expect(await warnings.seen()).toEqual([expect.stringMatching(message)]);
  await writeFastest(path, ADAPTER, FASTEST);
  expect(await readFastest(path)).toEqual(FASTEST);
});

test('a file that cannot be read or written is a warning', async () => {
  const folder = join(dir, 'folder.json');
  mkdirSync(join(folder, 'full'), { recursive: true });
  using warnings = new Warnings();
  expect(await readFastest(folder)).toEqual({});
  await writeFastest(folder, ADAPTER, FASTEST);
  writeFileSync(join(dir, 'file'), '');
  await writeFastest(join(dir, 'file/tiles.json'), ADAPTER, FASTEST);
  const atEveryStart = expect.stringMatching(/\. Tiles are measured at every start, as long as this is so\.$/);
  expect(await warnings.seen()).toEqual([expect.stringMatching(/Tiles are measured again\.$/), atEveryStart, atEveryStart]);
});
