import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { xxh64 } from '../../../src/common/hash.ts';
import { replay } from '../../../src/loader/replay.ts';
import { preprocess } from '../../../src/preprocessing/preprocess.ts';
import { openStore, type Store } from '../../../src/store/store.ts';
import type { ServedPage } from '../../../src/view/server.ts';
import { openView } from '../../../src/view/view.ts';
import { commandLine } from '../../fixtures/command-line.ts';
import { EXAMPLE_PLANS, EXAMPLES } from '../../fixtures/paths.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';
import { startBrowser, watch } from './browser.ts';

const dir = temporaryFolder();
const OPTIONS = { seed: 7, workers: 1, augmentation: 'default' as const };
let store: Store;
let served: ServedPage;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let faults: string[];

beforeAll(async () => {
  await preprocess(EXAMPLES, join(dir, 'store'), { plans: EXAMPLE_PLANS, workers: 1 });
  store = await openStore(join(dir, 'store'));
  served = await openView({ store, ...OPTIONS });
  browser = await startBrowser();
});

afterAll(async () => {
  await browser?.close();
  await served?.close();
});

beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
  faults = watch(page, served.address);
});

afterEach(async () => {
  await context.close();
  expect(faults).toEqual([]);
});

/** Opens one of the pages, by what stands behind the # of its address. */
const open = (place: string): Promise<unknown> => page.goto(`${served.address}#/${place}`);
const hashes = (): Promise<(string | null)[]> =>
  page.locator('[data-hash][data-sample].card').evaluateAll((cards) => cards.map((card) => card.getAttribute('data-hash')));
const batchIs = (batch: number): Promise<unknown> => page.locator(`[data-testid=batch-state][data-batch="${batch}"]`).waitFor();

/** What a picture shows, as a hash of its pixels. */
const pixels = async (selector: string): Promise<string> =>
  xxh64(
    await page
      .locator(selector)
      .first()
      .evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL()),
  );

/** As `replay` makes it. */
async function replayed(sample: number): Promise<string> {
  const { after } = await replay({ store, ...OPTIONS }, sample);
  return xxh64(after.data, after.targets[0]);
}

describe('the page of voxfeed view', () => {
  it('shows the stream, forwards and back; its samples are those of replay', async () => {
    await open('stream');
    await batchIs(0);
    expect(await hashes()).toEqual(await Promise.all([0, 1, 2, 3, 4, 5, 6, 7, 8].map(replayed)));
    const first = await pixels('.card canvas');
    await page.keyboard.press('ArrowRight');
    await batchIs(1);
    expect((await hashes())[2]).toBe(await replayed(11));
    expect(await pixels('.card canvas')).not.toBe(first);
    await page.keyboard.press('ArrowLeft');
    await batchIs(0);
    expect(await pixels('.card canvas')).toBe(first);
    await page.getByLabel('Batch', { exact: true }).fill('40');
    await page.keyboard.press('Enter');
    await batchIs(40);
    expect((await hashes())[0]).toBe(await replayed(360));
  });

  it('plays and pauses by the space bar', async () => {
    await open('stream');
    await batchIs(0);
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await batchIs(2);
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Play' }).waitFor();
  });

  it('goes from a card to its sample, step by step', async () => {
    await open('stream');
    await batchIs(0);
    await page.getByRole('button', { name: /^Open sample 4,/ }).click();
    const sample = page.getByTestId('sample');
    await sample.waitFor();
    expect(await sample.getAttribute('data-sample')).toBe('4');
    expect(await sample.getAttribute('data-hash')).toBe(await replayed(4));
    const { plan } = await replay({ store, ...OPTIONS }, 4);
    expect(await page.locator('.timeline li').count()).toBe(2 + plan.operations.length);
    await page.locator('.case-slices polygon.box-patch').first().waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Copy as JSON' }).click();
    expect(JSON.parse(await page.evaluate('navigator.clipboard.readText()'))).toEqual(plan);
    const download = page.waitForEvent('download');
    await page.locator('.saves a').nth(2).click();
    expect((await download).suggestedFilename()).toBe('sample-4-after-image.nii.gz');
  });

  it('is a lab: a slider changes the picture, and the JSON makes the stream that it says', async () => {
    await open('lab?sample=4');
    const result = page.getByTestId('lab');
    await result.waitFor();
    const before = { hash: await result.getAttribute('data-hash'), pixels: await pixels('[data-stage=Augmented] canvas') };
    expect(before.hash).toBe(await replayed(4));
    await page.locator('[data-transform=noise] summary').click({ position: { x: 200, y: 8 } });
    await page.getByRole('slider', { name: 'noise probability' }).fill('1');
    await page.getByRole('slider', { name: 'noise sigma, lowest' }).fill('0.1');
    await page.locator(`[data-testid=lab]:not([data-hash="${before.hash}"])`).waitFor();
    await page.locator('.lab-result[aria-busy=false]').waitFor();
    expect(await pixels('[data-stage=Augmented] canvas')).not.toBe(before.pixels);
    await page.locator('[data-transform=mirror]').getByRole('switch', { name: 'mirror' }).setChecked(false, { force: true });
    await page.locator('.lab-result[aria-busy=false]').waitFor();

    await page.getByRole('button', { name: 'Hash of 4 batches' }).click();
    const shown = page.getByTestId('stream-hash');
    await expect.poll(() => shown.textContent(), { timeout: 60_000 }).toMatch(/^[0-9a-f]{16}$/);
    await page.getByRole('button', { name: 'Copy as JSON' }).click();
    const text = (await page.evaluate('navigator.clipboard.readText()')) as string;
    expect(JSON.parse(text)).toContainEqual(expect.objectContaining({ transform: 'noise', probability: 1, sigma: [0.1, 0.1] }));
    expect(text).not.toContain('mirror"');
    writeFileSync(join(dir, 'file.json'), text);
    const command = (await page.locator('.take code').textContent()) ?? '';
    expect(command).toBe('voxfeed bench STORE --augmentation file.json --seed 7 --batches 4');
    const [, ...words] = command.replace('STORE', 'store').split(' ');
    const { stdout } = await commandLine(dir)(...words, '--workers', '1', '--json');
    expect(JSON.parse(stdout).stream_hash).toBe(await shown.textContent());

    await page.getByRole('button', { name: "Reset to nnU-Net's default" }).click();
    await page.locator(`[data-testid=lab][data-hash="${before.hash}"]`).waitFor();
  });

  it('has a table of cases, one as a whole, and where patches fall', async () => {
    await open('cases');
    await page.locator('[data-testid=volume][data-ready=true]').waitFor();
    expect(await page.locator('.table tbody tr').count()).toBe(20);
    await page.getByRole('button', { name: /^Drawn/ }).click();
    await page.getByRole('button', { name: /^Drawn/ }).click();
    const drawn = (await page.locator('.table tbody td:last-child').allTextContents()).map(Number);
    expect(drawn.reduce((a, b) => a + b)).toBe(5000);
    expect(drawn).toEqual(drawn.toSorted((a, b) => b - a));
    await page.locator('.planned image').first().waitFor({ state: 'attached' });
    expect(await page.locator('.exposures tbody tr').count()).toBe(2);
  });

  it('measures the loader while it runs', async () => {
    await open('speed');
    await expect
      .poll(async () => Number(await page.getByTestId('speed').getAttribute('data-batches')), { timeout: 60_000 })
      .toBeGreaterThan(9);
    await page.locator('.doctor .bound').waitFor();
    expect(await page.locator('.speed-room canvas').count()).toBe(2);
    await page.getByRole('button', { name: 'Stop' }).click();
  });

  it('is the stream of the settings, which stand in the address', async () => {
    await open('stream');
    await batchIs(0);
    const before = await hashes();
    await page.getByLabel('Seed').fill('8');
    await page.keyboard.press('Enter');
    await page.locator(`.cards > .card:first-child:not([data-hash="${before[0]}"])`).waitFor();
    const changed = await hashes();
    await page.reload();
    await batchIs(0);
    expect(await hashes()).toEqual(changed);
  });

  it('has light and dark colours, by the system and by a switch that stays', async () => {
    const theme = (): Promise<string | null> => page.locator('html').getAttribute('data-theme');
    await page.emulateMedia({ colorScheme: 'dark' });
    await open('stream');
    await batchIs(0);
    expect(await theme()).toBe('dark');
    await page.getByRole('button', { name: 'Change to light colours' }).click();
    await page.reload();
    await batchIs(0);
    expect(await theme()).toBe('light');
  });

  it.each(['stream', 'sample', 'lab', 'cases', 'speed'])('has a name for every control of %s', async (name) => {
    await open(name);
    await page.locator('main :is(canvas, .chart)').first().waitFor({ state: 'attached' });
    const nameless = await page.locator('button, input, select, a, canvas[role], [role=img]').evaluateAll((controls) =>
      controls.flatMap((control) => {
        const { labels, textContent, outerHTML } = control as unknown as {
          labels?: { textContent: string }[];
          textContent: string;
          outerHTML: string;
        };
        const said = [control.getAttribute('aria-label'), textContent, ...[...(labels ?? [])].map((label) => label.textContent)];
        return said.some((text) => text?.trim()) ? [] : [outerHTML];
      }),
    );
    expect(nameless).toEqual([]);
  });
});

describe('somebody else', () => {
  it('without the token sees nothing, and a page of another site neither', async () => {
    const { port } = served;
    const response = await page.goto(`http://127.0.0.1:${port}/`);
    expect(response?.status()).toBe(403);
    await page.goto('data:text/html,<p>elsewhere</p>');
    const asked = await page.evaluate(`fetch(${JSON.stringify(`${served.address}api/about`)}).then((r) => r.status, () => 'refused')`);
    expect(asked).toBe('refused');
    // The browser complains of both, and of going elsewhere: all of it was meant.
    faults.splice(0);
  });
});
