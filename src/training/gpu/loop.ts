import type { Binding } from './kernel.ts';
import type { Width } from './memory.ts';
import type { Tile } from './tile.ts';

/** The matrices of a product, as WGSL. `Term` holds what is known of a term, `Column` of a column: worked out once, used for many elements. */
export interface ProductText {
  name: string;
  bindings: Binding[];
  rows: number;
  columns: number;
  /** Independent products of the same sizes: samples, phases of a stride, parts of a sum. `slice` names one. */
  slices: number;
  /** Statements that may declare things from `slice`; must set `first` and `end`, the range of terms. */
  prepare: string;
  /**
   * Structs Term and Column, and functions term(k, end, …), column(n, …), left(m, Term, …) and right(Term, Column, …). The last two
   * return a `Value`: what the loop multiplies. They are 0 outside of the matrices, and for terms from `end` on. Where `leftWidth` is 4,
   * there is no left, but left4(m, k, end, …): that of the terms from k on, a multiple of 4, as a vec4<Value>.
   */
  declarations: string;
  leftWidth: Width;
  /** Further arguments of the functions, as declared in `prepare`. */
  arguments?: string;
  /** Whether neighbouring terms of `right` lie together in memory, not neighbouring columns. */
  alongTerms: boolean;
  /** Statements that store `value` at row `m` and column `n`. */
  store: string;
  /** Multiplications and additions, those with padding included. */
  flops: number;
  tile: Tile;
}

/** The inner part of a product. */
export interface Loop {
  threads: number;
  /** What `left` and `right` give. */
  value: 'f32' | 'f16';
  declarations: string;
  /** Statements before the loop over terms. */
  before: string;
  body: string;
  /** Of workgroup memory. */
  bytes: number;
  /** Statements that hand out the sums: for each column n of the result, every row m with its value. */
  results(put: Put): string;
}

/** How results are handed out; `m` and `n` count from the first row and column of the tile. */
export interface Put {
  column(n: string, elements: string): string;
  element(m: string, value: string): string;
}

/** What is passed on to the functions of a product. */
export function extraOf({ arguments: more }: ProductText): string {
  return more ? `, ${more}` : '';
}

/** 0, 1, 2, …: what is written out once for each. */
export function upTo(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
