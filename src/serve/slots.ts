import { ftruncateSync, write as writeWithCallback } from 'node:fs';
import { promisify } from 'node:util';
import type { BatchTicket } from '../loader/batch.ts';
import type { PatchLoader } from '../loader/loader.ts';
import { ringBytes } from '../shared-memory/mapped-ring.ts';
import { Ring } from '../shared-memory/ring.ts';

const write = promisify(writeWithCallback);
/** Batches copied ahead of each stream where nothing else is asked for. */
export const COPIED_SLOTS = 3;

/** The room of one stream in the memory of the other process. A batch has a slot from `put` to `release`. */
export interface StreamSlots {
  readonly count: number;
  /** Resolves when there is room for one more batch. */
  vacancy(): Promise<void>;
  /** Brings a batch, leased until now, to its slot. */
  put(ticket: BatchTicket): Promise<number>;
  /** Returns false if no batch is there. */
  release(slot: number): boolean;
}

/** Slots of all streams, and the bytes that they take. */
export interface Slots {
  bytes: number;
  streams: StreamSlots[];
}

/** Counts free places, and lets the one who fills them wait for one. */
class Vacancies {
  #free: number;
  #waiter: (() => void) | null = null;

  constructor(count: number) {
    this.#free = count;
  }

  async take(): Promise<void> {
    if (this.#free === 0) await new Promise<void>((resolve) => (this.#waiter = resolve));
    this.#free--;
  }

  give(): void {
    this.#free++;
    this.#waiter?.();
    this.#waiter = null;
  }
}

/** The slots are the entries of the rings: batches lie where the other process sees them. */
export function mappedSlots(loader: PatchLoader): Slots {
  const { buffer, layout } = loader.shared();
  const streams = layout.rings.map((count, number): StreamSlots => {
    const ring = new Ring(buffer, layout, number);
    const vacancies = new Vacancies(count);
    const held = new Map<number, number>();
    return {
      count,
      vacancy: () => vacancies.take(),
      put: async ({ entry, index }) => {
        held.set(entry, index);
        return entry;
      },
      release: (slot) => {
        const index = held.get(slot);
        if (index === undefined) return false;
        held.delete(slot);
        ring.release(slot, index);
        vacancies.give();
        return true;
      },
    };
  });
  return { bytes: ringBytes(layout), streams };
}

/** The slots are in a file, one behind the other: batches are written there, and their entries of the ring are free again. */
export function copiedSlots(loader: PatchLoader, fd: number, counts: readonly number[]): Slots {
  const { buffer, layout } = loader.shared();
  let first = 0;
  const streams = counts.map((count, number): StreamSlots => {
    const ring = new Ring(buffer, layout, number);
    const vacancies = new Vacancies(count);
    const free = Array.from({ length: count }, (_, i) => first + i);
    const held = new Set<number>();
    first += count;
    return {
      count,
      vacancy: () => vacancies.take(),
      put: async ({ entry, index, configuration }) => {
        const slot = free.shift() as number;
        const { entryBytes } = layout.configurations[configuration];
        const bytes = new Uint8Array(buffer, layout.ringOffset + entry * layout.entryBytes, entryBytes);
        // A batch is contiguous: one write, unless the system takes less than it was given.
        for (let done = 0; done < entryBytes; )
          done += (await write(fd, bytes, done, entryBytes - done, slot * layout.entryBytes + done)).bytesWritten;
        ring.release(entry, index);
        held.add(slot);
        return slot;
      },
      release: (slot) => {
        if (!held.delete(slot)) return false;
        free.push(slot);
        vacancies.give();
        return true;
      },
    };
  });
  const bytes = first * layout.entryBytes;
  ftruncateSync(fd, bytes);
  return { bytes, streams };
}
