import { unpack } from '../common/errors.ts';
import { keepReplacedStripper } from '../common/replaced-code.ts';
import { workerFile } from '../common/worker-file.ts';
import { WorkerThread } from '../scheduling/worker-thread.ts';
import type { Packet } from './packet.ts';
import type { ViewAnswer, ViewTask } from './task.ts';

/** A thread that makes what the page asks for, so that the loader's own thread goes on. Started when it is needed; a dead one is replaced. */
export class ViewThread implements AsyncDisposable {
  readonly #dir: string;
  #running: WorkerThread<ViewTask> | null = null;

  /** @param dir of the store */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** @throws what the task fails with, or the thread dies of */
  async packet(task: ViewTask): Promise<Packet> {
    return (await this.#do(task)) as Packet;
  }

  /** @throws what the task fails with, or the thread dies of */
  async bytes(task: ViewTask): Promise<Uint8Array> {
    return (await this.#do(task)) as Uint8Array;
  }

  async #do(task: ViewTask): Promise<Packet | Uint8Array> {
    const answer = await this.#thread().run<ViewAnswer>(task);
    if ('error' in answer) throw unpack(answer.error);
    return answer.result;
  }

  #thread(): WorkerThread<ViewTask> {
    if (this.#running) return this.#running;
    keepReplacedStripper();
    const thread = new WorkerThread<ViewTask>(workerFile('view-worker'), { dir: this.#dir }, 1, () => {
      this.#running = null;
    });
    this.#running = thread;
    return thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.end(new Error('the page is closed'));
  }
}
