import { getEnvironmentData, setEnvironmentData, type Worker } from 'node:worker_threads';

/**
 * Node ends the whole process where a thread is ended between the making of a zlib stream and its start (`close before init`). Each of
 * our threads therefore has a lock of one number: the thread holds it for as long as it is inside zlib, and whoever ends the thread
 * takes it before, for good.
 */
type EndLock = Int32Array<SharedArrayBuffer>;

const FREE = 0;
/** The thread is at something that its end must not come into. */
const HELD = 1;
/** It is, and somebody waits for it. */
const WANTED = 2;
/** The thread may begin nothing of the kind any more: it is about to be ended. */
const TAKEN = 3;

const KEY = 'voxfeed: the lock of a thread';
/** How long whoever ends a thread waits for it. Nothing takes as long, but inflating gigabytes. */
const PATIENCE_MS = 2000;

/** This thread's own; null: nobody of us ends it. Threads that it starts would inherit it. */
const own = (getEnvironmentData(KEY) as EndLock | undefined) ?? null;
if (own !== null) setEnvironmentData(KEY, undefined);

/** Of threads that run. */
const locks = new Map<Worker, EndLock>();

/** Makes a thread that has a lock, by whatever means. */
export function makeLocked<T>(make: () => T, threadOf: (made: T) => Worker): T {
  const lock = new Int32Array(new SharedArrayBuffer(4));
  setEnvironmentData(KEY, lock);
  try {
    const made = make();
    const thread = threadOf(made);
    if (locks.size === 0) process.on('exit', takeAll);
    locks.set(thread, lock);
    thread.once('exit', () => {
      locks.delete(thread);
      if (locks.size === 0) process.off('exit', takeAll);
    });
    return made;
  } finally {
    setEnvironmentData(KEY, undefined);
  }
}

/** Does something that the end of this thread must not come into. */
export function undisturbed<T>(work: () => T): T {
  if (own === null) return work();
  if (Atomics.compareExchange(own, 0, FREE, HELD) !== FREE) sleep(own);
  try {
    return work();
  } finally {
    if (Atomics.compareExchange(own, 0, HELD, FREE) !== HELD) {
      Atomics.store(own, 0, TAKEN);
      Atomics.notify(own, 0);
      sleep(own);
    }
  }
}

/** Resolves when the thread can be ended, which has to follow: it may sleep until then. */
export async function beforeEnd(thread: Worker): Promise<void> {
  const lock = locks.get(thread);
  if (lock !== undefined && !isTaken(lock)) await Atomics.waitAsync(lock, 0, WANTED, PATIENCE_MS).value;
}

/** The process ends its threads when it ends. */
function takeAll(): void {
  const end = performance.now() + PATIENCE_MS;
  for (const lock of locks.values()) if (!isTaken(lock)) Atomics.wait(lock, 0, WANTED, Math.max(0, end - performance.now()));
}

/** Takes the lock if it is free; if not, the thread will hand it over. */
function isTaken(lock: EndLock): boolean {
  for (;;) {
    const state = Atomics.load(lock, 0);
    if (state === TAKEN || state === WANTED) return state === TAKEN;
    const next = state === FREE ? TAKEN : WANTED;
    if (Atomics.compareExchange(lock, 0, state, next) === state) return next === TAKEN;
  }
}

/** Until the end comes. */
function sleep(lock: EndLock): never {
  for (;;) Atomics.wait(lock, 0, TAKEN);
}
