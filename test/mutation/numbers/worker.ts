import type { NumberMutation } from '../mutation.js'

const SHARD = { file: 'worker/shard-computer.js', tests: ['unit/worker/shard-computer'] }
const OFFLINE = { file: 'tensorflow/inference/evaluate-model.js', tests: ['unit/tensorflow/inspect-model / evaluated'] }
const THREAD = {
  file: 'worker/serve-leases.js',
  tests: ['unit/worker/compute-thread / shards of a lease'],
}
const SHARED = { file: 'worker/shared-weights.js', tests: ['unit/worker/shared-weights'] }
const BORROWED = { tests: ['unit/coordinator/worker-pool'] }
const LEASES = { file: 'worker/worker-leases.js', tests: ['unit/worker/worker-leases'] }

/** Computations of a worker for a lease, and of `convoy eval` and `convoy predict`. */
export const WORKER: readonly NumberMutation[] = [
  {
    ...BORROWED,
    file: 'coordinator/worker-pool.js',
    name: 'a worker writes over a result that is still needed',
    find: 'this.#current.returnTo(worker);',
    replace: '',
  },
  {
    ...BORROWED,
    file: 'coordinator/pool-task.js',
    name: 'a sum that waits in the memory of a worker is not copied',
    find: 'this.#tree.replace(vector, ',
    replace: 'void (() => undefined)(vector, ',
  },
  {
    ...BORROWED,
    file: 'coordinator/pool-task.js',
    name: 'a result that waits for its audit in the memory of a worker is not copied',
    find: 'if (result === vector)',
    replace: 'if (false)',
  },
  {
    ...BORROWED,
    file: 'shared/vector-pool.js',
    name: 'the memory of a worker is taken for other vectors',
    find: 'if (this.#borrowed.has(vector))',
    replace: 'if (false)',
  },
  {
    ...SHARED,
    name: 'the best weights are those in place',
    find: '[this.#length] >= version',
    replace: '[this.#length] > 0',
  },
  {
    ...SHARED,
    file: 'coordinator/weights-store.js',
    name: 'weights in place keep their first version',
    find: 'this.#inPlace.version[0] = this.#current.version;',
    replace: 'this.#inPlace.version[0] ||= this.#current.version;',
  },
  {
    ...SHARD,
    name: 'a worker augments as in the first epoch in all epochs',
    find: 'this.#augmentation, epochs[index], samples[index])',
    replace: 'this.#augmentation, 0, samples[index])',
  },
  {
    ...SHARD,
    name: 'a worker augments by the place in the shard',
    find: 'this.#augmentation, epochs[index], samples[index])',
    replace: 'this.#augmentation, epochs[index], index)',
  },
  {
    ...SHARD,
    name: 'a worker augments by the epoch of the first sample of the shard',
    find: 'this.#augmentation, epochs[index], samples[index])',
    replace: 'this.#augmentation, epochs[0], samples[index])',
  },
  {
    ...SHARD,
    name: 'all shards of a step have one dropout mask',
    find: 'this.#dropout.words(step, shard)',
    replace: 'this.#dropout.words(step, 0)',
  },
  {
    ...SHARD,
    name: 'all steps have one dropout mask',
    find: 'this.#dropout.words(step, shard)',
    replace: 'this.#dropout.words(0, shard)',
  },
  {
    ...SHARD,
    name: 'the second word of a dropout key is the first',
    find: '[key0 | 0, key1 | 0]',
    replace: '[key0 | 0, key0 | 0]',
  },
  {
    ...SHARD,
    name: 'the last shard of an evaluation is padded with the first samples',
    find: 'this.#split[split].subarray(shard * size, (shard + 1) * size)',
    replace:
      'Uint32Array.from({ length: size }, (_, place) => this.#split[split][(shard * size + place) % this.#split[split].length])',
  },
  {
    ...SHARD,
    name: 'a worker evaluates the test split on validation',
    find: 'this.#split[split].subarray(',
    replace: 'this.#split.validation.subarray(',
  },
  {
    ...SHARD,
    file: 'data/sampling/gather-samples.js',
    name: 'labels are those of the places in the shard',
    find: '(sample) => dataset.labels[sample]',
    replace: '(_, place) => dataset.labels[place]',
  },
  {
    ...SHARD,
    name: 'a worker splits with another seed',
    find: 'splitDataset(dataset, config.seed, config.stratified, config.validationSamples)',
    replace: 'splitDataset(dataset, 1, config.stratified, config.validationSamples)',
  },
  {
    ...SHARD,
    name: 'a worker does not stratify',
    find: 'splitDataset(dataset, config.seed, config.stratified, config.validationSamples)',
    replace: 'splitDataset(dataset, config.seed, false, config.validationSamples)',
  },
  {
    ...THREAD,
    name: 'a lease computes the first shards of its step',
    find: 'lease.firstShard + index',
    replace: 'index',
  },
  {
    ...OFFLINE,
    name: 'convoy eval counts its last shard alone',
    find: '(counts[index] += vector[index])',
    replace: '(counts[index] = vector[index])',
  },
  {
    ...OFFLINE,
    name: 'the loss of convoy eval is that of its last shard',
    find: 'sums = tree.add(first / config.evaluationShardSize, 1, vector);',
    replace: 'sums = vector;',
  },
  {
    file: 'tensorflow/inference/predict-images.js',
    tests: ['unit/tensorflow/inspect-model / classified'],
    name: 'convoy predict gives the second image the classes of the first',
    find: 'probabilities.subarray(index * model.classCount, (index + 1) * model.classCount)',
    replace: 'probabilities.subarray(0, model.classCount)',
  },
  {
    file: 'tensorflow/inference/predict-images.js',
    tests: ['unit/tensorflow/inspect-model / classified'],
    name: 'convoy predict begins with the least probable class',
    find: 'b.probability - a.probability',
    replace: 'a.probability - b.probability',
  },
  {
    ...LEASES,
    name: 'a worker accepts older weights as newer ones',
    find: 'if (version <= this.#weightsVersion)',
    replace: 'if (false)',
  },
  {
    ...LEASES,
    name: 'a worker forgets a lease that waits for its weights',
    find: 'this.#waiting = lease;',
    replace: ';',
  },
]
