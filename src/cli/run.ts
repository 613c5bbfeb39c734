import { Command, CommanderError } from 'commander';
import { shortOfAddresses, warnOfAddressLimit } from '../common/addresses.ts';
import { fileError, VoxfeedError } from '../common/errors.ts';
import { describeSystemError } from '../common/system-errors.ts';
import { version } from '../measuring/environment.ts';
import { type TableCommand, UsageError } from './command.ts';

/** In the order of the help. Each is loaded when it is asked for: with all of them, the first batch of a loader would come later. */
const COMMANDS: Record<string, () => Promise<TableCommand>> = {
  plan: async () => (await import('./plan.ts')).plan(),
  preprocess: async () => (await import('./preprocess.ts')).preprocess(),
  verify: async () => (await import('./verify.ts')).verify(),
  bench: async () => (await import('./bench.ts')).bench(),
  doctor: async () => (await import('./doctor.ts')).doctor(),
  view: async () => (await import('./view.ts')).view(),
  inspect: async () => (await import('./inspect.ts')).inspect(),
  replay: async () => (await import('./replay.ts')).replay(),
  train: async () => (await import('./train.ts')).train(),
  predict: async () => (await import('./predict.ts')).predict(),
  demo: async () => (await import('./demo.ts')).demo(),
  serve: async () => (await import('./serve.ts')).serve(),
};

/**
 * Runs one command line. Returns the exit status: 0 done, 1 it failed, 2 it was asked wrongly.
 * @param onCommand told which command it is, before it begins
 */
export async function run(words: readonly string[], onCommand: (command: TableCommand) => void = () => {}): Promise<number> {
  let running: TableCommand | null = null;
  const program = new Command('voxfeed')
    .description(`voxfeed ${version()}: the nnU-Net data path for Node`)
    .version(version(), '--version')
    .addHelpText('after', '\nvoxfeed COMMAND --help says more.')
    .hook('preSubcommand', (_, command) => {
      running = command as TableCommand;
      // While there still is a process: V8 may end it as soon as threads start.
      warnOfAddressLimit();
      onCommand(running);
    });
  const [first] = words;
  const load = Object.hasOwn(COMMANDS, first) ? [COMMANDS[first]] : Object.values(COMMANDS);
  for (const make of load) program.addCommand(await make());
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ outputError: () => {} });
    command.configureHelp({
      helpWidth: 120,
      subcommandTerm: (sub) => `voxfeed ${sub.name()} ${sub.usage()}`,
      styleTitle: (title) => title.toLowerCase(),
    });
  }
  try {
    await program.parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    return complain(error, program, running);
  }
}

/** Says what is wrong, and to whoever asked wrongly how to ask. Returns the exit status. */
function complain(error: unknown, program: Command, running: TableCommand | null): number {
  const say = (what: string): void => void process.stderr.write(`error: ${what}\n`);
  if (error instanceof CommanderError || error instanceof UsageError) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // Help that nobody asked for is an answer to a missing command.
    if (!(error instanceof CommanderError && error.code === 'commander.help')) {
      say(error.message.replace(/^error: /, ''));
      const command = running ?? program;
      process.stderr.write(
        `usage: ${command === program ? 'voxfeed' : `voxfeed ${command.name()}`} ${command.usage()}\nvoxfeed COMMAND --help says more.\n`,
      );
    }
    return 2;
  }
  const short = error instanceof VoxfeedError ? null : shortOfAddresses(error);
  if (short !== null) say(short.message);
  else if (error instanceof VoxfeedError && running !== null) say(running.inFlags(error));
  else if (error instanceof VoxfeedError) say(error.message);
  else {
    // A fault of ours, unless the system is to blame.
    const { path = 'the system' } = error as NodeJS.ErrnoException;
    const { message, stack = message } = fileError(path, error);
    say(describeSystemError(error) === null ? stack : message);
  }
  return 1;
}
