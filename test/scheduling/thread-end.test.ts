import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('a thread that is ended while it unpacks data does not take the process with it', () => {
  const script = join(import.meta.dirname, '../fixtures/end-threads.ts');
  const { status, signal, stderr } = spawnSync(process.execPath, [script, '60'], { encoding: 'utf8' });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
});
