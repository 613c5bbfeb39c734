import * as v from 'valibot';
import { completeSteps } from '../../augmentation/steps.ts';
import type { Step } from '../../augmentation/transform.ts';
import { OptionError } from '../../common/errors.ts';
import { readNumber } from '../../common/flag-readers.ts';
import { readJson } from '../../common/json-file.ts';
import { list } from '../../common/schemas.ts';

/** "3d_fullres:3,2d" as `configs` has it. */
export function readConfigs(text: string): unknown {
  const entries = text.split(',').map((entry) => {
    const [config, weight = '1', ...rest] = entry.trim().split(':');
    return config === '' || rest.length > 0 || !/^\d+$/.test(weight) ? null : { config, weight: readNumber(weight) };
  });
  return entries.includes(null) ? text : entries;
}

/** A preset's name, or the steps that a file lists. @throws OptionError naming the file and the place within it, FileError */
export async function readAugmentation(text: string): Promise<unknown> {
  if (!text.endsWith('.json')) return text;
  const steps = await readJson(text, list(v.unknown()), { Failure: OptionError, action: 'Give a file with a list of steps' });
  try {
    completeSteps(steps as readonly Step[]);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(text, `${error.where.replace(/^augmentation/, '')}: ${error.what}`, error.action, { cause: error });
  }
  return steps;
}
