import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { LayersModel } from '@tensorflow/tfjs'
import { listCheckpoints } from '../durability/checkpoints.js'
import { readCheckpoint } from '../durability/read-checkpoint.js'
import { loadTrainedModel } from '../exports/trained-model.js'
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
import { packTensors } from './pack-tensors.js'
import type { CompiledModel } from './read-compiled.js'
import { readCompiled } from './read-compiled.js'
import { saveLayersModel, setWeights } from './save-layers-model.js'
import type { Values } from './values.js'

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
 * @param model compiled, with one output
 * @param x tensors, float32 or int32, for each input of the model, `[samples, …]`; @param y the targets, `[samples, …]`
 * @returns the history of `model.fit`, as data
 * @throws ConvoyError('usage') for a model, tensors or arguments that cannot be trained; ConvoyError('training') when the training fails
 */
export async function fit(
  model: LayersModel,
  x: Values | readonly Values[],
  y: Values,
  args: FitArgs = {},
): Promise<FitHistory> {
  checkFitArgs(args)
  const compiled = readCompiled(model)
  const { dataset, validationSamples } = packTensors(model, x, y, compiled.targets, args)
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-fit-'))
  try {
    const fingerprint = await storeTensors(dataset)
    await saveLayersModel(model, path.join(directory, 'model'))
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
  const report = new FitReport(model, args, new EpochMeter(compiled.metrics, validationSamples > 0))
  const convoy = new ConvoyProcess(argsOf(training, place), place, args.verbose !== 0)
  const { signal } = args
  const abort = (): void => void convoy.stop()
  signal?.addEventListener('abort', abort)
  try {
    await report.begin()
    for await (const line of convoy.events()) {
      signal?.throwIfAborted()
      await report.observe(line)
      if (report.stoppedAt !== undefined) break
    }
    signal?.throwIfAborted()
    if (report.stoppedAt !== undefined) await convoy.stop()
    const run = convoy.runDirectory()!
    setWeights(model, report.stoppedAt === undefined ? await lastWeights(run) : weightsAt(run, report.stoppedAt))
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

function argsOf({ fingerprint, compiled, validationSamples, args, directory }: Training, runs: string): string[] {
  const { epochs = 1, initialEpoch = 0, batchSize = 32, seed = 1, precision = 'float32', workers } = args
  const { shardSize = shardSizeFor(batchSize) } = args
  const config: Partial<RunConfigInput> = {
    ...{ seed, batchSize, shardSize, epochs: epochs - initialEpoch, precision, validationSamples },
    ...{ optimizer: compiled.optimizer, schedule: compiled.schedule, augmentation: { enabled: false } },
    network: { name: OWN_NETWORK, reg: 0, dropoutRate: 0 },
    ...(compiled.targets !== 'one-hot' && compiled.targets !== 'labels' && { loss: compiled.targets }),
  }
  const file = path.join(directory, 'config.json')
  writeFileSync(file, JSON.stringify(config))
  const processes = workers === 1 ? ['--standalone'] : workers === undefined ? [] : ['--workers', `${workers}`]
  // Callbacks may end the training at any epoch.
  const durability = [
    '--checkpoint-every',
    args.callbacks ? 'epoch' : 'off',
    '--keep-checkpoints',
    '1000',
    '--no-restart',
  ]
  return [
    ...['train', '--data', fingerprint, '--model', path.join(directory, 'model'), '--config', file],
    ...['--runs-dir', runs, '--journal', 'off', ...durability, ...processes],
  ]
}

/** The largest divisor of the batch size up to a quarter of it: four shards can be computed at once. */
function shardSizeFor(batchSize: number): number {
  for (let size = Math.max(1, Math.floor(batchSize / 4)); size > 1; size--) if (batchSize % size === 0) return size
  return 1
}

async function lastWeights(run: string): Promise<Map<string, Float32Array>> {
  const { description, weights } = await loadTrainedModel(run, 'last')
  return byName(description.model.layout, weights)
}

/** @throws ConvoyError('training') when the checkpoint of that step is gone */
function weightsAt(run: string, step: number): Map<string, Float32Array> {
  const place = listCheckpoints(run).find((checkpoint) => checkpoint.step === step)
  if (place === undefined)
    throw new ConvoyError('training', `fit: the weights after step ${step}, at which a callback stopped, are gone.`)
  const { manifest, stored } = readCheckpoint(place.directory)
  const state = fromTensors(stored, manifest.description, (length) => new Float32Array(length))
  return byName(manifest.description.model.layout, state.weights)
}

function byName({ tensors }: ParameterLayout, weights: Float32Array): Map<string, Float32Array> {
  return new Map(tensors.map(({ name, offset, size }) => [name, weights.subarray(offset, offset + size)]))
}
