import { runs } from '../common/processes.ts';
import { PROGRESS } from '../common/progress.ts';
import { CASES, casesHeadBytes, ENTRY, HEADER, type Layout, RESIDENT, SLOT, TASK } from './layout.ts';
import { TARGET_BYTES, type TargetArray, targetArray } from './target-array.ts';

/** The life of one batch of the ring. Only the scheduler leaves FREE; whoever holds the lease, in any thread, returns to it. */
export const ENTRY_STATE = { free: 0, filling: 1, leased: 2 } as const;

/** One word holds state and batch, so that giving a batch back is one atomic step and can never hit a later lease. */
const STATE_BITS = 2;
const word = (state: number, batch: number): number => (batch << STATE_BITS) | state;
const stateOf = (value: number): number => value & ((1 << STATE_BITS) - 1);

/** The life of one sample of a batch: what a worker died over is the one that was being written. */
export const SLOT_STATE = { planned: 0, writing: 1, written: 2 } as const;

/** The life of a case that has a place in memory. Between the two, the id of the process that loads it. */
export const RESIDENT_STATE = { absent: 0, ready: -1 } as const;

/**
 * The batches of one stream in shared memory and their states. Any thread can build one on the same buffer; all coordination is
 * in the header words, so giving a batch back takes two atomic operations and no message. Entries are counted through all rings.
 */
export class Ring {
  readonly layout: Layout;
  readonly buffer: SharedArrayBuffer;
  /** How many batches it holds. */
  readonly size: number;
  readonly #words: Int32Array;
  /** Of the resident cases: maybe of several processes. */
  readonly #cases: Int32Array;
  /** Its first entry, and the word of its releases. */
  readonly #first: number;
  readonly #releases: number;

  constructor(buffer: SharedArrayBuffer, layout: Layout, stream = 0) {
    this.buffer = buffer;
    this.layout = layout;
    this.size = layout.rings[stream];
    this.#first = layout.rings.slice(0, stream).reduce((sum, entries) => sum + entries, 0);
    this.#releases = HEADER.releases + stream;
    this.#words = new Int32Array(buffer, layout.headerOffset, (layout.scratchOffset - layout.headerOffset) / 4);
    this.#cases = new Int32Array(buffer, layout.casesOffset, casesHeadBytes(layout.residentBytes.length) / 4);
  }

  #entryWord(entry: number): number {
    return HEADER.words + entry * (ENTRY.words + this.layout.slots * SLOT.words);
  }

  #slotWord(entry: number, slot: number): number {
    return this.#entryWord(entry) + ENTRY.words + slot * SLOT.words;
  }

  #residentWord(caseNumber: number): number {
    return CASES.words + caseNumber * RESIDENT.words + RESIDENT.state;
  }

  #taskWord(scratch: number): number {
    return this.#entryWord(this.layout.entries) + scratch * TASK.words;
  }

  // --- scheduler ---

  /** Cases that a worker died over while loading can be loaded by another. One that is still at it writes the same bytes. */
  forgetLoading(): void {
    for (let caseNumber = 0; caseNumber < this.layout.residentOffsets.length; caseNumber++) {
      Atomics.compareExchange(this.#cases, this.#residentWord(caseNumber), process.pid, RESIDENT_STATE.absent);
    }
  }

  /** Takes a free batch and clears its slots; null if there is none. Only one thread, the scheduler, may call it. */
  tryAcquire(): number | null {
    for (let entry = this.#first; entry < this.#first + this.size; entry++) {
      const at = this.#entryWord(entry) + ENTRY.lease;
      const seen = Atomics.load(this.#words, at);
      if (stateOf(seen) !== ENTRY_STATE.free) continue;
      Atomics.store(this.#words, at, word(ENTRY_STATE.filling, 0));
      for (let slot = 0; slot < this.layout.slots; slot++) this.setSlotState(entry, slot, SLOT_STATE.planned);
      return entry;
    }
    return null;
  }

  /** Waits for a free batch without blocking the thread. It never times out; `wake` ends it early. */
  async acquire(stopped: () => boolean): Promise<number | null> {
    while (!stopped()) {
      // Read before looking: a batch given back in between changes the word, and the wait returns at once.
      const seen = Atomics.load(this.#words, this.#releases);
      const entry = this.tryAcquire();
      if (entry !== null) return entry;
      const wait = Atomics.waitAsync(this.#words, this.#releases, seen);
      if (wait.async) await wait.value;
    }
    return null;
  }

  /** Lets a waiting `acquire` look again. */
  wake(): void {
    Atomics.add(this.#words, this.#releases, 1);
    Atomics.notify(this.#words, this.#releases);
  }

  /** A filled batch goes to its consumer. */
  lease(entry: number, batch: number): void {
    Atomics.store(this.#words, this.#entryWord(entry) + ENTRY.lease, word(ENTRY_STATE.leased, batch));
  }

  // --- consumer ---

  /** Gives a batch back, from any thread. Returns false, and does nothing, if the entry holds another batch by now. */
  release(entry: number, batch: number): boolean {
    const leased = word(ENTRY_STATE.leased, batch);
    if (Atomics.compareExchange(this.#words, this.#entryWord(entry) + ENTRY.lease, leased, ENTRY_STATE.free) !== leased) return false;
    this.wake();
    return true;
  }

  /** Batches that nobody fills or holds. */
  freeEntries(): number {
    return this.#count(ENTRY_STATE.free);
  }

  /** Batches that somebody holds. */
  heldEntries(): number {
    return this.#count(ENTRY_STATE.leased);
  }

  #count(state: number): number {
    let count = 0;
    for (let entry = this.#first; entry < this.#first + this.size; entry++) {
      if (stateOf(Atomics.load(this.#words, this.#entryWord(entry) + ENTRY.lease)) === state) count++;
    }
    return count;
  }

  /** Images of a batch of a configuration, [B, C, z, y, x] laid end to end. */
  data(entry: number, configuration: number): Float32Array<SharedArrayBuffer> {
    const { batchSize, sampleDataBytes } = this.layout.configurations[configuration];
    return new Float32Array(this.buffer, this.dataPointer(entry, configuration, 0), (batchSize * sampleDataBytes) / 4);
  }

  /** One of the targets of a batch, [B, channels, z, y, x] laid end to end. */
  target(entry: number, configuration: number, target: number): TargetArray<SharedArrayBuffer> {
    const { batchSize, sampleTargetBytes, targetType } = this.layout.configurations[configuration];
    const length = (batchSize * sampleTargetBytes[target]) / TARGET_BYTES[targetType];
    return targetArray(targetType, this.buffer, this.targetPointer(entry, configuration, 0, target), length);
  }

  // --- worker ---

  dataPointer(entry: number, configuration: number, slot: number): number {
    return this.#entryPointer(entry) + slot * this.layout.configurations[configuration].sampleDataBytes;
  }

  targetPointer(entry: number, configuration: number, slot: number, target: number): number {
    const { targetOffsets, sampleTargetBytes } = this.layout.configurations[configuration];
    return this.#entryPointer(entry) + targetOffsets[target] + slot * sampleTargetBytes[target];
  }

  #entryPointer(entry: number): number {
    return this.layout.ringOffset + entry * this.layout.entryBytes;
  }

  scratchPointer(scratch: number): number {
    return this.layout.scratchOffset + scratch * this.layout.scratchBytes;
  }

  /** What the thread with that scratch region is at, see `PROGRESS`. */
  progress(scratch: number): Int32Array {
    const at = this.#taskWord(scratch) + TASK.progress;
    return this.#words.subarray(at, at + PROGRESS.words);
  }

  setSlotState(entry: number, slot: number, state: number): void {
    Atomics.store(this.#words, this.#slotWord(entry, slot) + SLOT.state, state);
  }

  slotState(entry: number, slot: number): number {
    return Atomics.load(this.#words, this.#slotWord(entry, slot) + SLOT.state);
  }

  isResident(caseNumber: number): boolean {
    return Atomics.load(this.#cases, this.#residentWord(caseNumber)) === RESIDENT_STATE.ready;
  }

  /** Returns whether it is the caller who is to load the case: nobody did, or a process that is gone. */
  beginLoading(caseNumber: number): boolean {
    const at = this.#residentWord(caseNumber);
    const seen = Atomics.load(this.#cases, at);
    if (seen !== RESIDENT_STATE.absent && (seen === RESIDENT_STATE.ready || seen === process.pid || runs(seen))) return false;
    return Atomics.compareExchange(this.#cases, at, seen, process.pid) === seen;
  }

  endLoading(caseNumber: number, loaded: boolean): void {
    Atomics.store(this.#cases, this.#residentWord(caseNumber), loaded ? RESIDENT_STATE.ready : RESIDENT_STATE.absent);
  }

  setForeground(entry: number, slot: number, found: boolean): void {
    Atomics.store(this.#words, this.#slotWord(entry, slot) + SLOT.foreground, found ? 1 : 0);
  }

  setSeen(entry: number, slot: number, classes: number): void {
    Atomics.store(this.#words, this.#slotWord(entry, slot) + SLOT.seen, classes);
  }

  seen(entry: number, slot: number): number {
    return Atomics.load(this.#words, this.#slotWord(entry, slot) + SLOT.seen);
  }

  hasForeground(entry: number, slot: number): boolean {
    return Atomics.load(this.#words, this.#slotWord(entry, slot) + SLOT.foreground) === 1;
  }
}
