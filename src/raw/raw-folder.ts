import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FileError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';

const PARTS = ['imagesTr', 'labelsTr'];

/**
 * Refuses a folder that holds a raw data set, whosever it is, or is a part of one: what is written there would take the place of its files.
 * @throws FileError
 */
export async function refuseRawFolder(dir: string): Promise<void> {
  const here = resolve(dir);
  const signs = PARTS.includes(basename(here)) ? [join(dirname(here), 'dataset.json')] : PARTS.map((part) => join(here, part));
  for (const sign of signs)
    if ((await ifThere(sign, stat(sign))) !== null)
      throw new FileError(dir, `it belongs to a raw data set (there is ${sign})`, 'Choose another folder for what is made');
}
