import { describe, expect, it } from 'vitest';
import { shortOfAddresses } from '../../src/common/addresses.ts';
import { addressLimit } from '../../src/common/granted.ts';
import { commandProcessWithin } from '../fixtures/command-line.ts';
import { EXAMPLES } from '../fixtures/paths.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const GIB = 1024 ** 3;

describe('addresses that a limit leaves none of', () => {
  it.each([
    'WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance',
    'WebAssembly.Memory(): could not allocate memory',
    'Array buffer allocation failed',
  ])('are what "%s" is about, where there is a limit', (message) => {
    const error = new RangeError(message);
    expect(shortOfAddresses(error, 16 * GIB)).toMatchObject({
      name: 'MemoryError',
      where: '`ulimit -v`',
      what: `the limit of 16.0 GiB leaves too few addresses (${message})`,
      action: expect.stringContaining('ulimit -v unlimited'),
    });
    expect(shortOfAddresses(error, Number.POSITIVE_INFINITY)).toBeNull();
  });

  it('are not what other errors are about', () => {
    for (const error of [new RangeError('nothing is left'), 'out of memory', null]) expect(shortOfAddresses(error, GIB)).toBeNull();
  });
});

describe.runIf(process.platform === 'linux')('limits of the shell', () => {
  it('of addresses are named, before and where threads end for them', async () => {
    expect(addressLimit()).toBeGreaterThan(0);
    const { stderr, status } = commandProcessWithin('ulimit -v 24000000', temporaryFolder())('plan', EXAMPLES, '--workers', '2');
    expect(stderr).toMatch(/VoxfeedWarning: `ulimit -v`: the limit of 22\.9 GiB may leave too few addresses\. Lift the limit/);
    expect(stderr).not.toMatch(/cannot be used|\n {4}at /);
    // Whether it is enough depends on the places that the system chooses.
    if (status !== 0) expect(stderr).toMatch(/`ulimit -v`: the limit of 22\.9 GiB leaves too few addresses|Fatal process out of memory/);
  });

  it('of open files are named, and no case is blamed', () => {
    const { stderr, status } = commandProcessWithin('ulimit -n 28', temporaryFolder())('plan', EXAMPLES, '--workers', '2');
    expect(status).toBe(1);
    expect(stderr).toMatch(/EMFILE|too many open files/);
    expect(stderr).toContain('ulimit -n');
    expect(stderr).not.toMatch(/cannot be used|worker died|\n {4}at /);
  });
});
