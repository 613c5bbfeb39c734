import type { Progress } from '../preprocessing/run-options.ts';

const PHASES: Record<Progress['phase'], string> = {
  verify: 'checking cases',
  fingerprint: 'reading cases',
  coverage: 'measuring labels',
  preprocess: 'writing cases',
};

export function showProgress(line: ProgressLine, { phase, done, total, kept }: Progress): void {
  line.show(PHASES[phase], done, total, kept);
}

/** Shows how far a job is, on standard error: one line that changes on a terminal, a plain line now and then elsewhere. */
export class ProgressLine {
  readonly #terminal = process.stderr.isTTY === true;
  #started = performance.now();
  #shownAt = Number.NEGATIVE_INFINITY;
  #label = '';
  /** Its last line was shown: what is told again adds nothing. */
  #ended = false;

  /** @param kept how much of `done` was done before the job began; the time left is reckoned without it */
  show(label: string, done: number, total: number, kept = 0): void {
    const now = performance.now();
    const last = done === total;
    if (label !== this.#label) this.#started = now;
    // Often enough to look alive; in a log, only what somebody would read.
    const pause = this.#terminal ? 100 : 5000;
    if (label === this.#label && (last ? this.#ended : now - this.#shownAt < pause)) return;
    this.#ended = last;
    this.#label = label;
    this.#shownAt = now;
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    const seconds = (now - this.#started) / 1000;
    const left = !last && done > kept ? `, ${showSeconds((seconds / (done - kept)) * (total - done))} left` : '';
    const line = `${label} ${done}/${total} (${percent} %, ${seconds.toFixed(1)} s${left})`;
    if (!this.#terminal) process.stderr.write(`${line}\n`);
    else process.stderr.write(`\r\x1b[2K${line}${last ? '\n' : ''}`);
  }
}

function showSeconds(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
