import { Command } from 'commander'
import { writeEveryNumber } from '../../durability/every-number.js'
import { readCheckpoint } from '../../durability/read-checkpoint.js'
import { printable } from '../../shared/log/printable.js'
import { Table } from '../../shared/table.js'
import { standardOutput } from '../../shared/terminal.js'
import { counted } from '../../shared/units.js'
import type { Differences, DifferingTensor } from './checkpoint-differences.js'
import { differencesOf } from './checkpoint-differences.js'
import type { CheckpointFlags } from './checkpoint-places.js'
import { checkpointIn, findPlace } from './checkpoint-places.js'

export function diffCommand(): Command {
  return new Command('diff')
    .description('compare the training states of two checkpoints, bit for bit; exits 1 if they differ')
    .argument('<a>', 'directory of a checkpoint, or a run: its newest checkpoint')
    .argument('<b>', 'the same')
    .action((a: string, b: string, { runsDir, json }: CheckpointFlags) => {
      const [one, other] = [a, b].map((name) => readCheckpoint(checkpointIn(findPlace(runsDir, name))))
      const differences = differencesOf(one!, other!)
      const isEqual = differences.facts.length === 0 && differences.first === null
      const places = { a: one!.directory, b: other!.directory }
      standardOutput.print(
        json
          ? `${JSON.stringify({ ...places, isEqual, ...differences }, writeEveryNumber)}\n`
          : asText(places, differences),
      )
      if (!isEqual) process.exitCode = 1
    })
}

function asText({ a, b }: { a: string; b: string }, { facts, first, tensors, differingTensors }: Differences): string {
  const table = new Table({ head: ['', 'a', 'b'] })
  for (const fact of facts) table.push([fact.path, cell(fact.a), cell(fact.b)])
  const lines = [
    `a: ${printable(a)}`,
    `b: ${printable(b)}`,
    facts.length === 0 ? 'Settings, position, data set, network and validations are equal.' : table.toString(),
    first === null
      ? `${counted(tensors, 'tensor')} compared: equal, bit for bit.`
      : `${differingTensors} of ${counted(tensors, 'tensor')} differ. ${describeTensor(first)}`,
  ]
  return `${lines.join('\n')}\n`
}

function describeTensor({ name, shapes, values, largest }: DifferingTensor): string {
  const [a, b] = shapes.map((shape) => (shape === null ? 'absent' : `[${shape.join(', ')}]`))
  if (largest === null) return `The first is ${printable(name)}: ${a} in a, ${b} in b.`
  const place = `[${largest.index.join(', ')}]`
  return `The first is ${printable(name)} ${a}: ${counted(values!, 'value differs', 'values differ')}, the most at ${place}: ${largest.a} in a, ${largest.b} in b, a difference of ${largest.difference}.`
}

function cell(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value)
}
