export type { Operation } from './augmentation/pipeline.ts';
export { PRESETS, type PresetContext, type PresetName, presetSteps } from './augmentation/presets.ts';
export type { PatchContext } from './augmentation/transform.ts';
export type { CustomSample, CustomStep, CustomTransform } from './augmentation/transforms/custom.ts';
export type { PipelineStep } from './augmentation/transforms/index.ts';
export { Batch, type BatchStream, type BatchTicket } from './batch.ts';
export { type DatasetDescription, readDatasetJson } from './dataset/dataset-json.ts';
export type { LabelClass, Labels } from './dataset/labels.ts';
export type { PadMode } from './dataset/pad.ts';
export type { Coverage } from './dataset/sidecar.ts';
export { openStore, Store } from './dataset/store.ts';
export type { StoredCase, StoreIndex } from './dataset/store-index.ts';
export type { Epoch } from './epochs.ts';
export {
  CaseError,
  CasesError,
  CheckpointError,
  ClosedError,
  DatasetError,
  FileError,
  GpuError,
  MemoryError,
  OptionError,
  PlansError,
  SampleError,
  StateError,
  StoreError,
  VoxfeedError,
  WorkerError,
} from './errors.ts';
export type { Box, Triple } from './geometry.ts';
export { PatchLoader } from './loader.ts';
export type { LoaderMetrics, StreamMetrics } from './observability/metrics.ts';
export type { ConfigOptions, LoaderOptions, ValidationOptions } from './options.ts';
export { type Decision, type ExperimentPlan, type PlanOptions, planExperiment } from './planning/experiment.ts';
export type { DatasetFingerprint } from './planning/fingerprint.ts';
export type { IntensityProperties } from './planning/intensity.ts';
export { estimateMemory, type MemoryBytes, type MemoryEstimate, type MemoryInput } from './planning/memory.ts';
export type { Network } from './planning/network.ts';
export type { PlannerName } from './planning/planners.ts';
export type { Plans } from './planning/plans.ts';
export { type Configuration, readPlans, resolveConfiguration } from './planning/plans-file.ts';
export { storeConfiguration } from './planning/store-configuration.ts';
export { type PredictOptions, Predictor } from './prediction/predictor.ts';
export { type FingerprintOptions, fingerprint } from './preprocessing/fingerprint-dataset.ts';
export { type PlanDatasetOptions, type PlanReport, planDataset } from './preprocessing/plan-dataset.ts';
export { type PreprocessOptions, type PreprocessReport, preprocess } from './preprocessing/preprocess.ts';
export type { Progress, RunOptions } from './preprocessing/run-options.ts';
export { type Damage, type VerifyReport, verifyStore } from './preprocessing/verify.ts';
export type { Draws } from './random.ts';
export { type Replayed, type ReplayedStream, replay } from './replay.ts';
export { measureCoverage } from './sampling/coverage.ts';
export type { Exposure } from './sampling/exposure.ts';
export type { Weight } from './sampling/mix.ts';
export type { Schedule } from './sampling/oversampling.ts';
export { adviseOversampling, type OversamplingAdvice } from './sampling/oversampling-advice.ts';
export type { SlotPlan } from './sampling/slot-plan.ts';
export { connect, SharedLoader, type SharedStream, share } from './share.ts';
export type { MemoryReport } from './shared-memory/layout.ts';
export type { LoaderState, ResumeOptions } from './state.ts';
export { type Checkpoint, readCheckpoint } from './trainers/checkpoint.ts';
export { Trainer } from './trainers/trainer.ts';
export type { EpochReport, TrainingOptions } from './trainers/training-options.ts';
