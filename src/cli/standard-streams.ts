import { fileError } from '../common/errors.ts';

/** What a shell reports of a program that wrote to a pipe nobody reads: 128 and the number of SIGPIPE. */
const PIPE_CLOSED = 141;

/**
 * Watches standard output and error, for whoever reads them may stop (`| head`), and a disk may be full. Nobody needs progress: what
 * fails on standard error fails in silence. A command whose product is printed ends when it can no longer be; one that makes files goes
 * on, for them. The status is 0 only where nothing is lost.
 * @param makesFiles whether the running command's product are files
 */
export function watchStandardStreams(makesFiles: () => boolean): void {
  let status = 0;
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const closed = error.code === 'EPIPE';
    if (!closed && status === 0) process.stderr.write(`error: ${fileError('standard output', error).message}\n`);
    if (!closed || !makesFiles()) status = closed ? PIPE_CLOSED : 1;
    if (!makesFiles()) process.exit();
  });
  process.on('exit', () => {
    if (status !== 0) process.exitCode = status;
  });
}
