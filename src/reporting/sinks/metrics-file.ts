import path from 'node:path'
import type { RunEvent, RunObserver } from '../../training/run-events.js'
import type { MetricsLine } from './metrics-line.js'
import { ReportFile } from '../page/report-file.js'
import type { RunSink, SinkContext, SinkDefinition } from './run-sink.js'

export const metricsFile: SinkDefinition = {
  name: 'metrics.jsonl',
  open: (context) => new MetricsFile(context),
}

/** Writes the run's events to `metrics.jsonl`, one {@link MetricsLine} a line, as soon as they happen. */
export class MetricsFile implements RunSink {
  readonly #file: ReportFile
  readonly #wallSeconds: () => number

  constructor({ runDirectory, wallSeconds, onLost }: SinkContext) {
    this.#file = new ReportFile(path.join(runDirectory, 'metrics.jsonl'), { flushMs: 0, onLost })
    this.#wallSeconds = wallSeconds
  }

  readonly observe: RunObserver = (event) => {
    if (event.kind === 'evaluating') return
    const line: MetricsLine = { time: this.#wallSeconds(), ...compact(event) }
    this.#file.append(Buffer.from(`${JSON.stringify(line)}\n`))
  }

  /** Everything is in the file when this settles. */
  async close(): Promise<void> {
    return this.#file.close()
  }
}

type Untimed<Line> = Line extends MetricsLine ? Omit<Line, 'time'> : never

/** `result.json` and `config.yaml` hold the rest. */
function compact(event: Exclude<RunEvent, { kind: 'evaluating' }>): Untimed<MetricsLine> {
  switch (event.kind) {
    case 'started': {
      const { config: _config, ...rest } = event
      return rest
    }
    case 'finished':
      return { kind: event.kind, weightsSha256: event.result.weightsSha256, weights: event.result.weights }
    default:
      return event
  }
}
