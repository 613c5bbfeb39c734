/**
 * Takes the screenshots of docs/view.md in a Chromium: the five pages on stores of yours, in dark colours, the first also in light ones.
 *
 *     npm run docs:screenshots -- NAME=STORE_DIR …
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../src/index.ts';
import { openView } from '../src/view/view.ts';
import { startBrowser } from '../test/view/browser/browser.ts';

const OUT = join(import.meta.dirname, 'pictures', 'view');
const SIZE = { width: 1280, height: 800 };
/** Of each page: where it stands, and what is there once it is drawn. */
const PAGES = {
  stream: ['stream?batch=2', '.card canvas'],
  sample: ['sample?sample=21', '.case-slices canvas'],
  lab: ['lab?sample=21', '.lab-pictures canvas'],
  cases: ['cases', '[data-testid=volume][data-ready=true]'],
  speed: ['speed', '.doctor .bound'],
} as const;
/** Pictures come one by one, and charts need some points. */
const SETTLE_MS = { stream: 1500, sample: 2500, lab: 2500, cases: 4000, speed: 15_000 };

mkdirSync(OUT, { recursive: true });
const browser = await startBrowser();
for (const word of process.argv.slice(2)) {
  const [name, dir] = word.split('=');
  const served = await openView({ store: await openStore(dir), seed: 7, augmentation: 'default', workers: 2 });
  for (const [page, [place, drawn]] of Object.entries(PAGES)) {
    for (const colorScheme of page === 'stream' ? (['dark', 'light'] as const) : (['dark'] as const)) {
      const context = await browser.newContext({ viewport: SIZE, colorScheme });
      const tab = await context.newPage();
      tab.setDefaultTimeout(240_000);
      await tab.goto(`${served.address}#/${place}`);
      await tab.locator(drawn).first().waitFor();
      await tab.waitForTimeout(SETTLE_MS[page as keyof typeof PAGES]);
      const path = join(OUT, `${name}-${page}${colorScheme === 'light' ? '-light' : ''}.jpg`);
      await tab.screenshot({ path, type: 'jpeg', quality: 88 });
      console.log(path);
      await context.close();
    }
  }
  await served.close();
}
await browser.close();
