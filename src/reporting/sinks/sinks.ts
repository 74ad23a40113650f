import { metricsFile } from './metrics-file.js'
import type { SinkDefinition } from './run-sink.js'
import { tensorboard } from './tensorboard/tensorboard-report.js'

/** Every run is written to all of these. A new one is a file like metrics-file.ts and a place here: docs/guides/extend.md. */
export const SINKS: readonly SinkDefinition[] = [metricsFile, tensorboard]
