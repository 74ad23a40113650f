import type { NumberMutation } from '../mutation.js'

const SEEN_BY = {
  tests: [
    'unit/training/native-loops',
    'unit/training/optimizer-steps',
    'unit/training/semantics-vectors',
    'unit/training/golden-arithmetic',
  ],
}
const MEAN = { ...SEEN_BY, file: 'training/average-gradient.js' }
const STEP = {
  file: 'training/apply-gradient.js',
  tests: ['unit/training/optimizer-steps', 'unit/training/golden-arithmetic'],
}
const OPTIMIZER = { ...SEEN_BY, file: 'training/optimizers/optimizer.js' }
const SGD = { ...SEEN_BY, file: 'training/optimizers/sgd.js' }
const ADAMW = { ...SEEN_BY, file: 'training/optimizers/adamw.js' }
const RMSPROP = { ...SEEN_BY, file: 'training/optimizers/rmsprop.js' }
const ADAGRAD = { ...SEEN_BY, file: 'training/optimizers/adagrad.js' }
const ADADELTA = { ...SEEN_BY, file: 'training/optimizers/adadelta.js' }
const ADAMAX = { ...SEEN_BY, file: 'training/optimizers/adamax.js' }
const SCHEDULE = { ...SEEN_BY, file: 'training/schedules/schedules.js' }
const ONE_CYCLE = { ...SEEN_BY, file: 'training/schedules/one-cycle.js' }
const COSINE = { ...SEEN_BY, file: 'training/schedules/cosine.js' }
const STEPS = { ...SEEN_BY, file: 'training/schedules/step.js' }
const TREE = {
  file: 'shared/reduction-tree.js',
  tests: ['unit/training/native-loops', 'unit/shared/reduction-tree', 'unit/training/semantics-vectors'],
}
const ROUNDING = { file: 'shared/bfloat16.js', tests: ['unit/shared/bfloat16'] }

/** From the shards' vectors to new weights. */
export const OPTIMIZER_STEP: readonly NumberMutation[] = [
  {
    ...TREE,
    name: 'the last element of a vector is not added',
    find: 'index < left.length',
    replace: 'index < left.length - 1',
  },
  {
    ...TREE,
    name: 'the gradient of a shard is added as it is with wire bfloat16',
    find: 'roundToBfloat16(vector, this.#rounded);',
    replace: '',
  },
  {
    ...TREE,
    name: 'a worker does not round its sums',
    find: 'addInto(left, right, 1, rounded);',
    replace: 'addInto(left, right, 1, 0);',
  },
  {
    ...ROUNDING,
    name: 'the middle between two values of bfloat16 is rounded up',
    find: 'bits + 0x7fff + ((bits >>> 16) & 1)',
    replace: 'bits + 0x8000',
  },
  {
    ...ROUNDING,
    name: 'values are cut off to bfloat16',
    find: 'bits + 0x7fff + ((bits >>> 16) & 1)',
    replace: 'bits',
  },
  {
    ...ROUNDING,
    name: 'NaN is rounded by its bits',
    find: '(bits & 0x7fffffff) > INFINITE',
    replace: 'false',
  },
  {
    file: 'model/rounded-count.js',
    tests: ['unit/model/rounded-count'],
    name: 'batch statistics are rounded to bfloat16',
    find: 'model.layout.trainableCount',
    replace: 'model.layout.weightCount',
  },
  {
    file: 'coordinator/pool-task.js',
    tests: ['unit/coordinator/worker-pool'],
    name: 'the coordinator does not round its sums',
    find: 'threadsFor(left.length), task.rounded)',
    replace: 'threadsFor(left.length))',
  },
  { ...MEAN, name: 'the gradient is the sum over the batch', find: 'sum[index] / batchSize', replace: 'sum[index]' },
  { ...MEAN, name: 'L2 has half of its gradient', find: '2 * l2 * weights', replace: 'l2 * weights' },
  {
    ...MEAN,
    name: 'the norm is without L2',
    find: 'LANES] += g * g;',
    replace: 'LANES] += (g - 2 * l2 * weights[index]) ** 2;',
  },
  {
    ...MEAN,
    name: 'the gradient is not rounded before its square is taken',
    find: 'const g = Math.fround(sum[index] / batchSize + 2 * l2 * weights[index]);',
    replace: 'const g = sum[index] / batchSize + 2 * l2 * weights[index];',
  },
  {
    ...STEP,
    name: 'clipping scales small gradients up',
    find: 'clipNorm !== null && gradientNorm > clipNorm',
    replace: 'clipNorm !== null',
  },
  {
    ...STEP,
    name: 'clipping adds an epsilon to the norm',
    find: 'clipNorm / gradientNorm',
    replace: 'clipNorm / (gradientNorm + 1e-6)',
  },
  {
    ...STEP,
    name: 'clipping is by the square of the norm',
    find: 'Math.sqrt(squares.reduce((total, slice) => total + slice, 0))',
    replace: 'squares.reduce((total, slice) => total + slice, 0)',
  },
  {
    ...STEP,
    name: 'a step with a NaN loss is applied',
    find: '!Number.isFinite(gradientNorm) || !Number.isFinite(loss)',
    replace: '!Number.isFinite(gradientNorm)',
  },
  {
    ...STEP,
    name: 'moving statistics are means over the batch',
    find: 'sum[index]) / shards',
    replace: 'sum[index]) / batchSize',
  },
  {
    ...STEP,
    name: 'moving statistics use 1 - momentum in place of momentum',
    find: 'statisticsMomentum * weights[index] + ((1 - statisticsMomentum) * sum[index]) / shards',
    replace: '(1 - statisticsMomentum) * weights[index] + (statisticsMomentum * sum[index]) / shards',
  },
  {
    ...STEP,
    name: 'the first of the moving statistics is not updated',
    find: 'let index = trainableCount; index < weightCount',
    replace: 'let index = trainableCount + 1; index < weightCount',
  },
  {
    ...STEP,
    name: 'the accuracy of a step is its count',
    find: 'sum[layout.weightCount + 1 + index] / batchSize',
    replace: 'sum[layout.weightCount + 1 + index]',
  },
  {
    ...SGD,
    name: 'Nesterov has the old velocity',
    find: 'velocity[index] = v;\n            weights[index] = weights[index] - learningRate * (nesterov ? g + momentum * v : v);',
    replace:
      'weights[index] = weights[index] - learningRate * (nesterov ? g + momentum * velocity[index] : v);\n            velocity[index] = v;',
  },
  {
    ...SGD,
    name: 'the velocity adds 1 - momentum of the gradient',
    find: 'momentum * velocity[index] + g)',
    replace: 'momentum * velocity[index] + (1 - momentum) * g)',
  },
  {
    ...SGD,
    name: 'the step uses the velocity before rounding',
    find: 'const v = Math.fround(momentum * velocity[index] + g);',
    replace: 'const v = momentum * velocity[index] + g;',
  },
  {
    ...ADAMW,
    name: 'the bias correction is one step ahead',
    find: 'return { beta1Power: beta1Power * beta1, beta2Power: beta2Power * beta2 };',
    replace: 'return { beta1Power: beta1Power * beta1 * beta1, beta2Power: beta2Power * beta2 * beta2 };',
  },
  {
    ...ADAMW,
    name: 'the epsilon of AdamW is inside the root',
    find: '(Math.sqrt(v / (1 - beta2Power)) + epsilon)',
    replace: 'Math.sqrt(v / (1 - beta2Power) + epsilon)',
  },
  {
    ...ADAMW,
    name: 'the second moment uses the gradient before clipping',
    find: '(1 - beta2) * g * g)',
    replace: '(1 - beta2) * gradient[index] * gradient[index])',
  },
  { ...OPTIMIZER, name: 'biases decay', find: 'shape.length >= 2', replace: 'shape.length >= 1' },
  {
    ...ADAMW,
    name: 'weight decay is not scaled by the learning rate',
    find: 'decays ? learningRate * weightDecay : 0',
    replace: 'decays ? weightDecay : 0',
  },
  {
    ...OPTIMIZER,
    name: 'every state vector begins at zero',
    find: 'vectors[name].fill(value);',
    replace: 'vectors[name].fill(0);',
  },
  {
    ...OPTIMIZER,
    name: 'the numbers of an optimizer that goes on are one step behind',
    find: 'step < steps; step++',
    replace: 'step < steps - 1; step++',
  },
  {
    ...RMSPROP,
    name: 'the epsilon of RMSProp is outside of the root',
    find: '(learningRate * g) / Math.sqrt(divisor)',
    replace: '(learningRate * g) / (Math.sqrt(divisor - epsilon) + epsilon)',
  },
  {
    ...RMSPROP,
    name: 'the momentum of RMSProp is without the learning rate',
    find: 'weights[index] = weights[index] - moved;',
    replace: 'weights[index] = weights[index] - learningRate * moved;',
  },
  {
    ...RMSPROP,
    name: 'centered RMSProp adds epsilon',
    find: 'square - (mean * mean + epsilon)',
    replace: 'square - mean * mean + epsilon',
  },
  {
    ...RMSPROP,
    name: 'centered RMSProp takes the root of a negative number',
    find: 'divisor > 0 ? (learningRate * g) / Math.sqrt(divisor) : 0',
    replace: '(learningRate * g) / Math.sqrt(divisor)',
  },
  {
    ...ADAGRAD,
    name: 'the sum of AdaGrad is without the last gradient',
    find: 'Math.sqrt(sum + epsilon)',
    replace: 'Math.sqrt(sum - g * g + epsilon)',
  },
  {
    ...ADADELTA,
    name: 'a step of Adadelta divides by the mean with its own gradient',
    find: 'Math.sqrt(before + epsilon)',
    replace: 'Math.sqrt(rho * before + (1 - rho) * g * g + epsilon)',
  },
  {
    ...ADAMAX,
    name: 'the largest gradient of AdaMax does not decay',
    find: 'Math.max(beta2 * largest[index],',
    replace: 'Math.max(largest[index],',
  },
  {
    ...ADAMAX,
    name: 'the decay of AdaMax begins with the first step',
    find: '1 + decay * (steps - 1)',
    replace: '1 + decay * steps',
  },
  {
    ...SCHEDULE,
    name: 'the progress of the last step is below 1',
    find: 'step / (totalSteps - 1)',
    replace: 'step / totalSteps',
  },
  {
    ...COSINE,
    name: 'the warmup of the cosine schedule begins at 0',
    find: '(peak * (step + 1))',
    replace: '(peak * step)',
  },
  {
    ...COSINE,
    name: 'the warmup of the cosine schedule ends one step early',
    find: '(warmup * (totalSteps - 1) + 1)',
    replace: '(warmup * (totalSteps - 1))',
  },
  {
    ...ONE_CYCLE,
    name: 'a one-cycle schedule begins at 0',
    find: 'halfCosine(initial * peak, peak, progress / warmup)',
    replace: 'halfCosine(0, peak, progress / warmup)',
  },
  {
    ...STEPS,
    name: 'a milestone counts one step later',
    find: 'progress >= milestone',
    replace: 'progress > milestone',
  },
  {
    ...STEPS,
    name: 'milestones beyond the first do not count',
    find: 'rate *= factor;',
    replace: 'rate = initial * factor;',
  },
  {
    file: 'shared/trigonometry.js',
    tests: ['unit/training/semantics-vectors', 'unit/training/golden-arithmetic'],
    name: 'sine and cosine are those of the machine',
    find: 'return { sine: angle * (1 + sine), cosine: 1 + cosine };',
    replace: 'return { sine: Math.sin(angle), cosine: Math.cos(angle) };',
  },
]
