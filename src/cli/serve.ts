import { readNumber } from '../common/flag-readers.ts';
import type { OptionTable } from '../common/options.ts';
import { wholeNumber } from '../common/schemas.ts';
import { serve as serveLoader } from '../serve/serve.ts';
import { TableCommand, UsageError } from './command.ts';
import { METRICS_FLAG, metricsServer } from './common-flags.ts';

const descriptor = wholeNumber(0, 2 ** 31 - 1);

const SERVE_OPTIONS = {
  socket: {
    schema: descriptor,
    flag: '--socket FD',
    read: readNumber,
    help: 'descriptor of a connected stream socket, inherited: lines of JSON, both ways',
  },
  memory: {
    schema: descriptor,
    flag: '--memory FD',
    read: readNumber,
    help: 'descriptor of the file that batches go into, inherited: a memfd where the system has them',
  },
  parent: {
    schema: wholeNumber(1, 2 ** 31 - 1),
    flag: '--parent PID',
    read: readNumber,
    help: 'the process at the other end: this one ends with it',
  },
} as const satisfies OptionTable;

export const serve = (): TableCommand =>
  new TableCommand('serve')
    .summary('stream batches into the memory of another process')
    .description(
      'Streams batches into the memory of the process that started it, such as a Python that trains. For programs, not for people: docs/serve.md has the protocol.',
    )
    .flags(SERVE_OPTIONS)
    .flags(METRICS_FLAG)
    .action(async (_values: unknown, command: TableCommand) => {
      const { socket, memory, parent } = await command.checked(SERVE_OPTIONS);
      if (socket === undefined || memory === undefined || parent === undefined)
        throw new UsageError('--socket, --memory and --parent must be given');
      using _metrics = await metricsServer(command);
      await serveLoader({ socket, memory, parent });
      // Workers that did not end in time must not keep the process.
      process.exit(0);
    });
