import type { Command } from 'commander'
import { Option } from 'commander'
import { z } from 'zod'
import { addressProblems } from '../../coordinator/address-problems.js'
import { findSource } from '../../data/open-dataset.js'
import { DEVICE_CHOICES } from '../../tensorflow/runtime/device-choice.js'
import type { LauncherName } from '../../launch/launchers.js'
import type { RunConfig } from '../../model/config/run-config.js'
import { LOG_LEVELS } from '../../shared/log/log-levels.js'
import { standardError } from '../../shared/terminal.js'
import { descriptorProblems } from './descriptor-problems.js'
import { flagProblems, problemsOf, reportsFlagProblems, throwProblems } from './flag-problems.js'
import { checkWritable } from './flag-values.js'
import { logLevelOption } from './log-level-option.js'
import type { RunConfigFlags } from './run-config-flags.js'
import { addRunConfigFlags, runConfigFrom, SETTING_FLAGS } from './run-config-flags.js'
import { unreadVariables } from './unread-variables.js'

/** How a run is carried out: nothing here changes its weights. */
const runOptionsSchema = z.object({
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
  json: z.boolean().default(false),
  logLevel: z.string(),
  workerLogLevel: z.enum(LOG_LEVELS).default('warn'),
  device: z.enum(DEVICE_CHOICES).default('auto'),
  /** Commander checks the name. */
  launcher: z.custom<LauncherName>().optional(),
  standalone: z.boolean().default(false),
  workers: z.coerce.number().int().min(1).max(256).optional(),
})
export type RunOptions = z.output<typeof runOptionsSchema>

/** Adds the flags that `train` and `coordinator` share. */
export function addRunFlags(
  command: Command,
  defaults: { listen: string; adminListen: string; metricsListen: string },
): Command {
  return reportsFlagProblems(addRunConfigFlags(command))
    .option('--data <name or path>', 'data set: a name, a fingerprint or a path (default: the embedded cifar10)')
    .option('--name <name>', "last part of the run directory's name (default: the recipe)")
    .option('--runs-dir <directory>', 'where run directories lie', 'runs')
    .option(
      '--rescue-dir <directory>',
      'where the weights go when --runs-dir cannot be written (default: the temporary directory)',
    )
    .option(
      '--rescue-wait <seconds>',
      'how long the end of a run waits for room on a full disk before that (default: 60)',
    )
    .option('--listen <host:port>', 'where workers join; port 0 takes any free one', defaults.listen)
    .option('--admin-listen <host:port>', 'where `convoy status` and `convoy stop` ask', defaults.adminListen)
    .option('--metrics-listen <host:port>', 'where Prometheus scrapes /metrics', defaults.metricsListen)
    .option('--insecure', 'let other machines in without encryption')
    .option('--max-workers <number>', 'refuse more workers than this')
    .option('--allow-mixed-devices', 'accept workers whose bits may differ; the promise of equal bits is off')
    .option('--audit <1/m>', 'let two workers compute one lease in m, and find the machine that computes wrongly')
    .option('--announce <file>', 'write the addresses there as JSON once the coordinator listens')
    .addOption(logLevelOption())
    .addOption(
      new Option('--worker-log-level <level>', 'what workers log from this level on stands in convoy.log too')
        .choices(LOG_LEVELS)
        .default('warn'),
    )
    .option('--json', 'print the result as JSON, and nothing else, on standard output')
}

/** Read by others than {@link runConfigFrom}. */
const OTHER_VARIABLES = ['cache', 'device', 'log-level']

/**
 * Checks everything that the user gave: flags, variables, files. Nothing was made on disk when it returns or throws.
 * @param command that the flags are of
 * @returns also the recipe, and the name of the run: `--name`, or the recipe
 * @throws ConvoyError('usage') with all problems at once
 */
export async function readRunFlags(
  flags: RunConfigFlags,
  command: Command,
): Promise<{ config: RunConfig; options: RunOptions; name: string; recipe: string }> {
  const names = command.options.flatMap(({ long }) => long?.replace(/^--/, '') ?? [])
  for (const word of unreadVariables(process.env, [...SETTING_FLAGS, ...OTHER_VARIABLES], names))
    standardError.notice(`⚠ ${word}`)
  const { config, problems, recipe } = await runConfigFrom(flags)
  const parsed = runOptionsSchema.safeParse(flags)
  throwProblems([
    ...flagProblems(command),
    ...problems,
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `--${kebab(String(path[0]))}: ${message}`),
    ...(await optionProblems(soundOptions(flags))),
  ])
  return { config: config!, options: parsed.data!, name: parsed.data!.name ?? recipe, recipe }
}

/** Those options that are given and sound by themselves, whatever the others are. */
function soundOptions(flags: RunConfigFlags): Partial<RunOptions> {
  const given = Object.entries(runOptionsSchema.shape).filter(([name]) => flags[name] !== undefined)
  return Object.fromEntries(given.map(([name, schema]) => [name, schema.safeParse(flags[name]).data]))
}

/** What is wrong with options that are sound by themselves. */
async function optionProblems(options: Partial<RunOptions>): Promise<string[]> {
  const { audit, workers, data, announce } = options
  const standalone = options.standalone === true || options.launcher === 'standalone'
  return [
    ...(options.standalone && options.launcher !== undefined
      ? ['--standalone and --launcher exclude each other: --standalone is short for --launcher standalone.']
      : []),
    ...(standalone && audit !== undefined ? ['--audit compares workers; --standalone has only one.'] : []),
    ...(standalone && workers !== undefined
      ? ['--standalone and --workers exclude each other: standalone is one process.']
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
