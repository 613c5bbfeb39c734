import { pathToFileURL } from 'node:url';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { pack } from '../src/common/errors.ts';
import type { FromThread, ToThread } from '../src/scheduling/worker-thread.ts';

// What every worker thread of a loader runs: the default export of the module that its last argument names, task by task. `workerData`
// is that module's.

const port = parentPort as MessagePort;
const say = (message: FromThread): void => port.postMessage(message);

import(pathToFileURL(process.argv.at(-1) as string).href).then(
  ({ default: run }) => {
    port.on('message', ({ id, task }: ToThread) => {
      Promise.resolve(run(task)).then(
        (result) => say({ id, result }),
        (error) => say({ id, error: pack(error) }),
      );
    });
  },
  (error) => say({ failed: pack(error) }),
);
