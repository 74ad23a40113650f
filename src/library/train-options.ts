import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { RunConfigInput } from '../model/config/run-config.js'
import type { DatasetHandle } from './define-dataset.js'
import type { ModelDefinition } from './define-model.js'
import { flagsOf, rejectUnknown } from './options.js'

/** Of {@link train}; each is the flag of that name of `convoy train`. */
export interface TrainOptions {
  /** A {@link defineModel} result, the path of a module that builds a model, or the directory of a saved one. @default a network of Convoy */
  readonly model?: ModelDefinition | string
  /** A {@link defineDataset} result, or a name, a fingerprint or a path as `--data` takes it. @default the embedded cifar10 */
  readonly data?: DatasetHandle | string
  /** Module with custom layers, losses and metrics. */
  readonly custom?: string
  /** Settings to begin with, such as `'quick'`. */
  readonly recipe?: string
  /** Any settings, as a file of `--config` has them; they win over the recipe. */
  readonly config?: Partial<RunConfigInput>
  /** Of every random choice; wins over `config`. @default 1 */
  readonly seed?: number
  /** The run ends after this many steps; wins over `config`. @default all of its epochs */
  readonly maxSteps?: number
  /** Processes that compute; they do not change the weights. @default one for each GPU or core */
  readonly workers?: number
  /** One process in place of several. @default false */
  readonly standalone?: boolean
  /** `auto`: the GPU where there is one. @default 'auto' */
  readonly device?: 'auto' | 'cpu' | 'gpu'
  /** Directory where the run directory is made. @default 'runs' */
  readonly runsDir?: string
  /** Last part of the run directory's name. @default the recipe */
  readonly name?: string
  /** Run directory or checkpoint to go on with, or true: the newest run under `runsDir` that was interrupted. */
  readonly resume?: string | true
  /** Run directory or checkpoint whose weights a new run begins with. */
  readonly fork?: string
  /** Ends the run as SIGTERM does: with a checkpoint, so that `resume` can go on. `result` rejects with its reason. */
  readonly signal?: AbortSignal
  /** No lines on standard error. @default false */
  readonly quiet?: boolean
}

const KNOWN: readonly (keyof TrainOptions)[] = [
  ...(['model', 'data', 'custom', 'recipe', 'config', 'seed', 'maxSteps', 'workers', 'standalone'] as const),
  ...(['device', 'runsDir', 'name', 'resume', 'fork', 'signal', 'quiet'] as const),
]

const CONFIG_FILE = 'config.json'

/** Where a run writes its addresses. @param scratch see {@link trainArgs} */
export function announcementIn(scratch: string): string {
  return path.join(scratch, 'announcement')
}

function modelIn(scratch: string): string {
  return path.join(scratch, 'model')
}

/**
 * The command line of a training.
 * @param scratch directory for the time of the training: for the model, the settings and the addresses of the run
 * @throws ConvoyError('usage') for an option that does not exist
 */
export async function trainArgs(options: TrainOptions, scratch: string): Promise<string[]> {
  rejectUnknown('train', options, KNOWN, 'settings such as epochs are part of config')
  const { model, data, config, resume, standalone } = options
  const file = path.join(scratch, CONFIG_FILE)
  if (config !== undefined) writeFileSync(file, JSON.stringify(config))
  for (const directory of [announcementIn(scratch), modelIn(scratch)]) mkdirSync(directory)
  const values = {
    data: typeof data === 'object' ? data.fingerprint : data,
    model: typeof model === 'object' ? await model.save(modelIn(scratch)) : model,
    config: config && file,
    'runs-dir': options.runsDir,
    'max-steps': options.maxSteps,
    announce: path.join(announcementIn(scratch), 'coordinator.json'),
    ...pick(options, 'custom', 'recipe', 'seed', 'workers', 'device', 'name', 'fork'),
    resume: resume === true ? undefined : resume,
  }
  return [
    'train',
    ...flagsOf(values),
    ...(standalone ? ['--standalone'] : []),
    ...(resume === true ? ['--resume'] : []),
  ]
}

/** A message that names the file of settings, in terms of the options. */
export function inTermsOfOptions(message: string, scratch: string): string {
  return message
    .replaceAll(`--config ${path.join(scratch, CONFIG_FILE)}`, 'config')
    .replaceAll(`${path.join(scratch, CONFIG_FILE)}: `, 'config.')
}

function pick<Name extends keyof TrainOptions>(options: TrainOptions, ...names: Name[]): Pick<TrainOptions, Name> {
  return Object.fromEntries(names.map((name) => [name, options[name]])) as Pick<TrainOptions, Name>
}
