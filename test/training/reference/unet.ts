import { patchOf, type Triple, triple } from '../../../src/common/geometry.ts';
import type { Network } from '../../../src/plans/network.ts';
import { coarseShape } from '../../../src/training/network/convolution.ts';
import type { Parameter } from '../../../src/training/network/parameters.ts';
import * as operations from './operations.ts';

type Values = operations.Values;

/** The network with plain loops: forward, and back through a list of what undoes each operation. */
export class ReferenceUnet {
  readonly logits: Values[] = [];
  readonly gradients = new Map<string, Float64Array>();
  readonly #parameters: Map<string, Float64Array>;
  readonly #back: (() => void)[] = [];
  readonly #by = new Map<Values, Float64Array>();

  constructor(network: Network, input: Values, list: readonly Parameter[], numbers: ArrayLike<number>) {
    this.#parameters = new Map(
      list.map(({ name, offset, shape }) => [
        name,
        Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => numbers[offset + i]),
      ]),
    );
    const { features, kernels, strides, encoder, decoder } = network;
    const skips: Values[] = [];
    let at = input;
    for (let stage = 0; stage < features.length; stage++) {
      for (let i = 0; i < encoder[stage]; i++)
        at = this.#block(
          `encoder.stages.${stage}.0.convs.${i}`,
          at,
          features[stage],
          patchOf(kernels[stage]),
          i === 0 ? patchOf(strides[stage]) : [1, 1, 1],
        );
      skips.push(at);
    }
    for (let i = 0; i < features.length - 1; i++) {
      const stage = features.length - 2 - i;
      at = this.#join(this.#upsample(`decoder.transpconvs.${i}`, at, features[stage], patchOf(strides[stage + 1])), skips[stage]);
      for (let j = 0; j < decoder[i]; j++)
        at = this.#block(`decoder.stages.${i}.convs.${j}`, at, features[stage], patchOf(kernels[stage]), [1, 1, 1]);
      const name = `decoder.seg_layers.${i}`;
      this.logits.unshift(this.#convolve(name, at, this.#get(`${name}.bias`).length, [1, 1, 1], [1, 1, 1]));
    }
  }

  /** @param gradients of the logits, the finest first; fewer than there are leave the others out */
  backward(gradients: readonly Values[]): void {
    gradients.forEach((gradient, i) => {
      this.#by.set(this.logits[i], gradient.data);
    });
    for (const undo of this.#back.toReversed()) undo();
  }

  #get(name: string): Float64Array {
    return this.#parameters.get(name) as Float64Array;
  }

  #gradient(of: Values): Values {
    if (!this.#by.has(of)) this.#by.set(of, new Float64Array(of.data.length));
    return { ...of, data: this.#by.get(of) as Float64Array };
  }

  #add(to: Values, values: Values): void {
    const { data } = this.#gradient(to);
    values.data.forEach((value, i) => {
      data[i] += value;
    });
  }

  #convolve(name: string, input: Values, features: number, kernel: Triple, stride: Triple): Values {
    const padding = triple((axis) => (kernel[axis] - 1) >> 1);
    const geometry = { kernel, stride, padding };
    const output = operations.gather(
      input,
      operations.values(input.batch, features, coarseShape(input.shape, kernel, stride, padding)),
      this.#get(`${name}.weight`),
      this.#get(`${name}.bias`),
      geometry,
    );
    this.#back.push(() => {
      if (!this.#by.has(output)) return;
      const given = this.#gradient(output);
      this.gradients.set(`${name}.weight`, operations.weightGradient(input, given, geometry));
      this.gradients.set(`${name}.bias`, operations.biasGradient(given));
      this.#add(input, operations.scatter(input, given, this.#get(`${name}.weight`), null, geometry));
    });
    return output;
  }

  #block(name: string, input: Values, features: number, kernel: Triple, stride: Triple): Values {
    const raw = this.#convolve(`${name}.conv`, input, features, kernel, stride);
    const [weight, bias] = [this.#get(`${name}.norm.weight`), this.#get(`${name}.norm.bias`)];
    const output = operations.normalise(raw, weight, bias);
    this.#back.push(() => {
      const gradients = operations.normaliseGradient(raw, weight, bias, this.#gradient(output));
      this.gradients.set(`${name}.norm.weight`, gradients.weight);
      this.gradients.set(`${name}.norm.bias`, gradients.bias);
      this.#add(raw, gradients.input);
    });
    return output;
  }

  #upsample(name: string, input: Values, features: number, stride: Triple): Values {
    const geometry = { kernel: stride, stride, padding: [0, 0, 0] as Triple };
    const empty = operations.values(
      input.batch,
      features,
      triple((axis) => input.shape[axis] * stride[axis]),
    );
    const output = operations.scatter(empty, input, this.#get(`${name}.weight`), this.#get(`${name}.bias`), geometry);
    this.#back.push(() => {
      const given = this.#gradient(output);
      this.gradients.set(`${name}.weight`, operations.weightGradient(given, input, geometry));
      this.gradients.set(`${name}.bias`, operations.biasGradient(given));
      this.#add(input, operations.gather(given, input, this.#get(`${name}.weight`), null, geometry));
    });
    return output;
  }

  #join(first: Values, second: Values): Values {
    const half = first.data.length / first.batch;
    const output = operations.values(first.batch, 2 * first.channels, first.shape, (i) => {
      const sample = Math.floor(i / (2 * half));
      const within = i % (2 * half);
      return within < half ? first.data[sample * half + within] : second.data[sample * half + within - half];
    });
    this.#back.push(() => {
      const { data } = this.#gradient(output);
      const part = (offset: number): Values => ({
        ...first,
        data: first.data.map((_, i) => data[Math.floor(i / half) * 2 * half + (i % half) + offset]),
      });
      this.#add(first, part(0));
      this.#add(second, part(half));
    });
    return output;
  }
}
