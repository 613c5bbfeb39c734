import type { OptionTable } from '../common/options.ts';
import { flag, text } from '../common/schemas.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { openStore } from '../store/store.ts';
import type { TableCommand } from './command.ts';

/** What programs read. */
export const JSON_FLAG = {
  json: { schema: flag(), default: false, flag: '--json', help: 'print the report as JSON, and nothing else, on standard output' },
} as const satisfies OptionTable;

/** Where something is written. */
export function outFlag<const D extends string>(otherwise: D, help: string) {
  return { out: { schema: text('a path'), default: otherwise, flag: '--out DIR', help } } as const satisfies OptionTable;
}

/** The options of a loader that the command line gives, for the store that it names. @throws UsageError, StoreError */
export async function loaderOptions(command: TableCommand, storeDir: string): Promise<LoaderOptions> {
  const given = await command.given(LOADER_OPTIONS);
  return { store: await openStore(storeDir), ...given };
}
