export type { Operation } from './augmentation/pipeline.ts';
export { PRESETS, type PresetContext, type PresetName, presetSteps } from './augmentation/presets.ts';
export type { Range } from './augmentation/ranges.ts';
export type { PatchContext, Step } from './augmentation/transform.ts';
export type { CustomSample, CustomStep, CustomTransform } from './augmentation/transforms/custom.ts';
export type { PipelineStep } from './augmentation/transforms/index.ts';
export type { AdditiveBrightnessStep } from './augmentation/transforms/intensity/additive-brightness.ts';
export type { BlankRectanglesStep } from './augmentation/transforms/intensity/blank-rectangles.ts';
export type { BlurStep } from './augmentation/transforms/intensity/blur.ts';
export type { BrightnessStep } from './augmentation/transforms/intensity/brightness.ts';
export type { BrightnessGradientStep } from './augmentation/transforms/intensity/brightness-gradient.ts';
export type { ContrastStep } from './augmentation/transforms/intensity/contrast.ts';
export type { GammaStep } from './augmentation/transforms/intensity/gamma.ts';
export type { LocalGammaStep } from './augmentation/transforms/intensity/local-gamma.ts';
export type { LowResolutionStep } from './augmentation/transforms/intensity/low-resolution.ts';
export type { MaskStep } from './augmentation/transforms/intensity/mask.ts';
export type { MedianStep } from './augmentation/transforms/intensity/median/median.ts';
export type { NoiseStep } from './augmentation/transforms/intensity/noise.ts';
export type { SharpenStep } from './augmentation/transforms/intensity/sharpen.ts';
export type { BinaryOperatorsStep } from './augmentation/transforms/labels/binary-operators.ts';
export type { OneHotStep } from './augmentation/transforms/labels/one-hot.ts';
export type { RemoveComponentStep } from './augmentation/transforms/labels/remove-component.ts';
export type { ReplaceLabelStep } from './augmentation/transforms/labels/replace-label.ts';
export type { OneOfStep } from './augmentation/transforms/one-of.ts';
export type { MirrorStep } from './augmentation/transforms/spatial/mirror.ts';
export type { PermuteAxesStep } from './augmentation/transforms/spatial/permute-axes.ts';
export type { RotateQuartersStep } from './augmentation/transforms/spatial/rotate-quarters.ts';
export type { SpatialStep } from './augmentation/transforms/spatial/spatial.ts';
export type { VoxfeedEvents } from './common/channels.ts';
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
} from './common/errors.ts';
export type { Axis, Box, Triple } from './common/geometry.ts';
export type { Machine } from './common/machine.ts';
export type { Part } from './common/part.ts';
export type { Draws } from './common/random.ts';
export type { LargestBlock } from './formats/b2nd/head.ts';
export type { Line } from './kernels/kernels.ts';
export { Batch, type BatchStream, type BatchTicket } from './loader/batch.ts';
export type { Bound, DiagnoseOptions, Diagnosis, Measurements, Remedy, WorkerStage } from './loader/diagnosis.ts';
export type { Epoch } from './loader/epochs.ts';
export { PatchLoader } from './loader/loader.ts';
export type { LoaderMetrics, StreamMetrics } from './loader/metrics.ts';
export type { LocalCache } from './loader/options/local-cache.ts';
export type { LoaderOptions } from './loader/options/options.ts';
export type { ConfigState, LoaderState, Positions, ResumeOptions } from './loader/options/state.ts';
export type { EpochLengths } from './loader/options/streams.ts';
export type { ConfigOptions, ValidationOptions } from './loader/options/table.ts';
export { type ReplayedStream, replay } from './loader/replay.ts';
export type { Replayed } from './loader/replayer.ts';
export { connect, SharedLoader, type SharedStream, share } from './loader/share.ts';
export type { StageMetrics, Stages, TransformTime } from './loader/stage-metrics.ts';
export type { Reasons } from './planning/configuration.ts';
export { measureCoverage } from './planning/coverage.ts';
export { type Decision, type ExperimentPlan, type PlanOptions, planExperiment } from './planning/experiment.ts';
export type { DatasetFingerprint } from './planning/fingerprint.ts';
export { estimateMemory, type MemoryBytes, type MemoryEstimate, type MemoryInput } from './planning/memory.ts';
export { adviseOversampling, type OversamplingAdvice } from './planning/oversampling-advice.ts';
export type { PlannerName } from './planning/planners.ts';
export type { Network } from './plans/network.ts';
export type { IntensityProperties, Normalisation } from './plans/normalisation.ts';
export type { Architecture, InheritingConfiguration, Plans, PlansConfiguration, ResamplingArguments } from './plans/plans.ts';
export { type Configuration, type PlannedConfiguration, readPlans, resolveConfiguration } from './plans/plans-file.ts';
export type { StoreCase } from './preprocessing/check-case.ts';
export { type FingerprintOptions, fingerprint } from './preprocessing/fingerprint-dataset.ts';
export type { StoreOptions } from './preprocessing/grid.ts';
export { type PlanDatasetOptions, type PlanReport, planDataset } from './preprocessing/plan-dataset.ts';
export { type PlanPartOptions, planPart } from './preprocessing/plan-part.ts';
export { type PreprocessOptions, type PreprocessReport, preprocess } from './preprocessing/preprocess.ts';
export { type NnunetPreprocessOptions, type NnunetReport, preprocessForNnunet } from './preprocessing/preprocess-nnunet.ts';
export type { Progress, RunOptions } from './preprocessing/run-options.ts';
export { type StoreContent, writeStore } from './preprocessing/write-store.ts';
export { type DatasetDescription, readDatasetJson } from './raw/dataset-json.ts';
export type { LabelClass, Labels } from './raw/labels.ts';
export type { RawCase, RawDataset } from './raw/raw-dataset.ts';
export type { PadMode } from './reading/pad.ts';
export type { Weight } from './sampling/mix.ts';
export type { Schedule } from './sampling/oversampling.ts';
export type { SlotPlan } from './sampling/slot-plan.ts';
export type { Exposure } from './sampling/table.ts';
export type { Tuning } from './scheduling/worker-tuner.ts';
export type { MemoryReport } from './shared-memory/layout.ts';
export type { TargetArray, TargetType } from './shared-memory/target-array.ts';
export type { ClassLocations } from './store/class-locations.ts';
export type { Damage, VerifyReport } from './store/damage.ts';
export type { ArrayFormat } from './store/file-names.ts';
export type { MeanCoverage } from './store/mean-coverage.ts';
export type { Coverage, Sidecar, SourceFile, StoredFile } from './store/sidecar.ts';
export type { CaseChoice, Split } from './store/splits.ts';
export { openStore, Store } from './store/store.ts';
export { storeConfiguration } from './store/store-configuration.ts';
export type { StoredCase, StoreIndex } from './store/store-index.ts';
export { verifyStore } from './store/verify.ts';
export { type BestNetwork, type Checkpoint, readCheckpoint } from './training/checkpoint.ts';
export type { LossScale } from './training/loss-scale.ts';
export type { ModelOptions } from './training/prediction/model.ts';
export { type PredictOptions, Predictor } from './training/prediction/predictor.ts';
export { train } from './training/train.ts';
export type { TrainOptions, TrainReport, TrainStart } from './training/train-table.ts';
export { Trainer } from './training/trainer.ts';
export type { EpochReport, TrainingOptions, TuneReport } from './training/training-options.ts';
