import type { Command } from 'commander'
import { Option } from 'commander'
import { z } from 'zod'
import { addressProblems } from '../../coordinator/address-problems.js'
import { findSource } from '../../data/open-dataset.js'
import { DEVICE_CHOICES } from '../../tensorflow/runtime/device-choice.js'
import type { LauncherName } from '../../launch/launchers.js'
import type { RunConfig } from '../../model/config/run-config.js'
import type { ModelSource } from '../../model/own/model-source.js'
import { findModel } from '../../model/own/model-source.js'
import type { CustomSource } from '../../model/own/custom-code.js'
import { registerCustomCode } from '../../model/own/custom-code.js'
import { customOption } from './custom-option.js'
import { webhookProblem } from '../../reporting/webhook.js'
import { LOG_LEVELS } from '../../shared/log/log-levels.js'
import { standardError } from '../../shared/terminal.js'
import type { EarlyLog } from '../early-log.js'
import { createEarlyLog } from '../early-log.js'
import type { InterruptedRun, RunPlace } from '../interrupted-run.js'
import { checkpointOf, findRunPlace, runToGoOnWith } from '../interrupted-run.js'
import { descriptorProblems } from './descriptor-problems.js'
import { addDurabilityFlags, durabilityShape } from './durability-flags.js'
import { flagProblems, problemsOf, reportsFlagProblems, throwProblems } from './flag-problems.js'
import { checkWritable } from './flag-values.js'
import { logLevelOption } from './log-level-option.js'
import type { RunConfigFlags } from './run-config-flags.js'
import { addRunConfigFlags, runConfigFrom, SETTING_FLAGS } from './run-config-flags.js'
import { unreadVariables } from './unread-variables.js'

/** How a run is carried out. None of these options changes its weights, but `fork`. */
const runOptionsSchema = z.object({
  model: z.string().min(1).optional(),
  custom: z.string().min(1).optional(),
  data: z.string().min(1).optional(),
  name: z
    .string()
    .regex(/^[\w.-]{1,64}$/, 'use 1 to 64 letters, digits, dots, dashes and underscores')
    .optional(),
  runsDir: z.string().min(1).default('runs'),
  rescueDir: z.string().min(1).optional(),
  rescueWait: z.coerce.number().min(0).max(86_400).default(60),
  listen: z.string(),
  adminListen: z.string(),
  metricsListen: z.string(),
  insecure: z.boolean().default(false),
  maxWorkers: z.coerce.number().int().min(1).max(4096).default(256),
  allowMixedDevices: z.boolean().default(false),
  audit: z
    .string()
    .regex(/^1\/[1-9]\d{0,6}$/, 'write 1/100 to compute one lease in a hundred twice')
    .optional(),
  announce: z.string().min(1).optional(),
  webhook: z
    .string()
    .refine((address) => webhookProblem(address) === undefined, {
      error: ({ input }) => webhookProblem(String(input)),
    })
    .optional(),
  json: z.boolean().default(false),
  logLevel: z.string(),
  workerLogLevel: z.enum(LOG_LEVELS).default('warn'),
  device: z.enum(DEVICE_CHOICES).default('auto'),
  /** Commander checks the name. */
  launcher: z.custom<LauncherName>().optional(),
  standalone: z.boolean().default(false),
  workers: z.coerce.number().int().min(1).max(256).optional(),
  ...durabilityShape,
})
export type RunOptions = z.output<typeof runOptionsSchema>

/** Adds the flags that `train` and `coordinator` share. */
export function addRunFlags(
  command: Command,
  defaults: { listen: string; adminListen: string; metricsListen: string },
): Command {
  return addDurabilityFlags(reportsFlagProblems(addRunConfigFlags(command)))
    .option('--data <name or path>', 'data set: a name, a fingerprint or a path (default: the embedded cifar10)')
    .option(
      '--model <path>',
      'your own model: a module that builds it, or the directory of a saved LayersModel, whose weights are trained on',
    )
    .addOption(customOption())
    .option('--name <name>', "last part of the run directory's name (default: the recipe)")
    .option('--runs-dir <directory>', 'directory of the run directories', 'runs')
    .option(
      '--rescue-dir <directory>',
      'directory for the weights when --runs-dir cannot be written (default: the temporary directory)',
    )
    .option(
      '--rescue-wait <seconds>',
      'how long to wait for space on a full disk before using --rescue-dir (default: 60)',
    )
    .option('--listen <host:port>', 'address for workers; port 0 takes any free port', defaults.listen)
    .option('--admin-listen <host:port>', 'address for `convoy status` and the like', defaults.adminListen)
    .option(
      '--metrics-listen <host:port>',
      'address of the page and of /metrics for Prometheus',
      defaults.metricsListen,
    )
    .option('--insecure', 'allow connections from other machines, without encryption')
    .option('--max-workers <number>', 'reject workers beyond this number')
    .option('--allow-mixed-devices', 'accept workers on different devices; weights may then differ in the last bits')
    .option('--audit <1/m>', 'have two workers compute one lease in m, to find machines that compute wrongly')
    .option('--announce <file>', 'write the addresses to this file as JSON once the coordinator listens')
    .option('--webhook <url>', 'POST the end of the run to this address as JSON, also when it fails')
    .addOption(logLevelOption())
    .addOption(
      new Option('--worker-log-level <level>', "also write workers' lines at or above this level to convoy.log")
        .choices(LOG_LEVELS)
        .default('warn'),
    )
    .option('--json', 'print only the result to standard output, as JSON')
}

/** Variables that {@link runConfigFrom} does not read, but other code does. */
const OTHER_VARIABLES = ['cache', 'device', 'log-level']

/** What the user asked for, checked. */
export interface RunRequest {
  readonly config: RunConfig
  readonly options: RunOptions
  /** `--name`, or the recipe. */
  readonly name: string
  readonly recipe: string
  readonly early: EarlyLog
  /** Of `--resume` and `--auto-resume`. */
  readonly interrupted?: InterruptedRun
  /** Of `--fork`. */
  readonly fork?: RunPlace
  /** Of `--model`. */
  readonly model?: ModelSource
}

/**
 * Checks all input of the user: flags, variables, files. Writes nothing to disk.
 * @param command the command of the flags
 * @throws ConvoyError('usage') with all problems at once
 */
export async function readRunFlags(flags: RunConfigFlags, command: Command): Promise<RunRequest> {
  const names = command.options.flatMap(({ long }) => long?.replace(/^--/, '') ?? [])
  for (const word of unreadVariables(process.env, [...SETTING_FLAGS, ...OTHER_VARIABLES], names))
    standardError.printLine(`⚠ ${word}`)
  const parsed = runOptionsSchema.safeParse(flags)
  const { resume, fork, runsDir = 'runs', logLevel = 'info' } = validOptions(flags)
  const early = createEarlyLog(logLevel)
  const placeProblems: string[] = []
  const interrupted =
    resume === undefined
      ? undefined
      : await foundPlace(placeProblems, async () => placeToResume(runsDir, resume, early))
  const forked =
    fork === undefined ? undefined : await foundPlace(placeProblems, async () => findRunPlace(runsDir, fork))
  const { model, custom } = await foundCode(placeProblems, flags)
  const stored = interrupted?.checkpoint.manifest.description.config
  const { config, problems, recipe } = await runConfigFrom(flags, process.env, stored, { model, custom })
  throwProblems([
    ...flagProblems(command),
    ...problems,
    ...placeProblems,
    ...(config?.model && model === undefined && interrupted === undefined
      ? [`config model: ${config.model.name} is a model of your own; give it with --model <module or directory>.`]
      : []),
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `--${kebab(String(path[0]))}: ${message}`),
    ...(await optionProblems(validOptions(flags))),
  ])
  const { autoResume, name = recipe } = parsed.data!
  const goingOn = autoResume ? await runToGoOnWith(runsDir, name, config!, early.log) : interrupted
  return {
    ...{ config: config!, options: parsed.data!, name, recipe, early },
    ...(goingOn && { interrupted: goingOn }),
    ...(forked && { fork: forked }),
    ...(model && { model }),
  }
}

/** What `--model` and `--custom` name. @param problems receives those of the user */
async function foundCode(
  problems: string[],
  { model: modelPath, custom: customPath }: RunConfigFlags,
): Promise<{ readonly model?: ModelSource; readonly custom?: CustomSource }> {
  let model: ModelSource | undefined
  let custom: CustomSource | undefined
  problems.push(
    ...(await problemsOf(async () => {
      if (typeof modelPath === 'string') model = findModel(modelPath)
      if (typeof customPath === 'string') custom = await registerCustomCode(customPath)
      else if (model?.hasCustomCode) custom = await registerCustomCode(model.file)
    })),
  )
  return { ...(model && { model }), ...(custom && { custom }) }
}

async function placeToResume(runsDir: string, name: string | true, { log }: EarlyLog): Promise<InterruptedRun> {
  const place = await findRunPlace(runsDir, name)
  return { place, checkpoint: checkpointOf(place, log) }
}

/** @param problems receives those of the user */
async function foundPlace<Place>(problems: string[], find: () => Promise<Place>): Promise<Place | undefined> {
  let place: Place | undefined
  problems.push(
    ...(await problemsOf(async () => {
      place = await find()
    })),
  )
  return place
}

/** The given options that are valid by themselves, whether or not others are. */
function validOptions(flags: RunConfigFlags): Partial<RunOptions> {
  const given = Object.entries(runOptionsSchema.shape).filter(([name]) => flags[name] !== undefined)
  return Object.fromEntries(given.map(([name, schema]) => [name, schema.safeParse(flags[name]).data]))
}

/** Problems of options that are valid by themselves. */
async function optionProblems(options: Partial<RunOptions>): Promise<string[]> {
  const { audit, workers, data, announce, resume } = options
  const standalone = options.standalone === true || options.launcher === 'standalone'
  return [
    ...(options.standalone && options.launcher !== undefined
      ? ['--standalone and --launcher exclude each other: --standalone is short for --launcher standalone.']
      : []),
    ...((standalone || options.launcher === 'adaptive') && audit !== undefined
      ? ['--audit compares workers; leave --standalone and `convoy train --launcher adaptive` out.']
      : []),
    ...(standalone && workers !== undefined
      ? ['--standalone and --workers cannot be combined: --standalone runs one process.']
      : []),
    ...(resume !== undefined && options.fork !== undefined
      ? ['--resume and --fork exclude each other: --resume goes on with a run, --fork begins a new one.']
      : []),
    ...(options.autoResume && (resume !== undefined || options.fork !== undefined)
      ? ['--auto-resume chooses the run itself; leave --resume and --fork out.']
      : []),
    ...(resume !== undefined && options.model !== undefined
      ? ['--resume and --model exclude each other: the run has a model.']
      : []),
    ...(resume !== undefined && options.name !== undefined
      ? ['--resume and --name exclude each other: the run has a name.']
      : []),
    ...addressProblems(options),
    ...(await problemsOf(async () => findSource(data, () => undefined))),
    ...(announce === undefined ? [] : await problemsOf(() => checkWritable('--announce', announce))),
    ...descriptorProblems(options),
  ]
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
