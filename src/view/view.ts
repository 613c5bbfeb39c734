import { checkPath } from '../common/names.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import { ViewApi } from './api.ts';
import { readAssets } from './assets.ts';
import { type ServedPage, servePage } from './server.ts';

const START = 'index.html';

/**
 * Opens a page that shows a stream: see docs/view.md. Options that cannot be are told at once, not in the page.
 * @param port 0: any that is free
 * @throws what a loader with these options throws; OptionError for the port; FileError where the page was not built
 */
export async function openView({ store, ...options }: LoaderOptions, port = 0): Promise<ServedPage> {
  // Samples are made again from files that nobody has copied.
  checkPath('store', store.dir);
  const assets = readAssets();
  const api = new ViewApi(store, options);
  await api.answer('about', new URLSearchParams());
  // What the page shows first: made while a browser starts. Whoever asks for it hears of a failure.
  api.answer('batch', new URLSearchParams()).catch(() => {});
  const page = await servePage(async (path, query, gone) => {
    const [room, ...rest] = path.split('/');
    if (room === 'api') return api.answer(rest.join('/'), query, gone);
    return assets.get(path === '' ? START : path) ?? null;
  }, port);
  return {
    ...page,
    close: async () => {
      await page.close();
      await api[Symbol.asyncDispose]();
    },
  };
}
