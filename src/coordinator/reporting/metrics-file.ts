import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { finished } from 'node:stream/promises'
import type { RunEvent, RunObserver } from '../run-events.js'

/** Writes the run's events to `metrics.jsonl`, one JSON object a line, each with `time` in seconds since 1970. */
export class MetricsFile {
  readonly #stream

  constructor(directory: string) {
    this.#stream = createWriteStream(path.join(directory, 'metrics.jsonl'), { flags: 'a' })
  }

  readonly observe: RunObserver = (event) => {
    if (event.kind === 'evaluating') return
    this.#stream.write(`${JSON.stringify({ time: Date.now() / 1000, ...compact(event) })}\n`)
  }

  /** Everything is in the file when this settles. */
  async close(): Promise<void> {
    this.#stream.end()
    await finished(this.#stream)
  }
}

/** `result.json` and `config.yaml` hold the rest. */
function compact(event: RunEvent): object {
  switch (event.kind) {
    case 'started': {
      const { config: _config, ...rest } = event
      return rest
    }
    case 'finished':
      return { kind: event.kind, weightsSha256: event.result.weightsSha256 }
    default:
      return event
  }
}
