import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** A browser that draws by software, as machines without a graphics card do. @throws Error where none is installed */
export function startBrowser(): Promise<Browser> {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = process.env.VOXFEED_CHROMIUM ?? NAMES.flatMap((name) => folders.map((dir) => join(dir, name))).find(existsSync);
  if (found === undefined) throw new Error('There is no Chromium: install it, or name one in VOXFEED_CHROMIUM');
  const args = ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'];
  // Its sandbox does not work for root, as in containers.
  return chromium.launch({ executablePath: found, args: process.getuid?.() === 0 ? [...args, '--no-sandbox'] : args });
}

/** What went wrong on a page: errors on its console, uncaught ones, and requests to elsewhere. */
export function watch(page: Page, address: string): string[] {
  const faults: string[] = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && faults.push(message.text()));
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => /^(?:data|blob):/.test(request.url()) || request.url().startsWith(address) || faults.push(request.url()));
  return faults;
}
