import type { NumberMutation } from '../mutation.js'

const RUN = { file: 'coordinator/training-run.js', tests: ['training-run'] }
const RESULT = { file: 'coordinator/first-bad-value.js', tests: ['first-bad-value'] }
const BEST = { file: 'coordinator/best-weights.js', tests: ['best-weights'] }

/** What a run does when, and which weights it names. */
export const TRAINING: readonly NumberMutation[] = [
  {
    ...RUN,
    tests: ['training-run', 'semantics-vectors'],
    name: 'the last batch is left out where it is not full',
    find: 'Math.ceil((epochs * trainSamples) / batchSize)',
    replace: 'Math.floor((epochs * trainSamples) / batchSize)',
  },
  {
    ...RUN,
    name: 'schedules end at maxSteps',
    find: 'config, step, scheduledSteps, lanes)',
    replace: 'config, step, totalSteps, lanes)',
  },
  {
    ...RUN,
    name: 'the rate of a step is that of the next one',
    find: 'config, step, scheduledSteps, lanes)',
    replace: 'config, step + 1, scheduledSteps, lanes)',
  },
  {
    ...RUN,
    name: 'an epoch ends one step later',
    find: 'Math.floor(epoch) > Math.floor(epochsAfter(step - 1))',
    replace: 'Math.floor(epochsAfter(step - 1)) > Math.floor(epochsAfter(step - 2))',
  },
  {
    ...RUN,
    name: 'epochs are counted in full batches',
    find: '(steps * batchSize) / splitSizes.train',
    replace: 'steps / Math.ceil(splitSizes.train / batchSize)',
  },
  {
    ...RUN,
    name: 'the last weights are tested instead of the best ones',
    find: 'weightsVersion = board.publish(best.weights);',
    replace: ';',
  },
  {
    ...RUN,
    name: 'the test is said to be of the last weights',
    find: "evaluate('test', best.step)",
    replace: "evaluate('test', step)",
  },
  {
    ...RUN,
    name: 'the best weights are written over by later steps',
    find: 'weights: weights.slice(), validation',
    replace: 'weights, validation',
  },
  {
    ...RUN,
    name: 'the test is of the validation split',
    find: "evaluate('test', best.step)",
    replace: "evaluate('validation', best.step)",
  },
  {
    ...RUN,
    name: 'the last shard of an evaluation is left out',
    find: 'shards: Math.ceil(samples / config.evaluationShardSize)',
    replace: 'shards: Math.max(1, Math.floor(samples / config.evaluationShardSize))',
  },
  {
    ...RUN,
    name: 'the loss of an evaluation is a mean over shards',
    find: 'loss: sum[classes * classes] / samples',
    replace: 'loss: sum[classes * classes] / Math.ceil(samples / 100)',
  },
  {
    ...RUN,
    name: 'the confusion matrix is transposed where the coordinator reads it',
    find: '...sum.subarray(label * classes, (label + 1) * classes),',
    replace: '...Array.from({ length: classes }, (_, other) => sum[other * classes + label]),',
  },
  {
    ...RUN,
    name: 'the accuracy of an evaluation is by its first class',
    find: 'confusion.reduce((total, row, label) => total + row[label], 0)',
    replace: 'confusion.reduce((total, row) => total + row[0], 0)',
  },
  {
    ...RUN,
    name: 'samplesPerSecond is per worker',
    find: '(steadySteps * batchSize) / (trainingMs / 1000)',
    replace: '(steadySteps * batchSize) / (trainingMs / 1000) / pool.peakWorkers',
  },
  {
    ...RUN,
    name: 'samplesPerSecond counts a first step that took no time',
    find: '(steadySteps * batchSize)',
    replace: '(step * batchSize)',
  },
  {
    ...RUN,
    name: 'samplesSeen counts planned steps',
    find: 'samplesSeen: step * batchSize',
    replace: 'samplesSeen: scheduledSteps * batchSize',
  },
  {
    ...RUN,
    name: 'seconds of a result are milliseconds',
    find: 'seconds: (now() - startedMs) / 1000',
    replace: 'seconds: now() - startedMs',
  },
  {
    ...RUN,
    name: 'the hash of a result is that of the best weights',
    find: 'weightsSha256: summaries.last.sha256',
    replace: 'weightsSha256: summaries.best.sha256',
  },
  {
    ...RUN,
    name: 'a phase of a step counts twice',
    find: '(summedMs - stepStartedMs - reduceMs) / 1000',
    replace: '(summedMs - stepStartedMs) / 1000',
  },
  {
    ...RESULT,
    name: 'a gradient that is no number is taken',
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
    find: 'if (validation.accuracy !== best.accuracy)',
    replace: 'if (false)',
  },
  {
    ...BEST,
    name: 'a loss that is no number is as good as any',
    find: 'if (isNumber !== wasNumber)',
    replace: 'if (false)',
  },
]
