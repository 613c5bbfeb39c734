import { serve as serveLoader } from '../serve/serve.ts';
import { type Command, number, parse, UsageError, type Values } from './arguments.ts';

export const serve: Command = {
  usage: `usage: voxfeed serve --socket FD --memory FD --parent PID

Streams batches into the memory of the process that started it, such as a Python that trains. For programs, not for people:
docs/serve.md has the protocol.

  --socket FD    descriptor of a connected stream socket, inherited: lines of JSON, both ways
  --memory FD    descriptor of the file that batches go into, inherited: a memfd where the system has them
  --parent PID   the process at the other end; this one ends with it`,

  async run(words) {
    const { values } = parse(words, [], { socket: 'string', memory: 'string', parent: 'string' });
    await serveLoader({ socket: whole(values, 'socket'), memory: whole(values, 'memory'), parent: whole(values, 'parent') });
    // Workers that did not end in time must not keep the process.
    process.exit(0);
  },
};

function whole(values: Values, name: string): number {
  const value = number(values, name);
  if (value === undefined || !Number.isInteger(value) || value < 0) throw new UsageError(`--${name} must be given, a whole number`);
  return value;
}
