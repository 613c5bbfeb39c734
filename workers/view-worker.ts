import { workerData } from 'node:worker_threads';
import { pack } from '../src/common/errors.ts';
import type { ViewAnswer, ViewTask } from '../src/view/task.ts';
import { ViewWork } from '../src/view/work.ts';

const { dir } = workerData as { dir: string };
let work: Promise<ViewWork> | undefined;

/** One thing for the page. Errors travel as data: a thrown error would lose its fields on the way. */
export default async function run(task: ViewTask): Promise<ViewAnswer> {
  try {
    return { result: await (await opened()).do(task) };
  } catch (error) {
    return { error: pack(error) };
  }
}

/** Opened once. A failure is not kept: the store may be there, or be whole, the next time. */
function opened(): Promise<ViewWork> {
  work ??= ViewWork.open(dir).catch((error: unknown) => {
    work = undefined;
    throw error;
  });
  return work;
}
