import { readFile } from 'node:fs/promises';
import type * as v from 'valibot';
import { fileError, type VoxfeedError } from './errors.ts';
import { faultOf } from './options.ts';

/** How a file that cannot be used is refused. */
export interface Refusal {
  Failure: new (where: string, what: string, action: string, options?: ErrorOptions) => VoxfeedError;
  action: string;
}

/** @throws what `parseJson` does, FileError */
export async function readJson<S extends v.GenericSchema>(path: string, schema: S, refusal: Refusal): Promise<v.InferOutput<S>> {
  try {
    return parseJson(path, await readFile(path, 'utf8'), schema, refusal);
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * The contents of a JSON file, as they stand there: what the schema does not name is kept.
 * @throws Failure naming the file, the place within it and what is wrong there
 */
export function parseJson<S extends v.GenericSchema>(path: string, text: string, schema: S, refusal: Refusal): v.InferOutput<S> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new refusal.Failure(path, `it is not JSON (${(error as Error).message.replace(/\s+/g, ' ')})`, refusal.action, { cause: error });
  }
  checkContents(path, json, schema, refusal);
  return json as v.InferOutput<S>;
}

/** @param at where in the file the contents stand. @throws Failure as `parseJson` does */
export function checkContents(path: string, contents: unknown, schema: v.GenericSchema, { Failure, action }: Refusal, at = ''): void {
  const fault = faultOf(schema, contents);
  if (fault === null) return;
  const within = (at + fault.within).replace(/^\./, '');
  throw new Failure(path, within === '' ? fault.what : `${within}: ${fault.what}`, action);
}
