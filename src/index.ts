export { Batch, type BatchTicket } from './batch.ts';
export type { LabelClass, Labels } from './dataset/labels.ts';
export type { PadMode } from './dataset/pad.ts';
export { openStore, Store, type StoredCase, type StoreIndex } from './dataset/store.ts';
export {
  CaseError,
  CasesError,
  ClosedError,
  DatasetError,
  FileError,
  MemoryError,
  OptionError,
  SampleError,
  StateError,
  StoreError,
  VoxfeedError,
  WorkerError,
} from './errors.ts';
export type { Box, Triple } from './geometry.ts';
export { PatchLoader } from './loader.ts';
export type { LoaderMetrics } from './observability/metrics.ts';
export type { LoaderOptions } from './options.ts';
export { type PreprocessOptions, type PreprocessReport, type Progress, preprocess } from './preprocessing/preprocess.ts';
export type { SlotPlan } from './sampling/slot-plan.ts';
export { connect, SharedLoader, share } from './share.ts';
export type { MemoryReport } from './shared-memory/layout.ts';
export type { LoaderState, ResumeOptions } from './state.ts';
