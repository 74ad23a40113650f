import type { NumberMutation } from '../mutation.js'

const RUN = { file: 'training/trainer.js', tests: ['unit/training/trainer'] }
const OUTCOME = { file: 'training/run-result.js', tests: ['unit/training/trainer'] }
const EVALUATION = { file: 'model/objectives/evaluation.js', tests: ['unit/training/trainer'] }
const CLASSES = 'model/objectives/class-measures.js'
const POOL = { file: 'coordinator/pool-gradient-source.js', tests: ['unit/training/trainer'] }
const RESULT = {
  file: 'training/first-bad-value.js',
  tests: ['unit/training/native-loops', 'unit/training/first-bad-value'],
}
const PLATEAU = { file: 'training/callbacks/plateau.js', tests: ['unit/training/callbacks/plateau'] }
const CALLBACKS = { file: 'training/callbacks/callback-runner.js', tests: ['unit/training/callbacks/own-callbacks'] }
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
    find: 'config, this.#plannedSteps)',
    replace: 'config, this.#totalSteps)',
  },
  {
    ...RUN,
    name: 'the rate of a step is that of the next one',
    find: 'config, this.#plannedSteps)',
    replace: 'config, step + 1, scheduledSteps)',
  },
  {
    ...RUN,
    name: 'a run stops early one epoch late',
    find: '>= earlyStopping',
    replace: '> earlyStopping',
  },
  {
    ...PLATEAU,
    name: 'a plateau reduces the rate one epoch late',
    find: 'epochs >= patience',
    replace: 'epochs > patience',
  },
  {
    ...PLATEAU,
    name: 'a plateau reduces the rate after every epoch once it has begun',
    find: 'Math.max(steps.best, state.step)',
    replace: 'steps.best',
  },
  {
    ...PLATEAU,
    name: 'a better validation does not begin the count of a plateau anew',
    find: 'Math.max(steps.best, state.step)',
    replace: 'state.step',
  },
  {
    ...PLATEAU,
    name: 'a plateau raises a rate that the schedule made lower than its least one',
    find: 'if (scheduled <= minRate)',
    replace: 'if (scheduled < 0)',
  },
  {
    ...PLATEAU,
    name: 'a plateau reduces the rate below its least one',
    find: 'return Math.max(rate, minRate)',
    replace: 'return rate',
  },
  {
    ...PLATEAU,
    name: 'a plateau reduces the rate once only',
    find: 'reduction < reductions &&',
    replace: 'reduction < Math.min(1, reductions) &&',
  },
  {
    ...PLATEAU,
    file: 'durability/replay-journal.js',
    name: 'a replayed validation does not reach the plateau',
    find: 'state.callbacks.onEpoch(frame.result, state.best.step, epochs)',
    replace: '({})',
  },
  {
    ...PLATEAU,
    file: 'training/training-state-tensors.js',
    name: 'a checkpoint forgets the reductions of a plateau',
    find: 'new CallbackRunner(description.config, values.callbacks)',
    replace: 'new CallbackRunner(description.config)',
  },
  {
    ...CALLBACKS,
    name: 'a factor of a callback takes the place of those before it',
    find: 'this.#state.rateFactor * learningRateFactor',
    replace: 'learningRateFactor',
  },
  {
    ...CALLBACKS,
    name: 'a checkpoint has the state that the callbacks began with',
    find: 'saved: this.#saved(this.#own)',
    replace: 'saved: this.#state.saved',
  },
  {
    ...CALLBACKS,
    file: 'durability/replay-journal.js',
    name: 'a replayed step does not reach the callbacks',
    find: 'state.callbacks.onStep({ ...place, ...outcome });',
    replace: ';',
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
    file: CLASSES,
    find: '[...sums.subarray(label * size, (label + 1) * size)]',
    replace: 'Array.from({ length: size }, (_, other) => sums[other * size + label])',
  },
  {
    ...EVALUATION,
    name: 'the accuracy of an evaluation is by its first class',
    file: CLASSES,
    find: 'confusion.reduce((sum, row, label) => sum + row[label], 0)',
    replace: 'confusion.reduce((sum, row) => sum + row[0], 0)',
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
