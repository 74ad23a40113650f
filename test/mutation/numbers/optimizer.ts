import type { NumberMutation } from '../mutation.js'

const SEEN_BY = {
  tests: ['unit/training/optimizer-steps', 'unit/training/semantics-vectors', 'unit/training/golden-arithmetic'],
}
const MEAN = { ...SEEN_BY, file: 'training/average-gradient.js' }
const STEP = {
  file: 'training/apply-gradient.js',
  tests: ['unit/training/optimizer-steps', 'unit/training/golden-arithmetic'],
}
const OPTIMIZER = { ...SEEN_BY, file: 'training/optimizers/optimizer.js' }
const SGD = { ...SEEN_BY, file: 'training/optimizers/sgd.js' }
const ADAMW = { ...SEEN_BY, file: 'training/optimizers/adamw.js' }
const SCHEDULE = { ...SEEN_BY, file: 'training/schedules/schedules.js' }
const ONE_CYCLE = { ...SEEN_BY, file: 'training/schedules/one-cycle.js' }
const COSINE = { ...SEEN_BY, file: 'training/schedules/cosine.js' }
const STEPS = { ...SEEN_BY, file: 'training/schedules/step.js' }
const TREE = {
  file: 'shared/reduction-tree.js',
  tests: ['unit/shared/reduction-tree', 'unit/training/semantics-vectors'],
}

/** From the shards' vectors to new weights. */
export const OPTIMIZER_STEP: readonly NumberMutation[] = [
  {
    ...TREE,
    name: 'the last element of a vector is not added',
    find: 'end = left.length',
    replace: 'end = left.length - 1',
  },
  { ...MEAN, name: 'the gradient is the sum over the batch', find: 'sum[index] / batchSize', replace: 'sum[index]' },
  { ...MEAN, name: 'L2 has half of its gradient', find: '2 * l2 * weights', replace: 'l2 * weights' },
  {
    ...MEAN,
    name: 'the norm is without L2',
    find: 'squares += g * g;',
    replace: 'squares += (g - 2 * l2 * weights[index]) ** 2;',
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
    find: 'sum[weightCount + 1] / batchSize',
    replace: 'sum[weightCount + 1]',
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
