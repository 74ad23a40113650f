import { counted } from '../../shared/units.js'
import { medianRatio } from '../engine-benchmark.js'
import { peerVersion } from '../peer-environment.js'
import { withRange } from '../with-range.js'
import { MODEL_PROGRAMS } from './model-programs.js'
import type { ModelsResult } from './models-benchmark.js'

/** How many times as fast as TensorFlow Convoy is: the median of the rounds. Undefined: TensorFlow did not take part. */
export function ratioOf({ convoy, tensorflow }: ModelsResult): number | undefined {
  return tensorflow.length > 0 ? medianRatio(convoy, tensorflow) : undefined
}

/** A Markdown table with a line for each model, and what the models are. */
export function modelsReport(results: readonly ModelsResult[]): string {
  const peer = `TensorFlow ${peerVersion('tensorflow-cpu')}`
  const rows = results.map((result) => {
    const cells = [withRange(result.convoy, 0), withRange(result.tensorflow, 0), ratioOf(result)?.toFixed(2) ?? '-']
    return `| ${result.program} | ${cells.join(' | ')} |`
  })
  const notes = results.map(({ program, parameters }) => {
    return `- ${program}: ${MODEL_PROGRAMS[program].description} (${counted(parameters, 'parameter')})`
  })
  return [
    `| model | Convoy, samples/s | ${peer}, samples/s | Convoy / TensorFlow |`,
    '| --- | ---: | ---: | ---: |',
    ...rows,
    '',
    ...notes,
    '',
  ].join('\n')
}
