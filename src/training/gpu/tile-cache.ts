import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { writeAtomic } from '../../common/atomic-file.ts';
import { FileError } from '../../common/errors.ts';
import { ifThere } from '../../common/files.ts';
import { makeFolders } from '../../common/folders.ts';
import { xxh64 } from '../../common/hash.ts';
import { parseJson } from '../../common/json-file.ts';
import { byName, object } from '../../common/schemas.ts';
import { userCache } from '../../common/user-cache.ts';
import { WEBGPU_VERSION } from './device.ts';

/** The fastest way to tile each product that was measured, by their names. */
export type Fastest = Record<string, string>;

const CONTENTS = object({ fastest: byName(v.string()) });
const REFUSAL = { Failure: FileError, action: 'Remove it' };

/** The file in the user's cache of what was measured on an adapter with its driver. */
export async function tileCacheFile(adapter: string): Promise<string> {
  return join(userCache(), 'tiles', `${await xxh64(adapter, '\n', WEBGPU_VERSION)}.json`);
}

/** Nothing where the file cannot be used, with a warning. */
export async function readFastest(path: string): Promise<Fastest> {
  let fastest: Fastest = {};
  await warned('Tiles are measured again', async () => {
    const text = await ifThere(path, readFile(path, 'utf8'));
    if (text !== null) fastest = parseJson(path, text, CONTENTS, REFUSAL).fastest;
  });
  return fastest;
}

/** Where it cannot be written, a warning is all that comes of it. */
export async function writeFastest(path: string, adapter: string, fastest: Fastest): Promise<void> {
  const contents = { adapter, webgpu: WEBGPU_VERSION, fastest };
  await warned('Tiles are measured at every start, as long as this is so', async () => {
    await makeFolders(dirname(path));
    await writeAtomic(path, [Buffer.from(`${JSON.stringify(contents, null, 1)}\n`)]);
  });
}

async function warned(consequence: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    process.emitWarning(`${error.where}: ${error.what}. ${consequence}.`, 'VoxfeedWarning');
  }
}
