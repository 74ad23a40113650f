import { Command } from 'commander'
import type { CheckpointManifest } from '../../durability/checkpoint-manifest.js'
import { writeEveryNumber } from '../../durability/every-number.js'
import { readManifest } from '../../durability/read-checkpoint.js'
import type { ParameterTensor } from '../../model/parameter-layout.js'
import { bytesUnder } from '../../shared/bytes-under.js'
import { printable } from '../../shared/log/printable.js'
import { shellWord } from '../../shared/shell-word.js'
import { Table } from '../../shared/table.js'
import { standardOutput } from '../../shared/terminal.js'
import { counted, formatBytes } from '../../shared/units.js'
import { describeAccuracy, describeTime, validationOf } from './checkpoint-facts.js'
import type { CheckpointFlags } from './checkpoint-places.js'
import { checkpointIn, findPlace } from './checkpoint-places.js'
import { networkName } from '../../model/config/run-config.js'

export function showCommand(): Command {
  return new Command('show')
    .description('show a checkpoint: position, settings, vectors and their shapes')
    .argument('<run or checkpoint>', 'directory of a checkpoint, or a run: its newest checkpoint')
    .action(async (name: string, { runsDir, json }: CheckpointFlags) => {
      const directory = checkpointIn(findPlace(runsDir, name))
      const manifest = readManifest(directory)
      const bytes = await bytesUnder(directory)
      standardOutput.print(json ? asJson(directory, manifest, bytes) : asText(directory, manifest, bytes))
    })
}

function asJson(directory: string, manifest: CheckpointManifest, bytes: number): string {
  const { description, values, vectors, ...facts } = manifest
  const { config, dataset, model } = description
  const shown = {
    ...{ directory, bytes, ...facts, config, optimizer: values.optimizer },
    dataset: { name: dataset.name, fingerprint: dataset.fingerprint },
    ...{ best: validationOf(manifest, 'best'), last: validationOf(manifest, 'last'), vectors },
    tensors: model.layout.tensors.map(({ name, shape, trainable }) => ({ name, shape, trainable })),
  }
  return `${JSON.stringify(shown, writeEveryNumber)}\n`
}

function asText(directory: string, manifest: CheckpointManifest, bytes: number): string {
  const { tensors } = manifest.description.model.layout
  return [
    printable(directory),
    factsOf(manifest, bytes).toString(),
    vectorsOf(manifest).toString(),
    tensorsOf(tensors).toString(),
    'A vector of all weights holds every tensor, the others the trainable ones: `weights/<tensor>` and so on in the state file.',
    `The state file was not read. Verify every byte: npx convoy checkpoint verify ${shellWord(printable(directory))}`,
    '',
  ].join('\n')
}

function factsOf(manifest: CheckpointManifest, bytes: number): Table {
  const { run, position, description, convoy, createdAt, format, ancestor, deviceFingerprint, weightsSha256 } = manifest
  const { config, dataset } = description
  const table = new Table({ compact: true })
  table.push(
    { run: `${run.directory} (recipe ${run.recipe})` },
    { step: `${position.step}, epoch ${position.epoch.toFixed(2)}, ${counted(position.samplesSeen, 'sample')} seen` },
    { seed: position.seed },
    { made: `${describeTime(createdAt)}, by Convoy ${convoy}, format ${format}` },
    { size: formatBytes(bytes) },
    { 'data set': `${dataset.name} (${dataset.fingerprint.slice(0, 16)})` },
    { network: `${networkName(config)}, ${config.precision}` },
    { optimizer: `${config.optimizer.kind}, schedule ${config.schedule.kind}` },
    { 'last validation': describeAccuracy(validationOf(manifest, 'last')) },
    { 'best validation': describeAccuracy(validationOf(manifest, 'best')) },
    { device: deviceFingerprint ?? 'no result has counted yet' },
    { 'weights sha256': weightsSha256 },
    { 'began with': ancestor === null ? 'weights of its own' : `${ancestor.run}, step ${ancestor.step}` },
  )
  return table
}

function vectorsOf({ vectors, description }: CheckpointManifest): Table {
  const { weightCount } = description.model.layout
  const table = new Table({ head: ['vector', 'values', 'of'], compact: true })
  for (const [name, length] of Object.entries(vectors))
    table.push([name, length, length === weightCount ? 'all weights' : 'trainable weights'])
  return table
}

function tensorsOf(tensors: readonly ParameterTensor[]): Table {
  const table = new Table({ head: ['tensor', 'shape', 'trainable'], compact: true })
  for (const { name, shape, trainable } of tensors)
    table.push([name, `[${shape.join(', ')}]`, trainable ? 'yes' : 'no'])
  return table
}
