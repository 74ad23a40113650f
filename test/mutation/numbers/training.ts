import type { NumberMutation } from '../mutation.js'

const RUN = { file: 'training/trainer.js', tests: ['unit/training/trainer'] }
const OUTCOME = { file: 'training/run-result.js', tests: ['unit/training/trainer'] }
const EVALUATION = { file: 'model/evaluation.js', tests: ['unit/training/trainer'] }
const POOL = { file: 'coordinator/pool-gradient-source.js', tests: ['unit/training/trainer'] }
const RESULT = { file: 'training/first-bad-value.js', tests: ['unit/training/first-bad-value'] }
const BEST = { file: 'training/best-weights.js', tests: ['unit/training/best-weights'] }

/** The order of a run, and the weights that it reports. */
export const TRAINING: readonly NumberMutation[] = [
  {
    ...RUN,
    tests: ['unit/training/trainer', 'unit/training/semantics-vectors'],
    name: 'the last batch is left out where it is not full',
    find: 'Math.ceil((epochs * trainSamples) / batchSize)',
    replace: 'Math.floor((epochs * trainSamples) / batchSize)',
  },
  {
    ...RUN,
    name: 'schedules end at maxSteps',
    find: 'config, this.#plannedSteps, sliceThreads)',
    replace: 'config, this.#totalSteps, sliceThreads)',
  },
  {
    ...RUN,
    name: 'the rate of a step is that of the next one',
    find: 'config, this.#plannedSteps, sliceThreads)',
    replace: 'config, step + 1, scheduledSteps, sliceThreads)',
  },
  {
    ...RUN,
    name: 'a run stops early one epoch late',
    find: '>= earlyStopping',
    replace: '> earlyStopping',
  },
  {
    ...RUN,
    name: 'an epoch ends one step later',
    find: 'Math.floor(this.#epochsAfter(step)) > Math.floor(this.#epochsAfter(step - 1))',
    replace: 'Math.floor(this.#epochsAfter(step - 1)) > Math.floor(this.#epochsAfter(step - 2))',
  },
  {
    ...RUN,
    name: 'epochs are counted in full batches',
    find: '(steps * config.batchSize) / trainSamples',
    replace: 'steps / Math.ceil(trainSamples / config.batchSize)',
  },
  {
    ...RUN,
    name: 'the last weights are tested instead of the best ones',
    find: 'this.#gradients.publish(best.weights);',
    replace: ';',
  },
  {
    ...RUN,
    name: 'the test is reported for the last weights',
    find: "this.#evaluate('test', best.step)",
    replace: "this.#evaluate('test', state.step)",
  },
  {
    ...RUN,
    file: 'training/training-state.js',
    name: 'the best weights are overwritten by later steps',
    find: 'weights: state.weights.slice(), validation',
    replace: 'weights: state.weights, validation',
  },
  {
    ...RUN,
    name: 'the test is of the validation split',
    find: "this.#evaluate('test', best.step)",
    replace: "this.#evaluate('validation', best.step)",
  },
  {
    ...POOL,
    name: 'the last shard of an evaluation is left out',
    find: 'shards: Math.ceil(samples / evaluationShardSize)',
    replace: 'shards: Math.max(1, Math.floor(samples / evaluationShardSize))',
  },
  {
    ...EVALUATION,
    name: 'the loss of an evaluation is a mean over shards',
    find: 'const loss = lossSum / samples;',
    replace: 'const loss = lossSum / Math.ceil(samples / 100);',
  },
  {
    ...EVALUATION,
    name: 'the confusion matrix is transposed where the coordinator reads it',
    find: '...sums.subarray(label * classCount, (label + 1) * classCount),',
    replace: '...Array.from({ length: classCount }, (_, other) => sums[other * classCount + label]),',
  },
  {
    ...EVALUATION,
    name: 'the accuracy of an evaluation is by its first class',
    find: 'confusion.reduce((total, row, label) => total + row[label], 0)',
    replace: 'confusion.reduce((total, row) => total + row[0], 0)',
  },
  {
    ...OUTCOME,
    name: 'samplesPerSecond is per worker',
    find: '(steadySteps * config.batchSize) / (steadyMs / 1000)',
    replace: '(steadySteps * config.batchSize) / (steadyMs / 1000) / history.peakWorkers',
  },
  {
    ...OUTCOME,
    name: 'samplesPerSecond counts a first step that took no time',
    find: '(steadySteps * config.batchSize)',
    replace: '(step * config.batchSize)',
  },
  {
    ...OUTCOME,
    name: 'samplesSeen counts one sample too many',
    find: 'samplesSeen: step * config.batchSize',
    replace: 'samplesSeen: step * config.batchSize + 1',
  },
  {
    ...OUTCOME,
    name: 'seconds of a result are milliseconds',
    find: 'seconds: history.elapsedMs / 1000',
    replace: 'seconds: history.elapsedMs',
  },
  {
    ...OUTCOME,
    name: 'the hash of a result is that of the best weights',
    find: 'weightsSha256: weights.last.sha256',
    replace: 'weightsSha256: weights.best.sha256',
  },
  {
    ...RUN,
    name: 'a phase of a step counts twice',
    find: 'const waitMs = summedMs - startedMs - reduceMs',
    replace: 'const waitMs = summedMs - startedMs',
  },
  {
    ...RESULT,
    name: 'a NaN gradient is accepted',
    find: '!(Math.abs(vector[index]) <= ABSURD)',
    replace: 'Math.abs(vector[index]) > ABSURD',
  },
  { ...RESULT, name: 'absurd gradients are taken', find: '1e18', replace: '1e30' },
  {
    ...BEST,
    name: 'of equal accuracies and losses the earlier weights are the best',
    find: 'validation.step > best.step',
    replace: 'validation.step < best.step',
  },
  {
    ...BEST,
    name: 'of equal accuracies the higher loss is the best',
    find: 'validation.loss < best.loss',
    replace: 'validation.loss > best.loss',
  },
  {
    ...BEST,
    name: 'the best weights are those of the lowest loss',
    find: 'if (accuracy !== bestAccuracy)',
    replace: 'if (false)',
  },
  {
    ...BEST,
    name: 'a NaN loss ranks as equal to any other',
    find: 'if (isNumber !== wasNumber)',
    replace: 'if (false)',
  },
]
