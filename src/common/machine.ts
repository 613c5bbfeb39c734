import { readdirSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { machineMemory } from './bytes.ts';
import { availableCores } from './granted.ts';

/** What there is to run on, and what of it nobody uses. */
export interface Machine {
  /** How many threads of this process can run at once: of the machine, of affinity and of quotas the least. */
  cores: number;
  /** What this process may use; in a container less than `totalBytes`. */
  memoryBytes: number;
  totalBytes: number;
  /** A clock, in milliseconds: it runs as fast as so many cores are idle, whoever uses the others. */
  idleMs(): number;
  /** Milliseconds in which worker threads of this process stood in line for a core, so far; null where the system does not tell. */
  queuedMs(): number | null;
}

const THREADS = '/proc/self/task';
/** What Node calls them. */
const WORKER_THREAD = 'WorkerThread';

export function thisMachine(): Machine {
  return { cores: availableCores(), memoryBytes: machineMemory(), totalBytes: totalmem(), idleMs, queuedMs };
}

function idleMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}

/** Of Linux: the second number of a thread's `schedstat`, in nanoseconds. */
function queuedMs(): number | null {
  try {
    const queued = readdirSync(THREADS).map((thread) => {
      const file = (name: string): string => read(join(THREADS, thread, name));
      return file('comm').startsWith(WORKER_THREAD) ? Number(file('schedstat').split(' ')[1]) : 0;
    });
    const sum = queued.reduce((total, ns) => total + ns, 0) / 1e6;
    return Number.isFinite(sum) ? sum : null;
  } catch {
    return null;
  }
}

/** Nothing, of a thread that has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** What cores did between two looks. */
export class CoreWatch {
  readonly #machine: Machine;
  #at = performance.now();
  #idleMs: number;
  #cpu = process.cpuUsage();

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#idleMs = machine.idleMs();
  }

  /** How many cores this process could have had besides those that it used, since the last look. */
  look(): number {
    const [at, idleMs, cpu] = [performance.now(), this.#machine.idleMs(), process.cpuUsage()];
    const passed = Math.max(1, at - this.#at);
    const used = (cpu.user + cpu.system - this.#cpu.user - this.#cpu.system) / 1000 / passed;
    const idle = (idleMs - this.#idleMs) / passed;
    [this.#at, this.#idleMs, this.#cpu] = [at, idleMs, cpu];
    // Where a quota holds, cores that idle may be others'.
    return Math.max(0, Math.min(idle, this.#machine.cores - used));
  }
}
