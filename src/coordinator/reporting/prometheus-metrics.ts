import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { RunObserver } from '../run-events.js'

/** Steps take 10 ms on a GPU to seconds on a small CPU. */
const STEP_BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30]

/** The run's Prometheus metrics, kept up to date by its events. */
export class PrometheusMetrics {
  readonly registry = new Registry()
  readonly observe: RunObserver

  constructor() {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry, prefix: 'convoy_' })
    const gauge = (name: string, help: string): Gauge => new Gauge({ name: `convoy_${name}`, help, registers })
    const counter = (name: string, help: string): Counter =>
      new Counter({ name: `convoy_${name}_total`, help, registers })

    const info = new Gauge({
      name: 'convoy_run_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['network', 'dataset', 'seed'],
      registers,
    })
    const step = gauge('step', 'Steps applied so far.')
    const plannedSteps = gauge('planned_steps', 'Steps of the whole run.')
    const epoch = gauge('epoch', 'Epochs of samples used so far.')
    const samples = counter('samples', 'Training samples used.')
    const loss = gauge('loss', 'Mean loss of the last batch, label smoothing included.')
    const accuracy = gauge('accuracy_ratio', 'Accuracy on the last batch, 0 to 1.')
    const learningRate = gauge('learning_rate', 'Learning rate of the last step.')
    const gradientNorm = gauge('gradient_norm', 'L2 norm of the averaged gradient before clipping.')
    const stepSeconds = new Histogram({
      name: 'convoy_step_duration_seconds',
      help: 'From the first lease of a step to its published weights.',
      buckets: STEP_BUCKETS,
      registers,
    })
    const workers = gauge('workers', 'Workers that take part now.')
    const joins = counter('worker_joins', 'Workers that joined.')
    const departures = counter('worker_departures', 'Workers that left or were lost.')
    const reissued = counter('shards_reissued', 'Shards taken from a worker and given to others.')
    const refused = counter('results_refused', 'Results that were refused: stale, malformed, not finite.')
    const rescued = counter('shards_rescued', 'Shards computed a second time because their worker was late.')
    const quarantines = counter('quarantines', 'Times that a worker was put in quarantine.')
    const audits = new Counter({
      name: 'convoy_audits_total',
      help: 'Blocks computed twice and compared, by outcome.',
      labelNames: ['outcome'],
      registers,
    })
    const evaluation = (name: string, help: string): Gauge =>
      new Gauge({ name: `convoy_evaluation_${name}`, help, labelNames: ['split'], registers })
    const evaluationLoss = evaluation('loss', 'Mean cross-entropy of the last evaluation.')
    const evaluationAccuracy = evaluation('accuracy_ratio', 'Accuracy of the last evaluation, 0 to 1.')
    const evaluationSeconds = evaluation('duration_seconds', 'Duration of the last evaluation.')

    this.observe = (event) => {
      switch (event.kind) {
        case 'started':
          info.set({ network: event.config.network.name, dataset: event.dataset.name, seed: event.config.seed }, 1)
          plannedSteps.set(event.totalSteps)
          this.#batchSize = event.config.batchSize
          break
        case 'step':
          step.set(event.step)
          epoch.set(event.epoch)
          samples.inc(this.#batchSize)
          loss.set(event.loss)
          accuracy.set(event.accuracy)
          learningRate.set(event.learningRate)
          gradientNorm.set(event.gradientNorm)
          stepSeconds.observe(event.durationMs / 1000)
          break
        case 'worker-joined':
          workers.set(event.workers)
          joins.inc()
          break
        case 'worker-left':
          workers.set(event.workers)
          departures.inc()
          break
        case 'reissued':
          reissued.inc(event.shards)
          break
        case 'refused':
          refused.inc()
          break
        case 'rescued':
          rescued.inc(event.shards)
          break
        case 'quarantined':
          quarantines.inc()
          break
        case 'audited':
          audits.inc({ outcome: event.outcome })
          break
        case 'evaluated': {
          const { split, loss: splitLoss, accuracy: splitAccuracy, durationMs } = event.result
          evaluationLoss.set({ split }, splitLoss)
          evaluationAccuracy.set({ split }, splitAccuracy)
          evaluationSeconds.set({ split }, durationMs / 1000)
          break
        }
        case 'waiting':
        case 'evaluating':
        case 'finished':
          break
      }
    }
  }

  #batchSize = 0
}
