import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readNumber } from '../common/flag-readers.ts';
import type { OptionTable } from '../common/options.ts';
import { flag, wholeNumber } from '../common/schemas.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { openView } from '../view/view.ts';
import { TableCommand } from './command.ts';
import { loaderOptions } from './common-flags.ts';

const VIEW_OPTIONS = {
  port: {
    schema: wholeNumber(1, 65535),
    otherwise: 'any that is free',
    flag: '--port N',
    read: readNumber,
    help: 'the port on 127.0.0.1',
  },
  open: { schema: flag(), default: true, flag: '--no-open', help: 'print the address, and start no browser' },
} as const satisfies OptionTable;

/** Of a stream that is to be looked at, as it would be trained on. */
const STREAM_OPTIONS = {
  ...LOADER_OPTIONS,
  augmentation: { ...LOADER_OPTIONS.augmentation, default: 'default' },
} as const satisfies OptionTable;

/** What opens an address in the browser that somebody chose. */
const OPENERS: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

export const view = (): TableCommand =>
  new TableCommand('view')
    .summary('show the stream in a browser')
    .description(
      'Shows the stream, its samples, the augmentation, the cases and the speed on a page in the browser, for this machine alone. It changes nothing. Ctrl-C ends it.',
    )
    .argument('<STORE_DIR>', 'a preprocessed data set')
    .flags(STREAM_OPTIONS)
    .flags(VIEW_OPTIONS)
    .action(async (storeDir: string, _values: unknown, command: TableCommand) => {
      const { port, open } = await command.checked(VIEW_OPTIONS);
      const options = { augmentation: STREAM_OPTIONS.augmentation.default, ...(await loaderOptions(command, storeDir)) };
      const page = await openView(options, port);
      process.stdout.write(`${page.address}\n`);
      if (open) openBrowser(page.address);
      await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
      await page.close();
    });

/** The address was printed: where no browser can be started, nothing is lost. */
function openBrowser(address: string): void {
  const [program, ...words] = OPENERS[process.platform] ?? ['xdg-open'];
  const browser = spawn(program, [...words, address], { stdio: 'ignore', detached: true });
  browser.on('error', () => {});
  browser.unref();
}
