import { pack } from '../src/common/errors.ts';
import { fingerprintCase } from '../src/planning/fingerprint.ts';
import type { CaseAnswer, CaseTask } from '../src/preprocessing/case-task.ts';
import { findFaults } from '../src/preprocessing/find-faults.ts';
import { writeFingerprint } from '../src/preprocessing/fingerprint-cache.ts';
import { preprocessCase } from '../src/preprocessing/preprocess-case.ts';
import { preprocessNnunetCase } from '../src/preprocessing/preprocess-nnunet-case.ts';
import { coverRaw } from '../src/preprocessing/raw-coverage.ts';
import { statSources } from '../src/preprocessing/sources.ts';
import { readCase } from '../src/raw/read-case.ts';

/** One case a call. Errors travel as data: a thrown error would lose its fields on the way. */
export default async function run(task: CaseTask): Promise<CaseAnswer<unknown>> {
  try {
    return { result: await work(task) };
  } catch (error) {
    return { error: pack(error) };
  }
}

async function work(task: CaseTask): Promise<unknown> {
  switch (task.kind) {
    case 'fingerprint': {
      const sources = await statSources(task.raw);
      const fingerprint = fingerprintCase(await readCase(task.raw, task.labels), task.samples);
      if (task.cacheDir !== null) await writeFingerprint(task.cacheDir, task.raw, task.settings, sources, fingerprint);
      return fingerprint;
    }
    case 'check':
      return findFaults(task.raw, task.labels);
    case 'coverage':
      return coverRaw(task.raw, task.labels, task.cropBox, task.grids);
    case 'write':
      return preprocessCase(task.raw, task.options, task.optionsHash, task.patches, task.outDir);
    case 'write-nnunet':
      return preprocessNnunetCase(task.raw, task.options, task.optionsHash, task.dir);
  }
}
