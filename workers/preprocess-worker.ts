import { pack } from '../src/errors.ts';
import { fingerprintCase } from '../src/planning/fingerprint.ts';
import type { PreprocessAnswer, PreprocessTask } from '../src/preprocessing/preprocess.ts';
import { preprocessCase } from '../src/preprocessing/preprocess-case.ts';
import { readCase } from '../src/preprocessing/read-case.ts';

/** One case a call. Errors travel as data: a thrown error would lose its fields on the way. */
export default async function run(task: PreprocessTask): Promise<PreprocessAnswer<unknown>> {
  try {
    if (task.kind === 'fingerprint') return { result: fingerprintCase(await readCase(task.raw, task.labels), task.samples, task.wanted) };
    return { result: await preprocessCase(task.raw, task.options, task.optionsHash, task.outDir) };
  } catch (error) {
    return { error: pack(error) };
  }
}
