import { readFile } from 'node:fs/promises';
import { fileError, OptionError } from '../../common/errors.ts';
import { readNumber } from '../../common/flag-readers.ts';

/** "3d_fullres:3,2d" as `configs` has it. */
export function readConfigs(text: string): unknown {
  const entries = text.split(',').map((entry) => {
    const [config, weight = '1', ...rest] = entry.trim().split(':');
    return config === '' || rest.length > 0 || !/^\d+$/.test(weight) ? null : { config, weight: readNumber(weight) };
  });
  return entries.includes(null) ? text : entries;
}

/** A preset's name, or the steps that a file lists. @throws FileError, OptionError */
export async function readAugmentation(text: string): Promise<unknown> {
  if (!text.endsWith('.json')) return text;
  try {
    return JSON.parse(await readFile(text, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new OptionError('augmentation', `${text} is not JSON (${error.message})`, 'Correct the file');
    throw fileError(text, error);
  }
}
