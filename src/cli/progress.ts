/** Shows how far a job is, on standard error: one line that changes on a terminal, a plain line now and then elsewhere. */
export class ProgressLine {
  readonly #terminal = process.stderr.isTTY === true;
  readonly #started = performance.now();
  #shownAt = Number.NEGATIVE_INFINITY;
  #label = '';

  show(label: string, done: number, total: number): void {
    const now = performance.now();
    const last = done === total;
    // Often enough to look alive; in a log, only what somebody would read.
    const pause = this.#terminal ? 100 : 5000;
    if (label === this.#label && !last && now - this.#shownAt < pause) return;
    this.#label = label;
    this.#shownAt = now;
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    const line = `${label} ${done}/${total} (${percent} %, ${((now - this.#started) / 1000).toFixed(1)} s)`;
    if (!this.#terminal) process.stderr.write(`${line}\n`);
    else process.stderr.write(`\r\x1b[2K${line}${last ? '\n' : ''}`);
  }
}
