import { MOST_PAGES, WASM_PAGE } from './layout.ts';
import { preferLargePages } from './mapping.ts';

/** One that is so many times too large stays for V8 to free: what it has too much would be held for nothing. */
const MOST_WASTE = 2;

/** What the types of Node leave out. */
type Growing = WebAssembly.Memory & { grow(pages: number): number };

/** A memory that its owner has let go of. */
interface LetGo {
  memory: WeakRef<WebAssembly.Memory>;
  /** Whether somebody still has batches in it. */
  isHeld: (buffer: SharedArrayBuffer) => boolean;
}

/**
 * Memories that were let go of. A shared memory cannot be freed by hand, and V8, which does not count what it holds, frees it when it
 * happens to collect: loaders one after the other would pile up gigabytes. So the next one takes what the last one left. They are held
 * weakly: V8 may free them whenever it likes.
 */
let letGo: LetGo[] = [];

/**
 * Lets go of a memory that no thread writes to any more.
 * @param isHeld whether somebody still has batches in it: they stay as they are. It must not refer to the memory
 */
export function letGoOf(memory: WebAssembly.Memory, isHeld: LetGo['isHeld'] = () => false): void {
  letGo.push({ memory: new WeakRef(memory), isHeld });
}

/**
 * A memory of at least so many pages: one that was let go of and in which no batch is held, or a new one.
 * @param zeroed its first bytes, which must be 0. What lies behind may be anything.
 * @throws RangeError if the system refuses
 */
export function takeMemory(pages: number, zeroed: number): WebAssembly.Memory {
  const found = letGo.flatMap((entry) => {
    const memory = entry.memory.deref();
    return memory === undefined ? [] : [{ entry, memory, pages: memory.buffer.byteLength / WASM_PAGE }];
  });
  letGo = found.map(({ entry }) => entry);
  const usable = found
    .filter(({ entry, memory, pages: has }) => has <= MOST_WASTE * pages && !entry.isHeld(memory.buffer as SharedArrayBuffer))
    .sort((a, b) => a.pages - b.pages);
  const taken = usable.find(({ pages: has }) => has >= pages) ?? usable.at(-1);
  if (taken === undefined) return newMemory(pages);
  letGo = letGo.filter((entry) => entry !== taken.entry);
  try {
    if (taken.pages < pages) (taken.memory as Growing).grow(pages - taken.pages);
  } catch {
    return newMemory(pages);
  }
  preferLargePages(taken.memory);
  new Uint8Array(taken.memory.buffer, 0, zeroed).fill(0);
  return taken.memory;
}

/** It can grow for a later owner, and is as fast as one that cannot: the views on it have fixed lengths. */
function newMemory(pages: number): WebAssembly.Memory {
  const memory = makeMemory(pages);
  preferLargePages(memory);
  return memory;
}

function makeMemory(pages: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: MOST_PAGES, shared: true });
  } catch {
    // Where addresses are short (`ulimit -v`), room to grow is not to be had.
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  }
}
