import type { z } from 'zod'
import { DEFAULT_RECIPE, RECIPES } from './recipes.js'
import type { RunConfig } from './run-config.js'
import { runConfigSchema } from './run-config.js'
import { HIGHEST_RATE, highestRateOf } from './settings.js'

/** One value that somebody gave, and how to call it in an error. */
export interface Assignment {
  /** Where it goes: `['network', 'reg']`. */
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

/**
 * The recipe, then the assignments in their order (a later one wins), checked as a whole.
 * @param recipe its name, and how to call it in an error
 */
export function resolveRunConfig(
  { name, origin: recipeOrigin }: { readonly name: string; readonly origin: string },
  assignments: readonly Assignment[],
): Resolved {
  const isKnown = Object.hasOwn(RECIPES, name)
  const tree = structuredClone(RECIPES[isKnown ? name : DEFAULT_RECIPE]!.config) as Tree
  const origins = new Map<string, string>()
  const problems: string[] = []
  if (!isKnown) problems.push(`${recipeOrigin}: there is no recipe "${name}"; use ${Object.keys(RECIPES).join(', ')}.`)
  for (const { path, value, origin } of assignments) {
    // It would become the tree's prototype, which the schema does not see.
    if (path.includes('__proto__')) {
      problems.push(unknownSetting(origin))
      continue
    }
    assign(tree, resolvePath(tree, path), value)
    origins.set(resolvePath(tree, path).join('.'), origin)
  }
  const parsed = runConfigSchema.safeParse(tree)
  // How values fit together cannot be known without the recipe that was meant.
  const issues = (parsed.error?.issues ?? []).filter(
    (issue, index, all) => (isKnown || issue.code !== 'custom') && !isSaidAgain(issue, all.slice(index + 1)),
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
  // `network: {}` sets nothing in it.
  if (isTree(value) && Object.keys(value).length === 0 && isTree(parent[key])) return
  if (key === 'kind' && parent['kind'] !== value) changeKind(parent, path, value)
  parent[key] = value
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Another kind of optimizer or schedule begins with its own defaults; only the highest learning rate goes along. */
function changeKind(parent: Tree, path: readonly string[], kind: unknown): void {
  const rate = parent[highestRateOf(parent['kind'])]
  for (const key of Object.keys(parent)) Reflect.deleteProperty(parent, key)
  if (path[0] === 'schedule' && rate !== undefined) parent[highestRateOf(kind)] = rate
}

type Issue = z.core.$ZodIssue

/** A number beyond what an integer can be is also beyond the setting's own limit, which says more. */
function isSaidAgain({ code, path }: Issue, later: readonly Issue[]): boolean {
  if (code !== 'too_big' && code !== 'too_small') return false
  return later.some((other) => other.code === code && other.path.join('.') === path.join('.'))
}

function describe(issue: Issue, origins: ReadonlyMap<string, string>): string[] {
  const path = issue.path.map(String)
  const originOf = (keys: readonly string[]): string => {
    const name = keys.join('.')
    // Somebody may have given all of the object that it is in.
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
