import type { EvaluationResult, RunEvent, RunResult } from '../../src/training/run-events.js'
import { RECIPES } from '../../src/model/config/recipes.js'
import { runConfigSchema } from '../../src/model/config/run-config.js'

const config = runConfigSchema.parse(RECIPES['quick']!.config)
const evaluation = (split: 'validation' | 'test'): EvaluationResult => ({
  split,
  step: 2,
  samples: 4,
  loss: 1.25,
  accuracy: 0.75,
  confusion: [
    [2, 0],
    [1, 1],
  ],
  durationMs: 10,
})
export const result: RunResult = {
  weightsSha256: 'ab'.repeat(32),
  weights: {
    best: { step: 2, sha256: 'ab'.repeat(32), validation: { accuracy: 0.75, loss: 1.25 } },
    last: { step: 2, sha256: 'ab'.repeat(32), validation: { accuracy: 0.75, loss: 1.25 } },
  },
  steps: 2,
  samplesSeen: 256,
  samplesPerSecond: 1234.5,
  workers: 2,
  seconds: 61,
  validation: { ...evaluation('validation'), weights: 'best' },
  test: { ...evaluation('test'), weights: 'best' },
  bestStep: 2,
  dataset: 'x',
  datasetFingerprint: '0',
  classNames: ['cat', 'dog'],
  inputShape: [8, 8, 3],
  config,
  reissued: 0,
  timing: { shardMs: 50, resultMs: 0.2, betweenStepsMs: 1, vectorBytes: 100 },
}
const device = { kind: 'cpu', name: 'a CPU', tensorflowVersion: '2', fingerprint: 'f' } as const
export const worker = { id: 1, name: 'host:1', device }
/** Events of a short run, of many kinds. */
export const EVENTS: RunEvent[] = [
  {
    kind: 'started',
    config,
    dataset: { name: 'x', fingerprint: '0', count: 8, height: 8, width: 8, channels: 3, classNames: ['cat', 'dog'] },
    splitSizes: { train: 256, validation: 4, test: 4 },
    totalSteps: 2,
    stepsPerEpoch: 2,
    parameterCount: 75_290,
  },
  { kind: 'waiting' },
  { kind: 'worker-joined', worker, workers: 1 },
  {
    kind: 'step',
    step: 1,
    epoch: 0.5,
    loss: 2,
    accuracy: 0.25,
    learningRate: 0.1,
    gradientNorm: 3,
    durationMs: 200,
    workers: 1,
    phaseSeconds: { wait: 0.15, reduce: 0.01, apply: 0.02, publish: 0.02 },
  },
  { kind: 'paused', step: 1 },
  { kind: 'continued', step: 1, seconds: 3 },
  { kind: 'reissued', workerId: 1, shards: 4, cause: 'lost', reason: 'connection lost' },
  { kind: 'refused', worker, code: 'stale', reason: 'stale' },
  { kind: 'worker-left', worker, reason: 'connection lost', workers: 0 },
  {
    kind: 'step',
    step: 2,
    epoch: 1,
    loss: 1.5,
    accuracy: 0.5,
    learningRate: 0.1,
    gradientNorm: 3,
    durationMs: 100,
    workers: 1,
    phaseSeconds: { wait: 0.09, reduce: 0.002, apply: 0.004, publish: 0.004 },
  },
  { kind: 'evaluating', split: 'validation', done: 1, total: 2 },
  { kind: 'evaluated', result: evaluation('validation'), epoch: 1, best: true },
  { kind: 'finished', result },
]
