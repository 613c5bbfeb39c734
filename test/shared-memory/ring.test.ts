import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { computeLayout } from '../../src/shared-memory/layout.ts';
import { Ring, SLOT_STATE } from '../../src/shared-memory/ring.ts';

function makeRing(entries = 2): Ring {
  const layout = computeLayout({
    rings: [entries],
    channels: 1,
    configurations: [
      { config: 'a', batchSize: 2, patchSize: [2, 2, 2], patch: [2, 2, 2], targets: [[2, 2, 2]], targetChannels: 1, targetType: 'int16' },
    ],
    scratches: 1,
    scratchBytes: 64,
    labelBytes: 1,
    residentBytes: [64, 64],
  });
  return new Ring(new SharedArrayBuffer(layout.totalBytes), layout);
}

const never = (): boolean => false;

describe('ring', () => {
  it('lends each batch once, until it comes back', () => {
    const ring = makeRing();
    expect([ring.tryAcquire(), ring.tryAcquire(), ring.tryAcquire()]).toEqual([0, 1, null]);
    ring.lease(0, 5);
    expect(ring.freeEntries()).toBe(0);
    expect(ring.release(0, 5)).toBe(true);
    expect(ring.tryAcquire()).toBe(0);
  });

  it('ignores a batch that is given back twice, or by somebody who no longer holds it', () => {
    const ring = makeRing(1);
    ring.tryAcquire();
    ring.lease(0, 1);
    expect(ring.release(0, 1)).toBe(true);
    expect(ring.release(0, 1)).toBe(false);
    ring.tryAcquire();
    expect(ring.release(0, 1)).toBe(false);
    ring.lease(0, 2);
    expect(ring.release(0, 1)).toBe(false);
    expect(ring.release(0, 2)).toBe(true);
  });

  it('clears the slots of a batch that is taken again', () => {
    const ring = makeRing(1);
    ring.tryAcquire();
    ring.setSlotState(0, 1, SLOT_STATE.written);
    ring.lease(0, 0);
    ring.release(0, 0);
    ring.tryAcquire();
    expect(ring.slotState(0, 1)).toBe(SLOT_STATE.planned);
  });

  it('wakes whoever waits, also when another thread gives the batch back', async () => {
    const ring = makeRing(1);
    ring.tryAcquire();
    ring.lease(0, 9);
    const waiting = ring.acquire(never);
    const module = new URL('../../src/shared-memory/ring.ts', import.meta.url).href;
    const code = `const { Ring } = await import(${JSON.stringify(module)}); const { workerData } = await import('node:worker_threads'); new Ring(workerData.buffer, workerData.layout).release(0, 9);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { buffer: ring.buffer, layout: ring.layout },
    });
    expect(await waiting).toBe(0);
    await worker.terminate();
  });

  it('stops waiting when it is told to', async () => {
    const ring = makeRing(1);
    ring.tryAcquire();
    let stopped = false;
    const waiting = ring.acquire(() => stopped);
    stopped = true;
    ring.wake();
    expect(await waiting).toBeNull();
  });
});
