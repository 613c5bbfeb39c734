import { workerData } from 'node:worker_threads';
import { pack } from '../src/common/errors.ts';
import type { ViewAnswer, ViewTask } from '../src/view/task.ts';
import { ViewWork } from '../src/view/work.ts';

const { dir } = workerData as { dir: string };
let work: Promise<ViewWork> | undefined;

/** One thing for the page. Errors travel as data: a thrown error would lose its fields on the way. */
export default async function run(task: ViewTask): Promise<ViewAnswer> {
  try {
    work ??= ViewWork.open(dir);
    return { result: await (await work).do(task) };
  } catch (error) {
    return { error: pack(error) };
  }
}
