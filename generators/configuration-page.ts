import { FLAGS, SWITCHES } from '../src/cli/flags/run-config-flags.js'
import { RECIPES } from '../src/model/config/recipes.js'
import type { Setting } from '../src/model/config/settings.js'
import { HIGHEST_RATE, highestRateOf, settings } from '../src/model/config/settings.js'
import { typeOf } from './type-of-schema.js'

const HEAD = '| setting | flag | type and limits | default | meaning |\n| --- | --- | --- | --- | --- |'

/** docs/reference/configuration.md: every setting of a run, and what the recipes set. */
export function configurationPage(): string {
  const sections = new Map<string, string[]>()
  for (const setting of settings()) {
    const title = titleOf(setting)
    sections.set(title, [...(sections.get(title) ?? []), rowOf(setting)])
  }
  const tables = [...sections].map(([title, rows]) => `## ${title}\n\n${HEAD}\n${rows.join('\n')}`)
  return `# Configuration

<!-- Generated from src/model/config by \`npm run generate\`: change it there. -->

These settings, and the data set, decide the weights of a run. Later ones win: default, recipe (\`--recipe\`), file (\`--config\`, YAML or
JSON), environment, flags, \`--set\`. Each flag that takes a value has a variable of the environment: \`--batch-size\` is
\`CONVOY_BATCH_SIZE\`. A setting without a flag is given with \`--set\`, such as \`--set augmentation.zoom=0.2\`, or in a file. How a run is
carried out (addresses, workers, directories) changes no weights: \`npx convoy train --help\`.

    npx convoy config show --recipe resnet20 --epochs 20      # the resolved configuration; a file for --config
    npx convoy config schema                                  # this page as a JSON schema

A default of "required" means that the recipe or the user gives the value. [Semantics](semantics.md) has the formulas.

${tables.join('\n\n')}

## Recipes

Values that a recipe gives; the other settings have their defaults. Without \`--recipe\` it is \`quick\`.

${recipeTable()}
`
}

/** Settings of one object, or of one kind of optimizer or schedule, share a table. */
function titleOf({ path, kind }: Setting): string {
  if (!path.includes('.')) return 'Batches, epochs and precision'
  return [path.split('.')[0], ...(kind === undefined ? [] : [kind])].join(': ')
}

function rowOf({ path, kind, choices, schema, isOptional }: Setting): string {
  const flag = flagOf(path, kind)
  const type = choices === undefined ? typeOf(schema) : choices.join(', ')
  const byDefault = 'default' in schema ? valueOf(schema.default) : isOptional ? 'absent' : 'required'
  return `| \`${path}\` | ${flag === undefined ? '' : `\`--${flag}\``} | ${type} | ${byDefault} | ${schema.description} |`
}

function flagOf(path: string, kind: string | undefined): string | undefined {
  const isHighestRate = path === `schedule.${highestRateOf(kind)}`
  return [...FLAGS, ...SWITCHES].find((flag) => flag.path === path || (isHighestRate && flag.path === HIGHEST_RATE))
    ?.flag
}

/** A row for each setting that a recipe gives, a column for each recipe. */
function recipeTable(): string {
  const given = Object.values(RECIPES).map(({ config }) => new Map(leaves(config)))
  const paths = [...new Set(settings().map(({ path }) => path))].filter((path) => given.some((all) => all.has(path)))
  const rows = paths.map((path) => {
    const values = given.map((all) => (all.has(path) ? valueOf(all.get(path)) : ''))
    return `| \`${path}\` | ${values.join(' | ')} |`
  })
  const names = Object.keys(RECIPES)
  return [`| setting | ${names.join(' | ')} |`, `| --- |${' --- |'.repeat(names.length)}`, ...rows].join('\n')
}

/** Path and value of everything in a nested object. */
function leaves(value: unknown, path: readonly string[] = []): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path.join('.'), value]]
  return Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]))
}

function valueOf(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value)
}
