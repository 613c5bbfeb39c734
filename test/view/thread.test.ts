import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { VolumeFacts } from '../../src/view/facts.ts';
import { ViewThread } from '../../src/view/thread.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();

it('opens a store that could not be opened at first', async () => {
  const store = join(dir, 'store');
  await using thread = new ViewThread(store);
  const task = { kind: 'volume', caseNumber: 0, channel: 0 } as const;
  await expect(thread.packet(task)).rejects.toThrow(store);
  await makeStore(store, { shapes: [[4, 5, 6]] });
  expect(((await thread.packet(task)).facts as VolumeFacts).shape).toEqual([4, 5, 6]);
});
