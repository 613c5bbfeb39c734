import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandProcess } from '../fixtures/command-line.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();
const voxfeed = commandProcess(dir);

describe('demo', () => {
  it('runs the whole job and says what happened', () => {
    const { status, stdout } = voxfeed('demo', '--out', 'demo');
    expect(status).toBe(0);
    expect(stdout).toMatch(/preprocessed 20 cases .*\n.*\npatch, batch +40x56x40, 9\nworkers +2\npatches per second/);
    expect(stdout).toMatch(/forced foreground +600 of 1800 \(33\.3 %\)/);
    expect(existsSync(join(dir, 'demo/contact-sheet.png'))).toBe(true);
    const again = JSON.parse(voxfeed('demo', '--out', 'demo', '--json').stdout);
    expect(again).toMatchObject({
      cases: 20,
      patch: [40, 56, 40],
      batch: 9,
      stream_hash: expect.stringMatching(/^[0-9a-f]{16}$/),
      memory: { totalBytes: expect.any(Number) },
    });
  });
});
