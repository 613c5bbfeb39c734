import { directLoop } from './direct-loop.ts';
import { type Kernel, kernel } from './kernel.ts';
import type { Loop, ProductText, Put } from './loop.ts';
import { matrixLoop } from './matrix-loop.ts';
import { sharedLoop } from './shared-loop.ts';
import type { LoopKind, Tiling } from './tile.ts';

/** The products of a network by what their speed depends on, and their kernels for a way to tile them. */
export type Products = Map<string, (tiling: Tiling) => Kernel[]>;

const LOOPS: Record<LoopKind, (text: ProductText) => Loop> = { direct: directLoop, shared: sharedLoop, matrix: matrixLoop };

/**
 * result[m, n] = sum over k of left[m, k] * right[k, n]: the one loop behind every convolution, whatever the matrices are. Sums are
 * in float32 and in a fixed order: the same on every run.
 */
export function product(text: ProductText): Kernel {
  const { tile, rows, columns } = text;
  const rowTiles = Math.ceil(rows / tile.rows);
  const columnTiles = Math.ceil(columns / tile.columns);
  const loop = LOOPS[tile.loop](text);
  const put: Put = {
    column: (n, elements) => `  { let n = columnTile + ${n}; if (n < ${columns}u) {\n${elements}\n  } }`,
    element: (m, value) => `    { let m = rowTile + ${m}; let value = ${value}; if (m < ${rows}u) { ${text.store} } }`,
  };
  return kernel({
    name: text.name,
    bindings: text.bindings,
    threads: loop.threads,
    groups: rowTiles * columnTiles * text.slices,
    declarations: `alias Value = ${loop.value};\n${text.declarations}\n${loop.declarations}`,
    body: `
  let rowTile = GROUP % ${rowTiles}u * ${tile.rows}u;
  let columnTile = GROUP / ${rowTiles}u % ${columnTiles}u * ${tile.columns}u;
  let slice = GROUP / ${rowTiles * columnTiles}u;
  ${text.prepare}
${loop.before}
${loop.body}
${loop.results(put)}`,
    workgroupBytes: loop.bytes,
    flops: text.flops,
  });
}
