import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loaderFixture } from '../fixtures/loader.ts';
import { MAIN } from '../fixtures/paths.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** Tells on standard error of each module that is loaded, and finds no package of AWS's. */
const HOOKS = `
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier.startsWith('@aws-sdk/')) throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' });
      const found = next(specifier, context);
      process.stderr.write('loads ' + found.url + '\\n');
      return found;
    },
  });
`;

const PRELOAD = ['--import', `data:text/javascript,${encodeURIComponent(HOOKS)}`];

/** A command line in a process of its own. */
function run(...words: string[]): { status: number | null; stderr: string; loaded: string[] } {
  const { status, stderr } = spawnSync(process.execPath, [...PRELOAD, MAIN, ...words], {
    encoding: 'utf8',
    env: { ...process.env, XDG_CACHE_HOME: temporaryFolder() },
  });
  const lines = stderr.split('\n');
  return {
    status,
    stderr: lines.filter((line) => !line.startsWith('loads ')).join('\n'),
    loaded: lines.filter((line) => /^loads .*\/src\/(remote|caching)\//.test(line)),
  };
}

describe('what reads remote and slow stores', () => {
  it('is loaded by those alone who have one', async () => {
    const { store } = await loaderFixture();
    const words = ['bench', store.dir, '--patch', '4,4,4', '--batch', '2', '--batches', '1', '--workers', '1'];
    const plain = run(...words);
    expect(plain).toMatchObject({ status: 0, loaded: [] });
    const cached = run(...words, '--local-cache', `${join(temporaryFolder(), 'cache')}:1GB`);
    expect(cached.status).toBe(0);
    expect(cached.loaded).not.toEqual([]);
  });

  it('says what is to be installed for a bucket', () => {
    const { status, stderr } = run('bench', 's3://bucket/store', '--local-cache', `${join(temporaryFolder(), 'cache')}:1GB`);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /s3:\/\/bucket\/store needs the package @aws-sdk\/client-s3, which is not installed. Install it beside voxfeed: npm install/,
    );
  });
});
