import { REJECTION_CODES } from '../../shared/rejection.js'
import { z } from 'zod'
import { SPLIT_NAMES } from '../../data/dataset.js'
import { RETRIES } from '../../metrics/definitions.js'

const count = z.int().min(0)
/** Of a loss or a norm: finite, or the run would have ended. */
const number = z.number()
const share = z.number().min(0).max(1)
const milliseconds = z.number().min(0)
const seconds = z.number().min(0)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

const workerId = z.int().min(1).describe('number of the worker, never used twice in a run')
const workers = count.describe('workers that take part now')
const worker = z
  .strictObject({
    id: workerId,
    name: z.string().describe('host name and a number, or the name given with `convoy worker --name`'),
    device: z.strictObject({
      kind: z.enum(['cpu', 'gpu']),
      name: z.string().describe('CPU or GPU model'),
      tensorflowVersion: z.string(),
      fingerprint: z.string().describe('hash of everything that can change a bit'),
    }),
  })
  .describe('the worker')
const reason = z.string().describe('why, as text')
const split = z.enum(SPLIT_NAMES)
const weights = z.strictObject({
  step: count.describe('steps that made them'),
  sha256: sha256.describe('of the flat float32 vector, little-endian'),
  validation: z
    .strictObject({ accuracy: share.exactOptional(), loss: number })
    .exactOptional()
    .describe('measured on the validation split; absent when that has no samples'),
})

const columns = z
  .array(
    z.strictObject({
      name: z.string(),
      type: z.enum(['float32', 'int32']),
      shape: z.array(count).readonly().describe('of one sample'),
      classNames: z
        .array(z.string())
        .readonly()
        .exactOptional()
        .describe('of a target: its numbers are indices of these'),
    }),
  )
  .readonly()

const measures = z.record(z.string(), number)

const replayed = z.literal(true).exactOptional()

/** A line of metrics.jsonl: what every line has, and what its kind has. */
function line<Kind extends string, Shape extends z.core.$ZodLooseShape>(kind: Kind, meaning: string, shape: Shape) {
  return z
    .strictObject({
      time: z.number().positive().describe('seconds since 1970 (UTC)'),
      kind: z.literal(kind),
      ...shape,
    })
    .describe(meaning)
}

/** Every kind of line that `metrics.jsonl` can hold. */
export const METRICS_LINES = [
  line('started', 'The run begins. `config.yaml` beside the file has the configuration.', {
    dataset: z
      .strictObject({
        name: z.string(),
        fingerprint: z.string().describe('sha256 over shape, class names, labels and pixels'),
        count: count.describe('samples'),
        height: count.exactOptional().describe('pixels; only of images'),
        width: count.exactOptional().describe('pixels; only of images'),
        channels: count.exactOptional().describe('only of images'),
        inputs: columns.exactOptional().describe('only of samples that are no images'),
        targets: columns.exactOptional().describe('what is learnt where that is not the class alone'),
        hasWeights: z.literal(true).exactOptional().describe('samples have weights'),
        classNames: z.array(z.string()).readonly(),
      })
      .describe('the data set'),
    splitSizes: z.strictObject({ train: count, validation: count, test: count }).describe('images of each split'),
    totalSteps: count.describe('steps of the whole run'),
    stepsPerEpoch: z.number().positive().describe('not whole where batches straddle epochs'),
    parameterCount: count.describe('trainable parameters'),
  }),
  line('resumed', 'The run goes on after its coordinator ended.', {
    step: count.describe('steps that are done'),
    epoch: z.number().min(0).describe('epochs of samples used so far'),
    checkpointStep: count.describe('steps in the checkpoint; those after it come from the step journal'),
  }),
  line('waiting', 'No worker can compute; the run waits for one.', {
    starting: count.min(1).optional().describe("workers of the run's own that are starting; absent: none"),
  }),
  line('paused', 'The run was asked to pause: it makes no step until `continued`.', {
    step: count.describe('steps that are done'),
  }),
  line('continued', 'A paused run goes on, or was asked to stop.', {
    step: count.describe('steps that are done'),
    seconds: seconds.describe('length of the pause'),
  }),
  line('worker-joined', 'A worker joined.', { worker, workers }),
  line('worker-left', 'A worker left or was lost.', {
    worker,
    reason,
    workers,
    samples: count.exactOptional().describe('training images of the worker whose gradients counted'),
  }),
  line('step', 'A step was applied.', {
    step: count.describe('steps applied so far: 1 after the first'),
    epoch: z.number().min(0).describe('epochs of samples used so far'),
    loss: number.describe('mean over the batch, label smoothing included, L2 excluded'),
    accuracy: share
      .exactOptional()
      .describe('of the batch, in the training pass: augmented, before the update; absent without classes'),
    metrics: measures.exactOptional().describe('other means over the batch: `mae`; with several outputs those of each'),
    learningRate: z.number().min(0),
    gradientNorm: z.number().min(0).describe('norm of the averaged gradient with that of L2, before clipping'),
    durationMs: milliseconds.describe('from the first lease to the published weights'),
    phaseSeconds: z
      .strictObject({
        ...{ wait: seconds, reduce: seconds, apply: seconds, publish: seconds },
        journal: seconds.exactOptional().describe('absent without a step journal'),
      })
      .describe("of it in each of the coordinator's phases ([metrics](metrics.md#phases-of-a-step))"),
    workers,
    replayed: replayed.describe('applied by an earlier coordinator, and read from the step journal'),
  }),
  line('evaluated', 'An evaluation is over: validation after each epoch, test at the end.', {
    result: z.strictObject({
      split,
      step: count.describe('steps in the weights'),
      samples: count,
      loss: number.describe(
        'mean per sample, without label smoothing and L2; of classes the cross-entropy with the natural logarithm',
      ),
      accuracy: share.exactOptional().describe('absent without classes'),
      confusion: z
        .array(z.array(count).readonly())
        .readonly()
        .describe('`[label][prediction]`: samples; empty without classes'),
      metrics: measures
        .exactOptional()
        .describe(
          'of classes `precision`, `recall`, `f1` (means over classes) and, of more than five, `top5`; of yes or no those of yes, and `auc`; of other numbers `mae`, `rmse`, `r2`; with several outputs those of each, with its name before them',
        ),
      durationMs: milliseconds,
    }),
    epoch: z.number().min(0).describe('of the weights'),
    best: z
      .boolean()
      .describe(
        'of the best weights so far: higher validation accuracy, else lower loss, else later; true for the test',
      ),
    reducesRate: z
      .literal(true)
      .exactOptional()
      .describe('`plateau` reduces the learning rate of all further steps; absent: it does not'),
    replayed: replayed.describe('by an earlier coordinator, and read from the step journal'),
  }),
  line('reissued', 'Shards were taken from a worker and given to others.', {
    workerId,
    shards: count,
    cause: z.enum(RETRIES).describe('the worker was lost, failed or returned an invalid result'),
    reason,
  }),
  line('refused', "A worker's result did not count.", {
    code: z.enum(REJECTION_CODES).optional().describe('why, for machines; absent in runs of older versions'),
    reason,
    worker,
  }),
  line('rescued', 'An idle worker recomputes late shards of another worker; the first result counts.', {
    workerId: workerId.describe('the worker that recomputes them'),
    lateId: workerId.describe('the worker that is late'),
    shards: count,
  }),
  line('quarantined', 'A worker gets no work for a while.', {
    name: z.string().describe("the worker's"),
    seconds: seconds.nullable().describe('how long; null: for the rest of the run'),
    reason,
  }),
  line('audited', 'A block was computed twice and compared.', {
    outcome: z
      .enum(['agreed', 'mismatch', 'unverified', 'disputed'])
      .describe(
        'mismatch: a third result decided; unverified: no worker was left to compare; disputed: not decided yet',
      ),
  }),
  line('finished', 'The run is over. `result.json` has the result.', {
    weightsSha256: sha256.describe('of the last weights'),
    weights: z
      .strictObject({
        best: weights.describe('that validation chose, and the test is of'),
        last: weights.describe('after the last step'),
      })
      .exactOptional()
      .describe('that the run leaves behind (absent in runs of earlier versions)'),
  }),
] as const

export const metricsLineSchema = z.discriminatedUnion('kind', METRICS_LINES)
export type MetricsLine = z.output<typeof metricsLineSchema>
