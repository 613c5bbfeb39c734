import { homedir } from 'node:os';
import { join } from 'node:path';

/** A folder of the user's for what can be made again. */
export function userCache(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'voxfeed');
}
