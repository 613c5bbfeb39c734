import { VoxfeedError } from '../common/errors.ts';
import { version } from '../measuring/environment.ts';
import { type Command, UsageError } from './arguments.ts';
import { bench } from './bench.ts';
import { demo } from './demo.ts';
import { inspect } from './inspect.ts';
import { plan } from './plan.ts';
import { predict } from './predict.ts';
import { preprocess } from './preprocess.ts';
import { replay } from './replay.ts';
import { serve } from './serve.ts';
import { train } from './train.ts';
import { verify } from './verify.ts';

const COMMANDS: Record<string, Command> = { plan, preprocess, verify, bench, inspect, replay, train, predict, demo, serve };

/** Runs one command line. Returns the exit status: 0 done, 1 it failed, 2 it was asked wrongly. */
export async function run(words: readonly string[]): Promise<number> {
  // Whoever reads our output may stop reading (`| head`): that is no error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  const [name, ...rest] = words;
  if (name === '--version') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    (name === undefined ? process.stderr : process.stdout).write(help());
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return complain(`there is no command "${name}"`, help());
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${command.usage}\n`);
    return 0;
  }
  try {
    await command.run(rest);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) return complain(error.message, `${command.usage}\n`);
    if (error instanceof VoxfeedError) process.stderr.write(`error: ${error.message}\n`);
    else process.stderr.write(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
}

function complain(what: string, usage: string): number {
  process.stderr.write(`error: ${what}\n\n${usage}`);
  return 2;
}

function help(): string {
  const list = Object.values(COMMANDS).map(({ usage }) => usage.split('\n')[0].replace(/^usage: /, '  '));
  return `voxfeed ${version()}: the nnU-Net data path for Node\n\n${list.join('\n')}\n\nvoxfeed COMMAND --help says more.\n`;
}
