import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { machineMemory, showBytes } from '../../src/common/bytes.ts';

describe('bytes', () => {
  it('are shown in the largest unit that they fill', () => {
    const sizes = [0, 1, 1023, 1024, 1536, 1024 ** 2 - 1, 1024 ** 2, 2.5 * 1024 ** 3, 1024 ** 4, 5000 * 1024 ** 4];
    expect(sizes.map(showBytes)).toEqual([
      '0 B',
      '1 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '1024.0 KiB',
      '1.0 MiB',
      '2.5 GiB',
      '1.0 TiB',
      '5000.0 TiB',
    ]);
  });

  it('of the machine are some, and no more than it has', () => {
    expect(machineMemory()).toBeGreaterThan(0);
    expect(machineMemory()).toBeLessThanOrEqual(totalmem());
  });
});
