import * as v from 'valibot';
import { OptionError, StateError } from '../../common/errors.ts';
import { readJson } from '../../common/json-file.ts';
import type { LoaderState } from './state.ts';
import { checkFields } from './state-fields.ts';

/** The state in a file. @throws StateError naming the file and the place within it, FileError */
export async function readStateFile(path: string): Promise<LoaderState> {
  const action = 'Give a file with what `loader.state()` returned, as JSON';
  const state = await readJson(path, v.unknown(), { Failure: StateError, action });
  try {
    checkFields(state);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    const place = error.where.replace(/^state\.?/, '');
    throw new StateError(path, place === '' ? error.what : `"${place}": ${error.what}`, action);
  }
  return state as LoaderState;
}
