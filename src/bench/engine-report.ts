import os from 'node:os'
import { cpuFeatures, cpuName } from '../tensorflow/runtime/describe-device.js'
import { formatBytes } from '../shared/units.js'
import type { Task } from './contestant.js'
import { BATCH_SIZE } from './contestant.js'
import type { EngineResult } from './engine-benchmark.js'
import { ratioTo } from './engine-benchmark.js'

export interface TaskResults {
  readonly task: Task
  readonly results: readonly EngineResult[]
}

/** Machine, versions and date of a measurement: a rate means nothing without them. */
export function describeConditions(tensorflowVersion: string, date: Date): string {
  const wide = cpuFeatures().filter((feature) => /avx512f|bf16|amx_tile|sve$/.test(feature))
  return (
    `${os.availableParallelism()} cores of ${cpuName()} (${wide.join(', ')}), ${formatBytes(os.totalmem())} of memory, ` +
    `Node ${process.versions.node}, TensorFlow ${tensorflowVersion}, ${date.toISOString().slice(0, 10)}`
  )
}

/** One Markdown table for each task. */
export function engineReport(all: readonly TaskResults[]): string {
  return all
    .map(({ task, results }) => `${heading(task, results)}\n\n${table(results)}\n\n${summary(results)}\n`)
    .join('\n')
}

function heading({ network, precision, augmentation }: Task, results: readonly EngineResult[]): string {
  const parameters = results[0]!.parameters.toLocaleString('en')
  return `### ${network}, ${precision}, ${augmentation ? 'augmented' : 'images as they are'} (${parameters} parameters, batch ${BATCH_SIZE})`
}

function table(results: readonly EngineResult[]): string {
  const fastest = Math.max(...results.map(({ imagesPerSecond }) => imagesPerSecond))
  const rows = results.map(({ name, imagesPerSecond, rounds }) => {
    const range = `${Math.min(...rounds).toFixed(0)} to ${Math.max(...rounds).toFixed(0)}`
    const rate = imagesPerSecond.toFixed(0)
    return `| ${name} | ${imagesPerSecond === fastest ? `**${rate}**` : rate} | ${range} |`
  })
  return ['| contestant | images/s, median of the rounds | range |', '| --- | ---: | ---: |', ...rows].join('\n')
}

function summary(results: readonly EngineResult[]): string {
  const lines = (['PyTorch', 'TensorFlow'] as const).flatMap((maker) => {
    const ratio = ratioTo(maker, results)
    return ratio === undefined
      ? []
      : [`Convoy against the fastest ${maker}, round by round: ${ratio.toFixed(2)} times.`]
  })
  const [one, two] = [1, 2].map((count) => results.find(({ name }) => name.startsWith(`Convoy, ${count} worker`)))
  if (one && two) {
    const share = ((50 * two.imagesPerSecond) / one.imagesPerSecond).toFixed(0)
    lines.push(`Two workers reach ${share} % of twice one worker's rate.`)
  }
  return lines.join('\n')
}
