/** How much is measured. */
export interface Plan {
  /** Tiny sizes: a minute, and figures that say nothing. */
  quick: boolean;
  /** Of each thing in the loader's table; see `fewerRuns`. */
  runs: number;
  /** Which configurations the loader's table has. */
  configs: readonly string[];
  /** Folders that nnU-Net preprocessed, for the storage table. Default: the hippocampus cases. */
  folders: readonly string[];
}

/** As many batches as are measured, or a few. */
export const batchesOf = ({ quick }: Plan, batches: number): number => (quick ? Math.max(4, Math.ceil(batches / 40)) : batches);

/** Runs of what is not in the loader's table: 3 of 5, so that the suite takes minutes. */
export const fewerRuns = ({ runs }: Plan): number => Math.max(Math.min(runs, 3), runs - 2);
