import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { custom, loadCustom } from '../../../src/augmentation/transforms/custom.ts';
import { pack } from '../../../src/common/errors.ts';
import { complete } from '../../fixtures/complete-step.ts';
import { applyTo, contextOf, drawMany } from './apply-to.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxfeed-custom-'));
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, source: string): string {
  writeFileSync(join(folder, name), source);
  return join(folder, name);
}

const step = (module: string, options?: unknown) => ({ transform: 'custom', module, ...(options !== undefined && { options }) }) as const;

describe('custom', () => {
  it('draws and applies what a module says, by path or URL', async () => {
    const path = written(
      'shift.mjs',
      `export default {
        draw: (draws, { channels }, { by }) => (draws.uniform() < 0.5 ? null : { shifts: Array(channels).fill(by) }),
        apply({ image, target, shape, axes }, { shifts }, { by }) {
          for (const [c, channel] of image.entries()) for (let i = 0; i < channel.length; i++) channel[i] += shifts[c];
          target[0] = shape.length * 100 + axes.length * 10 + by;
        },
      };`,
    );
    for (const module of [relative(process.cwd(), path), `file://${path}`]) {
      await loadCustom(module);
      const shift = step(module, { by: 2 });
      expect(complete(custom, shift)).toEqual({ ...shift, probability: 1 });
      const drawn = drawMany(custom, shift, contextOf([1, 3], 2), 200);
      expect(Math.abs(drawn.filter((made) => made === null).length - 100)).toBeLessThan(40);
      const parameters = drawn.find((made) => made !== null)!;
      expect(parameters).toEqual({ drawn: { shifts: [2, 2] } });
      const made = applyTo(custom, shift, parameters, { shape: [1, 3], image: [1, 2, 3, 4, 5, 6], target: [0, 0, 1] });
      expect([...made.image]).toEqual([3, 4, 5, 6, 7, 8]);
      expect([...made.target]).toEqual([322, 0, 1]);
      expect(made.sample.hasOutside).toBe(false);
    }
  });

  it('needs no draw, and sees when labels become -1', async () => {
    const module = written(
      'outside.mjs',
      'export default { apply({ target }, parameters) { target[1] = -1 - Object.keys(parameters).length; } };',
    );
    await loadCustom(module);
    await loadCustom(module);
    const [parameters] = drawMany(custom, step(module), contextOf([1, 2]), 1);
    expect(parameters).toEqual({ drawn: {} });
    expect(applyTo(custom, step(module), parameters!, { shape: [1, 2], image: [1, 2] }).sample.hasOutside).toBe(true);
  });

  it.each([
    ['missing.mjs', null, /^custom transform .*missing\.mjs: it cannot be imported: .*missing/],
    ['broken.mjs', 'export default {', /it cannot be imported/],
    ['none.mjs', 'export const apply = 1;', /its default export has no function `apply`/],
    ['undrawn.mjs', 'export default { draw: 1, apply() {} };', /`draw` of its default export is no function/],
  ])('refuses %s', async (name, source, message) => {
    const module = source === null ? join(folder, name) : written(name, source);
    await expect(loadCustom(module)).rejects.toThrow(message);
  });

  it.each([
    ['data:text/javascript,globalThis.ran=1;export default{apply(){}}'],
    ['http://localhost/spikes.mjs'],
    ['HTTPS://localhost/spikes.mjs'],
    ['node:fs'],
    ['blob:nodedata:1'],
    ['a\0b'],
    [''],
  ])('refuses code from elsewhere than a file: %j', async (module) => {
    await expect(loadCustom(module)).rejects.toThrow(/is not the path of a module/);
    expect(globalThis).not.toHaveProperty('ran');
    expect(() => complete(custom, step(module))).toThrow(/module: ".*" is not the path of a module\. Give the path of a file/);
  });

  it.each(['./spikes.ts', 'C:\\mine\\spikes.ts', 'file:///mine/spikes.ts', 'a:b/spikes.ts'])('takes the path %j', (module) => {
    expect(complete(custom, step(module))).toMatchObject({ module });
  });

  it('says whose error it is that a function of the module throws', async () => {
    const module = written(
      'throws.mjs',
      "export default { draw: () => { throw new TypeError('no luck'); }, apply: () => { throw 'a text'; } };",
    );
    await loadCustom(module);
    const thrown = (call: () => unknown): Error => {
      try {
        call();
      } catch (error) {
        return error as Error;
      }
      throw new Error('it threw nothing');
    };
    const draw = thrown(() => drawMany(custom, step(module), contextOf([1, 2]), 1));
    expect(draw.message).toMatch(/^custom transform .*throws\.mjs: `draw` threw TypeError: no luck\. Correct the module$/);
    // Where in the module it was: the stack travels with the error.
    expect(pack(draw).stack).toMatch(/Caused by: TypeError: no luck\n.*throws\.mjs:1/);
    const apply = thrown(() => applyTo(custom, step(module), { drawn: {} }, { shape: [1, 2], image: [1, 2] }));
    expect(apply.message).toMatch(/throws\.mjs: `apply` threw a text\. Correct the module$/);
  });

  it.each(['NaN', 'Infinity', '-Infinity'])('refuses an image with %s', async (value) => {
    const module = written(`spoils${value}.mjs`, `export default { apply({ image }) { image[1][2] = ${value}; } };`);
    await loadCustom(module);
    expect(() => applyTo(custom, step(module), { drawn: {} }, { shape: [1, 3], image: [1, 2, 3, 4, 5, 6] })).toThrow(
      /spoils.*: `apply` left NaN or infinity in channel 1\. Look for/,
    );
  });

  it.each(['undefined', '{ x: NaN }', '[undefined]', 'new Float32Array(2)', 'new Date()', '{ f() {} }', 'Promise.resolve({})', '1n'])(
    'refuses the parameters %s',
    async (value) => {
      const module = written(`draws-${value.replaceAll(/\W/g, '')}.mjs`, `export default { draw: () => (${value}), apply() {} };`);
      await loadCustom(module);
      expect(() => drawMany(custom, step(module), contextOf([1, 2]), 1)).toThrow(/`draw` returned what JSON does not keep/);
    },
  );

  it('keeps parameters as JSON does, a list of lists with -0 and a loop apart', async () => {
    const module = written(
      'plain.mjs',
      'const both = [1]; export default { draw: () => ({ a: [[-0, 1e-300], both, both], b: null }), apply() {} };',
    );
    await loadCustom(module);
    expect(drawMany(custom, step(module), contextOf([1, 2]), 1)).toEqual([{ drawn: { a: [[0, 1e-300], [1], [1]], b: null } }]);
    const loop = written('loop.mjs', 'const loop = {}; loop.loop = loop; export default { draw: () => loop, apply() {} };');
    await loadCustom(loop);
    expect(() => drawMany(custom, step(loop), contextOf([1, 2]), 1)).toThrow(/JSON does not keep/);
  });

  it('refuses asynchronous work, what was not loaded, and options it cannot send', async () => {
    const module = written('late.mjs', 'export default { async apply() {} };');
    expect(() => drawMany(custom, step(module), contextOf([1, 2]), 1)).toThrow(/has not been imported/);
    await loadCustom(module);
    expect(() => applyTo(custom, step(module), { drawn: {} }, { shape: [1, 2], image: [1, 2] })).toThrow(/`apply` is asynchronous/);
    expect(() => complete(custom, step(module, { f: () => 1 }))).toThrow(/^augmentation\[0\]\.options: /);
    expect(() => complete(custom, step(''))).toThrow(/^augmentation\[0\]\.module: /);
    expect(() => complete(custom, { ...step(module), option: 1 } as never)).toThrow(
      /^augmentation\[0\]\.option: 'custom' has no such option/,
    );
  });
});
