import { pack } from '../src/common/errors.ts';
import { fingerprintCase } from '../src/planning/fingerprint.ts';
import type { CaseAnswer, CaseTask } from '../src/preprocessing/case-task.ts';
import { findFaults } from '../src/preprocessing/find-faults.ts';
import { writeFingerprint } from '../src/preprocessing/fingerprint-cache.ts';
import { forgetCase, readAndKeep } from '../src/preprocessing/kept-cases.ts';
import { preprocessCase } from '../src/preprocessing/preprocess-case.ts';
import { preprocessNnunetCase } from '../src/preprocessing/preprocess-nnunet-case.ts';
import { coverRaw } from '../src/preprocessing/raw-coverage.ts';
import { statSources } from '../src/preprocessing/sources.ts';
import type { NotedReading } from '../src/raw/readers.ts';

/** One case a call. Errors travel as data: a thrown error would lose its fields on the way. */
export default async function run(task: CaseTask): Promise<CaseAnswer<unknown>> {
  const reading: NotedReading = { ...task.reading, notes: [] };
  const { notes } = reading;
  try {
    return { result: await work(task, reading), notes };
  } catch (error) {
    return { error: pack(error), notes };
  }
}

async function work(task: CaseTask, reading: NotedReading): Promise<unknown> {
  switch (task.kind) {
    case 'fingerprint': {
      const sources = await statSources(task.raw);
      const cropped = await readAndKeep(task.keeping, task.raw, task.labels, reading);
      const fingerprint = fingerprintCase(cropped, task.samples);
      if (task.cacheDir !== null) {
        const { cacheDir, raw, settings } = task;
        await writeFingerprint(cacheDir, raw, { settings, sources, fingerprint, notes: reading.notes });
      }
      return fingerprint;
    }
    case 'check':
      return findFaults(task.raw, task.labels, reading);
    case 'coverage':
      return coverRaw(task.raw, task.labels, task.cropBox, task.grids, reading);
    case 'write': {
      const entry = await preprocessCase(task.raw, task, reading);
      if (task.keeping) await forgetCase(task.keeping, task.raw);
      return entry;
    }
    case 'write-nnunet':
      return preprocessNnunetCase(task.raw, task, reading);
  }
}
