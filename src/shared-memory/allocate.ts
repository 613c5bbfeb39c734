import { shortOfAddresses } from '../common/addresses.ts';
import { showBytes } from '../common/bytes.ts';
import { MemoryError } from '../common/errors.ts';
import { ADDRESSABLE, casesHeadBytes, type Layout, type MemoryReport, WASM_PAGE } from './layout.ts';
import { mapRings } from './mapped-ring.ts';
import { takeMemory } from './reuse.ts';

/**
 * A memory for a layout, with nothing held in it. Its header and the states of its cases are 0; elsewhere it may have what an earlier
 * owner left, see `letGoOf`.
 * @throws MemoryError with the table of what was asked for.
 */
export function allocate(layout: Layout, report: MemoryReport): WebAssembly.Memory {
  const table = report.parts.map(({ name, bytes, meaning }) => `${name} ${showBytes(bytes)} (${meaning})`).join(', ');
  const smaller = 'Use a smaller patch or batch, fewer workers, a smaller `ring` or less `cacheBytes`';
  if (report.totalBytes > report.limitBytes) {
    throw new MemoryError(
      'maxMemoryBytes',
      `the loader needs ${showBytes(report.totalBytes)} (${table}), the limit is ${showBytes(report.limitBytes)}`,
      `${smaller}, or raise \`maxMemoryBytes\``,
    );
  }
  if (layout.totalBytes > ADDRESSABLE) {
    throw new MemoryError(
      'ring',
      `the shared memory needs ${showBytes(layout.totalBytes)} (${table}), one can have ${showBytes(ADDRESSABLE)}`,
      smaller,
    );
  }
  const pages = layout.totalBytes / WASM_PAGE;
  try {
    const memory = takeMemory(pages, layout.scratchOffset);
    new Uint8Array(memory.buffer, layout.casesOffset, casesHeadBytes(layout.residentBytes.length)).fill(0);
    return memory;
  } catch (error) {
    const short = shortOfAddresses(error);
    if (short !== null) throw short;
    throw new MemoryError('ring', `the system refused ${showBytes(layout.totalBytes)} (${table})`, smaller, { cause: error });
  }
}

/**
 * A memory whose rings lie in a file where that is possible, see `mapRings`, and one of its own where it is not.
 * @returns besides: why the rings do not lie in the file, or null
 * @throws MemoryError
 */
export function allocateOnto(fd: number, layout: Layout, report: MemoryReport): { memory: WebAssembly.Memory; notMapped: string | null } {
  const memory = allocate(layout, report);
  const notMapped = mapRings(memory, layout, fd);
  return { memory: notMapped === null ? memory : allocate(layout, report), notMapped };
}
