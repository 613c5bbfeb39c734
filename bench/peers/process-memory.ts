import { readdirSync, readFileSync } from 'node:fs';

/** A process and all that come from it. One that ends meanwhile is left out. */
function processTree(pid: number): number[] {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return [pid, ...children.flatMap(processTree)];
  } catch {
    return [];
  }
}

/** Memory that processes share counts once: what each has alone, and its part of what it shares (Pss). Linux only; elsewhere 0. */
function treeMib(pid: number): number {
  return processTree(pid).reduce((sum, one) => {
    try {
      const [, kib = '0'] = /^Pss: +(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8')) ?? [];
      return sum + Number(kib) / 1024;
    } catch {
      return sum;
    }
  }, 0);
}

const EVERY_MS = 500;

/** Watches a process and its children from now on. `peakMib` is the most that was seen. */
export function watchMemory(pid: number): { peakMib: number; stop: () => void } {
  const watched = { peakMib: 0, stop: () => clearInterval(timer) };
  const timer = setInterval(() => {
    watched.peakMib = Math.max(watched.peakMib, treeMib(pid));
  }, EVERY_MS);
  return watched;
}
