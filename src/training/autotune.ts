import { GpuError } from '../common/errors.ts';
import { xxh64 } from '../common/hash.ts';
import type { Gpu } from './gpu/device.ts';
import type { Products } from './gpu/product.ts';
import { showTiling, type Tiling, tilingsFor } from './gpu/tile.ts';
import { readFastest, tileCacheFile, writeFastest } from './gpu/tile-cache.ts';
import { type Stopwatch, tune } from './gpu/tune.ts';
import { Unet, type UnetOptions } from './network/unet.ts';
import type { TuneReport } from './training-options.ts';

/** How long a start may measure, in seconds. Counted from its speed, an H100 needs about 12 for a network of 128x128x128. */
const SECONDS = 20;

/**
 * Finds out how each product of a network is made fastest on this GPU: by what the user's cache knows, else by measuring, and the cache
 * knows it from then on. What is found changes no bit of any result, see `tilingsFor`.
 * @returns the ways, for `UnetOptions.tuned`
 * @throws PlansError; GpuError if the GPU fails while it measures
 */
export async function autotune(
  gpu: Gpu,
  options: UnetOptions,
  { seconds = SECONDS, stopwatch }: { seconds?: number; stopwatch?: Stopwatch } = {},
): Promise<{ tilings: Map<string, Tiling>; report: TuneReport }> {
  const started = performance.now();
  const ways = tilingsFor(gpu, options.precision ?? 'float32');
  const unet = new Unet(options);
  unet.backward();
  const { products } = unet;
  const names = await cacheNames(products, ways);
  const path = await tileCacheFile(gpu.adapter);
  const fastest = await readFastest(path);
  const tilings = new Map<string, Tiling>();
  for (const [product, name] of names) {
    const way = ways.find((way) => showTiling(way) === fastest[name]);
    if (way) tilings.set(product, way);
  }
  const known = tilings.size;
  const unknown: Products = new Map([...products].filter(([product]) => !tilings.has(product)));
  const { chosen, left } = await tune(gpu, unknown, ways, { seconds, ...(stopwatch && { stopwatch }) }).catch((error) => {
    throw error instanceof GpuError ? new GpuError(error.where, error.what, 'Turn `autotune` off, and report it', { cause: error }) : error;
  });
  for (const [product, way] of chosen) {
    tilings.set(product, way);
    fastest[names.get(product) as string] = showTiling(way);
  }
  if (chosen.size > 0) await writeFastest(path, gpu.adapter, fastest);
  return { tilings, report: { known, measured: chosen.size, left, seconds: (performance.now() - started) / 1000 } };
}

/** Of each product. They tell its shaders, whichever way it is made: other shaders are measured again. */
async function cacheNames(products: Products, ways: readonly Tiling[]): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const [product, make] of products) {
    const texts = ways.map((way) => make(way).map(({ groups, code }) => `${groups} workgroups of ${code}`));
    names.set(product, `${product}, shaders ${await xxh64(texts.flat().join('\n'))}`);
  }
  return names;
}
