import { afterAll } from 'vitest';
import { removeTemporaryFolders } from './fixtures/temporary-folder.ts';

// Here, as files share a process: a fixture is loaded once, but this for each of them.
afterAll(removeTemporaryFolders);
