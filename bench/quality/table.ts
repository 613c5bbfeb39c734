import type { Result } from '../report/result.ts';
import { markdownTable, showWhere } from '../report/table.ts';

/** One quantity of both loaders. */
export interface ComparedRow {
  name: string;
  test: string;
  statistic: number;
  p: number;
  nnunet: string;
  voxfeed: string;
}

export interface QualityPart {
  dataset: string;
  cases: number;
  patch: number[];
  batch: number;
  boxes: number;
  patches: number;
  rows: ComparedRow[];
}

/** If both loaders draw from the same distributions, a whole table has a p-value below its bound once in so many. */
const CHANCE = 0.01;

/** Below this a single p-value counts as a difference: Bonferroni's bound for all of them together. */
const boundOf = (rows: readonly ComparedRow[]): number => CHANCE / rows.length;

export const differing = (rows: readonly ComparedRow[]): ComparedRow[] => rows.filter(({ p }) => p < boundOf(rows));

/** A result of `npm run bench:quality`. */
export type QualityResult = Result & { quality: QualityPart };

/** Markdown. */
export function qualityText(result: QualityResult): string {
  return `${showWhere(result)}\n\n${table(result.quality)}`;
}

function table({ dataset, cases, patch, batch, boxes, patches, rows }: QualityPart): string {
  const [bound, off] = [boundOf(rows), differing(rows)];
  const verdict =
    off.length === 0
      ? `None of ${rows.length} quantities differs.`
      : `${off.length} of ${rows.length} quantities differ${off.length === 1 ? 's' : ''}: ${off.map(({ name }) => name).join('; ')}.`;
  const lines = rows.map(({ name, test, statistic, p, nnunet, voxfeed }) => [
    name,
    nnunet,
    voxfeed,
    test,
    statistic.toPrecision(3),
    p < bound ? `**${p.toExponential(1)}**` : p.toPrecision(2),
  ]);
  return [
    `${boxes.toLocaleString('en-GB')} boxes and ${patches.toLocaleString('en-GB')} augmented patches of ${dataset} (${cases} cases, ${patch.join('x')}, batch ${batch}), of nnU-Net's own ` +
      `loader and of voxfeed. ${verdict} One differs whose p-value is below ${bound.toExponential(1)}: 1 % over all tests together (Bonferroni). ` +
      'Numbers are means and standard deviations, over boxes or patches; they are rounded to 1e-5 before they are tested, as the last digits are arithmetic.',
    markdownTable([['', 'nnU-Net', 'voxfeed', 'test', 'statistic', 'p'], ...lines]),
  ].join('\n\n');
}
