import type { Command } from 'commander'
import { parse as parseYaml } from 'yaml'
import type { Assignment, Resolved } from '../../model/config/resolve-run-config.js'
import { resolveRunConfig } from '../../model/config/resolve-run-config.js'
import { DEFAULT_RECIPE, RECIPES } from '../../model/config/recipes.js'
import { NETWORK_NAMES, PRECISIONS } from '../../model/config/run-config.js'
import { ConvoyError } from '../../shared/errors.js'
import { readNamedText } from './read-named-text.js'
import { variableOf } from './unread-variables.js'

/** Flags for the settings that people change most; `--set` changes any. Each has an environment variable, such as CONVOY_BATCH_SIZE. */
const FLAGS: readonly { readonly flag: string; readonly path: string; readonly help: string }[] = [
  { flag: 'seed', path: 'seed', help: 'seed of every random choice' },
  { flag: 'network', path: 'network.name', help: NETWORK_NAMES.join(', ') },
  { flag: 'reg', path: 'network.reg', help: 'L2 factor of the kernels' },
  { flag: 'dropout-rate', path: 'network.dropoutRate', help: 'share of activations that dropout zeroes' },
  { flag: 'epochs', path: 'epochs', help: 'passes over the training samples' },
  { flag: 'max-steps', path: 'maxSteps', help: 'stop after this many steps; the schedule keeps its length' },
  { flag: 'batch-size', path: 'batchSize', help: 'samples per step, over all workers' },
  { flag: 'shard-size', path: 'shardSize', help: 'samples per unit of work; divides the batch' },
  { flag: 'optimizer', path: 'optimizer.kind', help: 'sgd, adamw' },
  { flag: 'schedule', path: 'schedule.kind', help: 'one-cycle, cosine, step' },
  { flag: 'learning-rate', path: 'learningRate', help: "the schedule's highest learning rate" },
  { flag: 'precision', path: 'precision', help: `number format of convolutions: ${PRECISIONS.join(', ')}` },
  { flag: 'label-smoothing', path: 'labelSmoothing', help: 'share of each target spread over all classes' },
  { flag: 'clip-norm', path: 'clipNorm', help: 'largest L2 norm of the gradient' },
]

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
  for (const { flag, help } of FLAGS) command.option(`--${flag} <value>`, help)
  return command
    .option('--stratified', 'give train, validation and test the same share of every class')
    .option('--no-augmentation', 'train on the images as they are')
    .option('--set <path=value>', 'any setting, such as augmentation.zoom=0.2; can be repeated', collect)
}

/**
 * Defaults < recipe < file < environment < flags < --set. Never throws for a user's mistake: see `problems`.
 * @returns also the name of the recipe
 */
export async function runConfigFrom(
  flags: RunConfigFlags,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Resolved & { readonly recipe: string }> {
  const problems: string[] = []
  const file = await readConfigFile(flags.config, problems)
  const { recipe: fileRecipe, ...settings } = file
  const assignments = [
    ...leaves(settings, `${flags.config}`),
    ...FLAGS.flatMap(({ flag, path }) => {
      const origin = variableOf(flag)
      return environment[origin] ? [fromText(path, environment[origin], origin)] : []
    }),
    ...FLAGS.flatMap(({ flag, path }) => {
      const value = flags[flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]
      return typeof value === 'string' ? [fromText(path, value, `--${flag} ${value}`)] : []
    }),
    ...(flags.stratified ? [{ path: ['stratified'], value: true, origin: '--stratified' }] : []),
    ...(flags.augmentation === false
      ? [{ path: ['augmentation', 'enabled'], value: false, origin: '--no-augmentation' }]
      : []),
    ...(flags.set ?? []).flatMap((text) => {
      const match = /^([\w.]+)=(.*)$/s.exec(text)
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
  const resolved = resolveRunConfig(recipe, assignments)
  return {
    recipe: recipe.name,
    config: problems.length === 0 ? resolved.config : undefined,
    problems: [...problems, ...resolved.problems],
  }
}

/** The first given name, and the flag, variable or file that gave it. */
function chooseRecipe(...given: readonly (readonly [unknown, string])[]): { name: string; origin: string } {
  const [name, origin] = given.find(([value]) => value !== undefined) ?? [DEFAULT_RECIPE, '--recipe']
  return { name: String(name), origin }
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
