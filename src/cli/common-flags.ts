import { readNumber } from '../common/flag-readers.ts';
import type { OptionTable } from '../common/options.ts';
import { flag, text, wholeNumber } from '../common/schemas.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import type { MetricsServer } from '../measuring/prometheus.ts';
import { openStore } from '../store/store.ts';
import type { TableCommand } from './command.ts';

/** What programs read. */
export const JSON_FLAG = {
  json: { schema: flag(), default: false, flag: '--json', help: 'print the report as JSON, and nothing else, on standard output' },
} as const satisfies OptionTable;

/** Of commands that run long. */
export const METRICS_FLAG = {
  metricsPort: {
    schema: wholeNumber(0, 65535),
    flag: '--metrics-port N',
    read: readNumber,
    otherwise: 'none',
    help: 'serve metrics as Prometheus text on http://127.0.0.1:N/metrics; 0 takes any free port',
  },
} as const satisfies OptionTable;

/** Serves metrics where that is asked for, and says where on standard error. @throws UsageError, OptionError */
export async function metricsServer(command: TableCommand): Promise<MetricsServer | null> {
  const { metricsPort } = await command.checked(METRICS_FLAG);
  if (metricsPort === undefined) return null;
  // Only who asks for it loads it.
  const { serveMetrics } = await import('../measuring/prometheus.ts');
  const server = await serveMetrics(metricsPort);
  process.stderr.write(`metrics: ${server.url}\n`);
  return server;
}

/** Where something is written. */
export function outFlag<const D extends string>(otherwise: D, help: string) {
  return { out: { schema: text('a path'), default: otherwise, flag: '--out DIR', help } } as const satisfies OptionTable;
}

/** The options of a loader that the command line gives, for the store that it names. @throws UsageError, StoreError */
export async function loaderOptions(command: TableCommand, storeDir: string): Promise<LoaderOptions> {
  const given = await command.given(LOADER_OPTIONS);
  return { store: await openStore(storeDir), ...given };
}
