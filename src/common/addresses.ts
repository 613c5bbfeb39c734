import { showBytes } from './bytes.ts';
import { MemoryError } from './errors.ts';
import { addressLimit } from './granted.ts';

/** With more than this, nobody has run out of addresses yet. */
const PLENTY = 128 * 1024 ** 3;
const ACTION =
  'Lift the limit (`ulimit -v unlimited`) and bound memory by a control group: V8 and WebAssembly reserve up to 10 GiB of addresses for each thread and memory, and use little of them';

/** What an error is about where `ulimit -v` leaves WebAssembly or a buffer no addresses; null for any other. */
export function shortOfAddresses(error: unknown, limit = addressLimit()): MemoryError | null {
  if (!(error instanceof Error) || !Number.isFinite(limit)) return null;
  if (!/could not allocate memory|out of memory|cannot allocate wasm memory|allocation failed/i.test(error.message)) return null;
  return new MemoryError('`ulimit -v`', `the limit of ${showBytes(limit)} leaves too few addresses (${error.message})`, ACTION, {
    cause: error,
  });
}

let warned = false;

/** Before threads start: where V8 finds no addresses for one, it ends the whole process, with a native stack and no word of the limit. */
export function warnOfAddressLimit(limit = addressLimit()): void {
  if (warned || limit >= PLENTY) return;
  warned = true;
  process.emitWarning(`\`ulimit -v\`: the limit of ${showBytes(limit)} may leave too few addresses. ${ACTION}.`, 'VoxfeedWarning');
}
