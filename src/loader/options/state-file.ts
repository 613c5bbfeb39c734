import * as v from 'valibot';
import { OptionError, StateError } from '../../common/errors.ts';
import { readJson } from '../../common/json-file.ts';
import type { LoaderState } from './state.ts';
import { checkFields } from './state-fields.ts';

const ACTION = 'Give a file with what `loader.state()` returned, as JSON';

/** The state in a file. @throws StateError naming the file and the place within it, FileError */
export async function readStateFile(path: string): Promise<LoaderState> {
  const state = await readJson(path, v.unknown(), { Failure: StateError, action: ACTION });
  try {
    checkFields(state);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    const within = error.where.replace(/^state\.?/, '');
    throw new StateError(path, within === '' ? error.what : `${within}: ${error.what}`, ACTION, { cause: error });
  }
  return state as LoaderState;
}
