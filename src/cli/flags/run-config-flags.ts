import type { Command } from 'commander'
import { parse as parseYaml } from 'yaml'
import { currentName } from '../../model/config/former-names.js'
import type { RunConfig } from '../../model/config/run-config.js'
import { OWN_NETWORK } from '../../model/networks/networks.js'
import type { CustomSource } from '../../model/own/custom-code.js'
import type { ModelSource } from '../../model/own/model-source.js'
import type { Assignment, Resolved } from '../../model/config/resolve-run-config.js'
import { resolveRunConfig } from '../../model/config/resolve-run-config.js'
import { DEFAULT_RECIPE, RECIPES } from '../../model/config/recipes.js'
import { HIGHEST_RATE, settingTexts } from '../../model/config/settings.js'
import { ConvoyError } from '../../shared/errors.js'
import { readNamedText } from './read-named-text.js'
import { variableOf } from './unread-variables.js'

/** Flags for the settings that are changed most often; `--set` changes any. Each has an environment variable, such as CONVOY_BATCH_SIZE. */
export const FLAGS: readonly { readonly flag: string; readonly path: string }[] = [
  { flag: 'seed', path: 'seed' },
  { flag: 'network', path: 'network.name' },
  { flag: 'reg', path: 'network.reg' },
  { flag: 'dropout-rate', path: 'network.dropoutRate' },
  { flag: 'epochs', path: 'epochs' },
  { flag: 'max-steps', path: 'maxSteps' },
  { flag: 'early-stopping', path: 'earlyStopping' },
  { flag: 'batch-size', path: 'batchSize' },
  { flag: 'shard-size', path: 'shardSize' },
  { flag: 'optimizer', path: 'optimizer.kind' },
  { flag: 'schedule', path: 'schedule.kind' },
  { flag: 'learning-rate', path: HIGHEST_RATE },
  { flag: 'precision', path: 'precision' },
  { flag: 'wire', path: 'wire' },
  { flag: 'loss', path: 'loss' },
  { flag: 'label-smoothing', path: 'labelSmoothing' },
  { flag: 'clip-norm', path: 'clipNorm' },
]

/** Flags without a value: the setting and the value that each gives. No environment variables. */
export const SWITCHES = [
  { flag: 'stratified', name: 'stratified', path: 'stratified', value: true },
  { flag: 'no-augmentation', name: 'augmentation', path: 'augmentation.enabled', value: false },
] as const

/** Flags that have an environment variable. */
export const SETTING_FLAGS = ['recipe', ...FLAGS.map(({ flag }) => flag)] as const

export interface RunConfigFlags {
  recipe?: string
  config?: string
  set?: string[]
  stratified?: true
  augmentation?: boolean
  [flag: string]: unknown
}

/** Adds the flags that decide a run's weights. */
export function addRunConfigFlags(command: Command): Command {
  command
    .option('--recipe <name>', `settings to begin with: ${Object.keys(RECIPES).join(', ')}`)
    .option('--config <file>', 'YAML or JSON file with settings; may name a recipe')
  const texts = settingTexts()
  for (const { flag, path } of FLAGS) command.option(`--${flag} <value>`, texts.get(path))
  return command
    .option('--stratified', texts.get('stratified'))
    .option('--no-augmentation', 'train on the images as they are')
    .option('--set <path=value>', 'any setting, such as augmentation.zoom=0.2; can be repeated', collect)
}

/** What a run has of the user's own code. */
export interface OwnCode {
  readonly model?: Pick<ModelSource, 'name' | 'sha256'> | undefined
  readonly custom?: CustomSource | undefined
}

/**
 * Defaults < recipe < file < environment < flags < --set. Never throws for a user's mistake: see `problems`.
 * @param own what the user wrote: the model takes the place of the recipe's network
 * @param stored the configuration of a run that is resumed: without a recipe, what is given changes that
 * @returns also the name of the recipe
 */
export async function runConfigFrom(
  flags: RunConfigFlags,
  environment: NodeJS.ProcessEnv = process.env,
  stored?: RunConfig,
  { model, custom }: OwnCode = {},
): Promise<Resolved & { readonly recipe: string }> {
  const problems: string[] = []
  const file = await readConfigFile(flags.config, problems)
  const { recipe: fileRecipe, ...settings } = file
  const assignments = [
    ...leaves(settings, `${flags.config}`),
    ...(model ? ownModel(model, `convoy train --model ${String(flags['model'])}`) : []),
    ...(custom ? [{ path: ['custom'], value: { ...custom }, origin: 'convoy train --custom' }] : []),
    ...FLAGS.flatMap(({ flag, path }) => {
      const origin = variableOf(flag)
      return environment[origin] ? [fromText(path, environment[origin], origin)] : []
    }),
    ...FLAGS.flatMap(({ flag, path }) => {
      const value = flags[flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]
      return typeof value === 'string' ? [fromText(path, value, `--${flag} ${value}`)] : []
    }),
    ...SWITCHES.flatMap(({ flag, name, path, value }) =>
      flags[name] === value ? [{ path: path.split('.'), value, origin: `--${flag}` }] : [],
    ),
    ...(flags.set ?? []).flatMap((text) => {
      const match = /^([^=]+)=(.*)$/s.exec(text)
      if (match) return [fromText(match[1]!, match[2]!, `--set ${text}`)]
      problems.push(`--set ${text}: write path=value, such as --set augmentation.zoom=0.2.`)
      return []
    }),
  ]
  const recipe = chooseRecipe(
    [flags.recipe, '--recipe'],
    [environment['CONVOY_RECIPE'] || undefined, 'CONVOY_RECIPE'],
    [fileRecipe, `${flags.config}: recipe`],
  )
  const resolved = resolveRunConfig(stored && recipe === DEFAULT ? { config: stored } : recipe, assignments)
  return {
    recipe: recipe.name,
    config: problems.length === 0 ? resolved.config : undefined,
    problems: [...problems, ...resolved.problems],
  }
}

const DEFAULT = { name: DEFAULT_RECIPE, origin: '--recipe' } as const

/** What is given after it, such as --reg, is for the networks that Convoy builds. */
function ownModel({ name, sha256 }: Pick<ModelSource, 'name' | 'sha256'>, origin: string): Assignment[] {
  return [
    { path: ['network'], value: { name: OWN_NETWORK }, origin },
    { path: ['model'], value: { name, sha256 }, origin },
  ]
}

/** The first given name, and the flag, variable or file that gave it. */
function chooseRecipe(...given: readonly (readonly [unknown, string])[]): { name: string; origin: string } {
  const chosen = given.find(([value]) => value !== undefined)
  return chosen === undefined ? DEFAULT : { name: currentName(String(chosen[0])), origin: chosen[1] }
}

function fromText(path: string, text: string, origin: string): Assignment {
  let value: unknown = text
  try {
    value = parseYaml(text)
  } catch {
    // Not YAML: keep the text. The schema checks it.
  }
  return { path: path.split('.'), value, origin }
}

async function readConfigFile(file: string | undefined, problems: string[]): Promise<Record<string, unknown>> {
  if (file === undefined) return {}
  try {
    const text = await readNamedText(file)
    const content: unknown = parseYaml(text)
    if (typeof content === 'object' && content !== null && !Array.isArray(content))
      return content as Record<string, unknown>
    problems.push(`--config ${file}: it contains no settings; write lines such as \`epochs: 10\`.`)
  } catch (error) {
    const { message } = error as Error
    problems.push(error instanceof ConvoyError ? `--config ${message}` : `--config ${file}: ${message.split('\n')[0]}`)
  }
  return {}
}

/** Every value of a nested object, `kind` before what depends on it. */
function leaves(value: unknown, file: string, path: readonly string[] = []): Assignment[] {
  const isEmpty = path.length > 0 && Object.keys(value ?? {}).length === 0
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isEmpty) {
    return [{ path, value, origin: `${file}: ${path.join('.')}` }]
  }
  return Object.entries(value)
    .sort(([a], [b]) => Number(b === 'kind') - Number(a === 'kind'))
    .flatMap(([key, child]) => leaves(child, file, [...path, key]))
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value]
}
