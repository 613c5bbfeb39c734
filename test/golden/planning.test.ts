import { describe, expect, it } from 'vitest';
import { planConfiguration } from '../../src/planning/configuration.ts';
import { planExperiment } from '../../src/planning/experiment.ts';
import { PLANNER, PLANNERS, type PlannerName } from '../../src/planning/planners.ts';
import { targetSpacing } from '../../src/planning/target-spacing.ts';
import { planTopology } from '../../src/planning/topology.ts';
import { featureMapSize, type Network } from '../../src/plans/network.ts';
import { SCHEME_CLASS } from '../../src/plans/normalisation.ts';
import { type PlansConfiguration, writeConfiguration } from '../../src/plans/plans.ts';
import type { DatasetDescription } from '../../src/raw/dataset-json.ts';
import { has, readJson } from './golden.ts';

function plannerOf(className: string): PlannerName {
  const found = PLANNERS.find((name) => PLANNER[name].className === className);
  if (found === undefined) throw new Error(`the golden data have a planner ${className} that is not known here`);
  return found;
}

/** The name of a channel that nnU-Net normalises by a class: files record the class, not the name. */
function channelFor(className: string): string {
  const found = Object.entries(SCHEME_CLASS).find(([, known]) => known === className);
  if (found === undefined) throw new Error(`the golden data have a normalisation ${className} that is not known here`);
  return found[0];
}

/** A configuration the way the golden files record it: the architecture's fields beside the others. */
function flatten({ architecture, ...rest }: PlansConfiguration): Record<string, unknown> {
  const network = architecture.network_class_name.split('.').pop();
  return { ...rest, ...architecture.arch_kwargs, network };
}

/** Every recorded key must be there with exactly that value. */
function expectRecorded(actual: Record<string, unknown>, recorded: Record<string, unknown>, where: string): void {
  for (const [key, value] of Object.entries(recorded)) expect(actual[key], `${key} of ${where}`).toEqual(value);
}

const cases = (path: string, key = 'cases') => (has(path) ? readJson(path)[key] : []);

describe.skipIf(!has('planning/topology.json'))('golden topology', () => {
  for (const [number, golden] of cases('planning/topology.json').entries()) {
    it(`${number}: ${golden.patch_size_in} at ${golden.spacing}`, () => {
      expect(golden.min_feature_map_size).toBe(4);
      const { pools, strides, kernels, patch, divisor } = planTopology(golden.spacing, golden.patch_size_in);
      expect(pools).toEqual(golden.num_pool_per_axis);
      expect(strides).toEqual(golden.pool_op_kernel_sizes);
      expect(kernels).toEqual(golden.conv_kernel_sizes);
      expect(patch).toEqual(golden.patch_size_out);
      expect(divisor).toEqual(golden.shape_must_be_divisible_by);
    });
  }
});

describe.skipIf(!has('planning/feature_map_sizes.json'))('golden feature map sizes', () => {
  for (const [number, golden] of cases('planning/feature_map_sizes.json').entries()) {
    it(`${number}: ${golden.network} ${golden.patch_size}`, () => {
      const network: Network = {
        kind: golden.network === 'PlainConvUNet' ? 'plain' : 'residual',
        features: golden.features_per_stage,
        strides: golden.strides,
        kernels: golden.kernel_sizes,
        encoder: golden.blocks_per_stage_encoder,
        decoder: golden.conv_per_stage_decoder,
      };
      expect(featureMapSize(network, golden.patch_size, golden.num_classes)).toBe(golden.conv_feature_map_size);
    });
  }
});

describe.skipIf(!has('planning/plans_configuration.json'))('golden configurations', () => {
  for (const [number, golden] of cases('planning/plans_configuration.json').entries()) {
    it(`${number}: ${golden.planner} ${golden.input.median_shape} at ${golden.input.spacing}`, () => {
      const { spacing, median_shape, approximate_n_voxels_dataset, num_labels_incl_background } = golden.input;
      const planner = PLANNER[plannerOf(golden.planner)];
      const planned = planConfiguration({
        spacing,
        median: median_shape,
        datasetVoxels: approximate_n_voxels_dataset,
        heads: num_labels_incl_background,
        planner,
        gpuMemoryGb: planner.referenceGb,
      });
      const { normalization_schemes: schemes, use_mask_for_norm: masked } = golden.result;
      // A mask means that the volumes were mostly zero.
      const entry = writeConfiguration(
        { ...planned, spacing, median: median_shape },
        schemes.map(channelFor),
        masked.includes(true) ? 0.5 : 1,
      );
      expectRecorded(flatten(entry as PlansConfiguration), golden.result, `configuration ${number}`);
    });
  }
});

describe.skipIf(!has('planning/plans_full.json'))('golden plans', () => {
  for (const golden of cases('planning/plans_full.json', 'plans')) {
    it(`${golden.dataset} ${golden.planner}`, () => {
      const { spacings, shapes_after_crop, ...facts } = cases('planning/plans_full.json', 'datasets')[golden.dataset];
      const fingerprint = {
        spacings,
        shapes_after_crop,
        foreground_intensity_properties_per_channel: {},
        median_relative_size_after_cropping: facts.median_relative_size_after_cropping,
      };
      const values = Array.from({ length: facts.n_labels_incl_background }, (_, label) => label);
      const description: DatasetDescription = {
        folder: golden.dataset,
        name: golden.dataset,
        channels: Object.values(facts.channel_names),
        labels: { values, ignore: null, classes: values.slice(1).map((label) => ({ name: String(label), labels: [label] })) },
        labelEntries: values.length,
        numTraining: facts.numTraining,
        reader: 'SimpleITKIO',
        namedReader: null,
        ending: '.nii.gz',
        listed: null,
        regionsClassOrder: undefined,
      };
      const { plans, gpuMemoryGb } = planExperiment(fingerprint, description, { planner: plannerOf(golden.planner) });
      const { dataset, planner, fullres_target_spacing, gpu_memory_target_in_gb, configurations, ...rest } = golden;
      expect([dataset, planner]).toEqual([plans.dataset_name, plans.experiment_planner_used]);
      expect(targetSpacing({ spacings, shapes: shapes_after_crop })).toEqual(fullres_target_spacing);
      expect(gpuMemoryGb).toBe(gpu_memory_target_in_gb);
      expectRecorded(plans as unknown as Record<string, unknown>, rest, dataset);
      expect(Object.keys(plans.configurations).sort()).toEqual(Object.keys(configurations).sort());
      for (const [name, recorded] of Object.entries(configurations as Record<string, Record<string, unknown>>)) {
        const found = plans.configurations[name];
        expectRecorded('architecture' in found ? flatten(found as PlansConfiguration) : { ...found }, recorded, name);
      }
    });
  }
});
