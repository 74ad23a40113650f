import type { z } from 'zod'
import { DEFAULT_RECIPE, RECIPES } from './recipes.js'
import type { RunConfig } from './run-config.js'
import { runConfigSchema } from './run-config.js'
import { HIGHEST_RATE, highestRateOf } from './settings.js'

/** One value that the user gave, and its name in errors. */
export interface Assignment {
  /** Path of the setting: `['network', 'reg']`. */
  readonly path: readonly string[]
  readonly value: unknown
  /** `--reg`, `CONVOY_REG`, `run.yaml: network.reg` */
  readonly origin: string
}

export interface Resolved {
  /** Undefined when there are problems. */
  readonly config: RunConfig | undefined
  /** One sentence each, naming the origin and the remedy. */
  readonly problems: readonly string[]
}

type Tree = Record<string, unknown>

/** The settings to begin with: a recipe by its name, and that name in errors; or a whole configuration. */
export type BaseConfig = { readonly name: string; readonly origin: string } | { readonly config: RunConfig }

/** Applies the assignments to the base in their order (later ones win) and checks the whole. */
export function resolveRunConfig(base: BaseConfig, assignments: readonly Assignment[]): Resolved {
  const isKnown = 'config' in base || Object.hasOwn(RECIPES, base.name)
  const config = 'config' in base ? base.config : RECIPES[isKnown ? base.name : DEFAULT_RECIPE]!.config
  const tree = structuredClone(config) as Tree
  const origins = new Map<string, string>()
  const problems: string[] = []
  if (!isKnown)
    problems.push(`${base.origin}: there is no recipe "${base.name}"; use ${Object.keys(RECIPES).join(', ')}.`)
  for (const { path, value, origin } of assignments) {
    // `__proto__` would become the tree's prototype, which the schema does not see.
    if (path.includes('__proto__')) {
      problems.push(unknownSetting(origin))
      continue
    }
    assign(tree, resolvePath(tree, path), value)
    origins.set(resolvePath(tree, path).join('.'), origin)
  }
  const parsed = runConfigSchema.safeParse(tree)
  // Without a valid recipe, combinations of values cannot be checked.
  const issues = (parsed.error?.issues ?? []).filter(
    (issue, index, all) => (isKnown || issue.code !== 'custom') && !isRepeatedLater(issue, all.slice(index + 1)),
  )
  problems.push(...issues.flatMap((issue) => describe(issue, origins)))
  return { config: problems.length === 0 ? parsed.data : undefined, problems }
}

function resolvePath(tree: Tree, path: readonly string[]): readonly string[] {
  if (path.join('.') !== HIGHEST_RATE) return path
  return ['schedule', highestRateOf((tree['schedule'] as Tree | undefined)?.['kind'])]
}

function assign(tree: Tree, path: readonly string[], value: unknown): void {
  const key = path.at(-1)!
  let parent = tree
  for (const step of path.slice(0, -1)) {
    const child = parent[step]
    parent = isTree(child) ? child : ((parent[step] = {}) as Tree)
  }
  // `network: {}` sets nothing.
  if (isTree(value) && Object.keys(value).length === 0 && isTree(parent[key])) return
  if (key === 'kind' && parent['kind'] !== value) changeKind(parent, path, value)
  parent[key] = value
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Another kind of optimizer or schedule starts with its own defaults; only the highest learning rate is kept. */
function changeKind(parent: Tree, path: readonly string[], kind: unknown): void {
  const rate = parent[highestRateOf(parent['kind'])]
  for (const key of Object.keys(parent)) Reflect.deleteProperty(parent, key)
  if (path[0] === 'schedule' && rate !== undefined) parent[highestRateOf(kind)] = rate
}

type Issue = z.core.$ZodIssue

/** A number beyond the integer range is also beyond the setting's own limit, which gives the better message. */
function isRepeatedLater({ code, path }: Issue, later: readonly Issue[]): boolean {
  if (code !== 'too_big' && code !== 'too_small') return false
  return later.some((other) => other.code === code && other.path.join('.') === path.join('.'))
}

function describe(issue: Issue, origins: ReadonlyMap<string, string>): string[] {
  const path = issue.path.map(String)
  const originOf = (keys: readonly string[]): string => {
    const name = keys.join('.')
    // The user may have given the whole object that contains the setting.
    const whole = origins.get(keys.slice(0, -1).join('.'))
    return origins.get(name) ?? (whole === undefined ? `config ${name}` : `${whole} (${name})`)
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownSetting(originOf([...path, key])))
  }
  return [`${originOf(path)}: ${issue.message}`]
}

function unknownSetting(origin: string): string {
  return `${origin}: there is no such setting; \`convoy config schema\` lists all.`
}
