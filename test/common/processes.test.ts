import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { runs } from '../../src/common/processes.ts';

it('a process runs until it is ended, also where its parent does not look', async () => {
  expect(runs(process.pid)).toBe(true);
  // Of another user's, for most.
  expect(runs(1)).toBe(true);
  // A parent that never waits for its child.
  const parent = spawn('sh', ['-c', 'read _ & echo $!; exec sleep 1000'], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const [said] = await once(parent.stdout, 'data');
  const child = Number(said);
  expect(child).toBeGreaterThan(1);
  await expect.poll(() => runs(child)).toBe(false);
  const exit = once(parent, 'exit');
  parent.kill('SIGKILL');
  await exit;
  expect(runs(parent.pid as number)).toBe(false);
});
