import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { LayersModel } from '@tensorflow/tfjs'
import { listCheckpoints } from '../durability/checkpoints.js'
import { readCheckpoint } from '../durability/read-checkpoint.js'
import type { RunConfigInput } from '../model/config/run-config.js'
import { OWN_NETWORK } from '../model/networks/networks.js'
import type { ParameterLayout } from '../model/parameter-layout.js'
import { ConvoyError } from '../shared/errors.js'
import { fromTensors } from '../training/training-state-tensors.js'
import { ConvoyProcess } from './convoy-process.js'
import { EpochMeter } from './epoch-logs.js'
import type { FitArgs, FitHistory } from './fit-args.js'
import { checkFitArgs } from './fit-args.js'
import { storeTensors } from './fit-datasets.js'
import { FitReport } from './fit-report.js'
import { saveOptimizer, setOptimizer } from './optimizer-state.js'
import { packTensors } from './pack-tensors.js'
import type { CompiledModel } from './read-compiled.js'
import { readCompiled } from './read-compiled.js'
import { saveLayersModel, setWeights } from './save-layers-model.js'
import { shardSizeFor } from './shard-size.js'
import type { Targets, Values } from './values.js'

/** What a training is made of. */
interface Training {
  readonly model: LayersModel
  readonly fingerprint: string
  readonly compiled: CompiledModel
  readonly validationSamples: number
  readonly args: FitArgs
  /** Of the model, the configuration and the runs. */
  readonly directory: string
}

/**
 * `model.fit` on all cores or GPUs of this machine: trains the model with its own loss, optimizer and metrics, and leaves it with the weights
 * after the last epoch. The same arguments and seed give the same weights, bit for bit, for any number of workers.
 *
 * @param model compiled
 * @param x tensors, float32 or int32, for each input of the model, `[samples, …]`
 * @param y the targets, `[samples, …]`; of several outputs, a list or by their names
 * @returns the history of `model.fit`, as data
 * @throws ConvoyError('usage') for a model, tensors or arguments that cannot be trained; ConvoyError('training') when the training fails
 */
export async function fit(
  model: LayersModel,
  x: Values | readonly Values[],
  y: Targets,
  args: FitArgs = {},
): Promise<FitHistory> {
  checkFitArgs(args)
  const compiled = readCompiled(model, args.custom !== undefined)
  const { dataset, validationSamples } = packTensors(model, x, y, compiled, args)
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-fit-'))
  try {
    const fingerprint = await storeTensors(dataset)
    await saveLayersModel(model, path.join(directory, 'model'))
    await saveOptimizer(model, compiled, path.join(directory, 'model'))
    return await train({ model, fingerprint, compiled, validationSamples, args, directory })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function train(training: Training): Promise<FitHistory> {
  const { model, compiled, validationSamples, args, directory } = training
  const runs = args.runsDir ?? path.join(directory, 'runs')
  mkdirSync(runs, { recursive: true })
  const place = mkdtempSync(path.join(runs, 'fit-'))
  const report = new FitReport(model, args, new EpochMeter(compiled.measures, validationSamples > 0))
  const convoy = new ConvoyProcess(argsOf(training, place), args.verbose !== 0)
  const runDirectory = (): string | undefined => readdirSync(place).map((name) => path.join(place, name))[0]
  const { signal } = args
  const abort = (): void => void convoy.stop()
  signal?.addEventListener('abort', abort)
  try {
    await report.begin()
    for await (const line of convoy.events(runDirectory)) {
      signal?.throwIfAborted()
      await report.observe(line)
      if (report.stoppedAt !== undefined) break
    }
    signal?.throwIfAborted()
    if (report.stoppedAt !== undefined) await convoy.stop()
    await takeOver(training, runDirectory()!, report.endStep)
    await report.end()
    return report.history
  } catch (error) {
    // Its reason is the cause of whatever the process ended with.
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
    await convoy.stop()
  }
}

function argsOf(
  { model, fingerprint, compiled, validationSamples, args, directory }: Training,
  runs: string,
): string[] {
  const { epochs = 1, initialEpoch = 0, batchSize = 32, seed = 1, precision = 'float32', workers } = args
  const { shardSize = shardSizeFor(model, batchSize) } = args
  const config: Partial<RunConfigInput> = {
    ...{ seed, batchSize, shardSize, epochs: epochs - initialEpoch, precision, validationSamples },
    ...{ optimizer: compiled.optimizer, schedule: compiled.schedule, augmentation: { enabled: false } },
    network: { name: OWN_NETWORK, reg: 0, dropoutRate: 0 },
    ...lossesOf(compiled),
  }
  const file = path.join(directory, 'config.json')
  writeFileSync(file, JSON.stringify(config))
  const isChosen = (workers !== undefined && workers > 1) || args.listen !== undefined
  const processes = isChosen ? [] : ['--launcher', 'adaptive']
  if (workers !== undefined) processes.push('--workers', `${workers}`)
  if (args.listen !== undefined) processes.push('--listen', args.listen, ...(args.insecure ? ['--insecure'] : []))
  const custom = args.custom === undefined ? [] : ['--custom', args.custom]
  // The last one has what the model gets. Callbacks may end the training at any epoch.
  const every = args.callbacks ? 'epoch' : '168h'
  const durability = ['--checkpoint-every', every, '--keep-checkpoints', '1000', '--save-models', 'end', '--no-restart']
  return [
    ...['train', '--data', fingerprint, '--model', path.join(directory, 'model'), '--config', file],
    ...['--runs-dir', runs, '--journal', 'off', ...custom, ...durability, ...processes],
  ]
}

/** Classes are learnt with cross-entropy: their loss has no name. */
function lossesOf({ outputs }: CompiledModel): Pick<RunConfigInput, 'loss' | 'outputs'> {
  const ofNumbers = outputs.flatMap(({ name, loss }) => (loss === undefined ? [] : [{ name, loss }]))
  if (outputs.length === 1) return ofNumbers[0] ? { loss: ofNumbers[0].loss } : {}
  return { outputs: Object.fromEntries(ofNumbers.map(({ name, loss }) => [name, { loss }])) }
}

/**
 * Gives the model the weights, and its optimizer the state, that a run had after a step.
 * @throws ConvoyError('training') when there is no checkpoint of that step
 */
async function takeOver({ model, compiled }: Training, run: string, step: number): Promise<void> {
  const place = listCheckpoints(run).find((checkpoint) => checkpoint.step === step)
  if (place === undefined)
    throw new ConvoyError(
      'training',
      `fit: the training ended after step ${step}, of which there is no checkpoint; give runsDir and read convoy.log there for the reason.`,
    )
  const { manifest, stored } = readCheckpoint(place.directory)
  const { weights, optimizer } = fromTensors(stored, manifest.description)
  const { layout } = manifest.description.model
  setWeights(model, byName(layout, weights))
  await setOptimizer(model, compiled, optimizer.state, layout, step)
}

function byName({ tensors }: ParameterLayout, weights: Float32Array): Map<string, Float32Array> {
  return new Map(tensors.map(({ name, offset, size }) => [name, weights.subarray(offset, offset + size)]))
}
