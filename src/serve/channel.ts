import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Message, Request } from './protocol.ts';

/** One end of a socket pair that the parent process made: a line of JSON a message, both ways. */
export class Channel {
  readonly #socket: Socket;
  /** Resolves when the other end is gone. */
  readonly closed: Promise<void>;

  constructor(fd: number) {
    this.#socket = new Socket({ fd });
    this.closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    // What went wrong does not matter: 'close' comes after it.
    this.#socket.on('error', () => {});
  }

  send(message: Message): void {
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Calls `answer` for each request, as they come. Lines that are no JSON are told to `onNoise`. */
  listen(answer: (request: Request) => void, onNoise: (line: string) => void): void {
    const lines = createInterface({ input: this.#socket });
    // It passes on the socket's errors.
    lines.on('error', () => {});
    lines.on('line', (line) => {
      let request: Request;
      try {
        request = JSON.parse(line);
      } catch {
        onNoise(line);
        return;
      }
      answer(request);
    });
  }

  /** Ends it when everything that was said is sent. */
  end(): void {
    this.#socket.destroySoon();
  }
}
