import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { before, describe, it } from 'node:test'
import type { Command } from 'commander'
import ts from 'typescript'
import { parse as parseYaml } from 'yaml'
import { DEFAULT_RECIPE } from '../../src/model/config/recipes.js'
import { resolveRunConfig } from '../../src/model/config/resolve-run-config.js'
import { packageRoot } from '../../src/shared/package-root.js'

/** A text of the sources: a literal, a template, or a concatenation. `…` replaces inserted values. */
interface Text {
  readonly file: string
  readonly line: number
  readonly text: string
}

/** Flags of other programs that texts mention. */
const FOREIGN = new Set(['--shm-size', '--hash', '--expose-gc', '--no-incremental-marking'])
/** Commands of which only the own folder can mention flags: their runs are fixed or simulated; doctor only lists the coordinator's. */
const ALONE: Readonly<Record<string, string>> = {
  bench: 'src/bench/',
  doctor: 'src/doctor/',
  simulate: 'src/simulation/',
}
/** Errors of the coordinator that other commands show. */
const BY_WIRE: Readonly<Record<string, readonly string[]>> = {
  worker: ['src/coordinator/admission.ts', 'src/coordinator/members.ts'],
}
/** Texts that fewer commands show than load their module: commands with that flag, or callers of the function. */
const SHOWN_BY: Readonly<Record<string, readonly string[]>> = {
  'src/cli/dataset-of-run.ts --data': ['eval', 'inspect'],
  'src/data/open-dataset.ts --data': ['train', 'coordinator', 'eval', 'inspect'],
  'src/data/cache/stored-datasets.ts --name': ['data'],
  // The coordinator does not start workers.
  'src/model/memory-need.ts --workers': ['train'],
  // An evaluation shows only a line without flags.
  'src/model/config/run-warnings.ts --batch-size': ['train', 'coordinator'],
  'src/model/config/run-warnings.ts --shard-size': ['train', 'coordinator'],
  'src/model/config/run-warnings.ts --stratified': ['train', 'coordinator'],
  // A report has neither flag.
  'src/cli/flags/weights-option.ts --weights': ['eval', 'predict', 'inspect'],
  'src/data/sampling/choose-samples.ts --split': ['eval', 'inspect'],
  'src/cli/flags/descriptor-problems.ts --workers': ['train'],
  'src/cli/flags/run-flags.ts --launcher': ['train'],
  'src/cli/flags/run-flags.ts --standalone': ['train'],
  'src/cli/flags/run-flags.ts --workers': ['train'],
  // Of the subcommands of checkpoint, only one calls a coordinator.
  'src/coordinator/run-announcement.ts --admin': ['status', 'stop', 'pause', 'continue', 'drain'],
  'src/coordinator/admin-client.ts --admin': ['status', 'stop', 'pause', 'continue', 'drain'],
  // A relay has one address. Why its workers cannot compute, the coordinator learns and shows.
  'src/coordinator/address-problems.ts --admin-listen': ['train', 'coordinator'],
  'src/coordinator/address-problems.ts --metrics-listen': ['train', 'coordinator'],
  'src/coordinator/pool-task.ts --learning-rate': ['train', 'coordinator'],
  'src/coordinator/pool-task.ts --set': ['train', 'coordinator'],
  'src/coordinator/run-announcement.ts --announce': ['train', 'coordinator'],
  'src/data/dataset-names.ts --name': ['data'],
  // A comparison of checkpoints rejects no setting.
  'src/cli/resumed-config.ts --fork': ['train', 'coordinator'],
  // Only commands with this flag require a GPU.
  'src/tensorflow/runtime/device-choice.ts --device': ['train', 'worker', 'eval', 'predict', 'inspect'],
}
/** The subcommands with settings or files; the others have no input that could be wrong. */
const LEAVES: Readonly<Record<string, readonly string[]>> = { config: ['show'] }
/** Excludes `tar --zstd`, a flag of another program. */
const FLAG = /(?<!var\()(?<!\btar )(?<=^|[\s`'"(/])--[a-z][a-z-]*/g
const COMMAND = /(?<![\w./-])(`?)(?:npx )?convoy (?=[a-z])([^`]*)/g
const SCRIPT = /npm run (?:--silent )?([\w:-]+)/g
const PLACE = /(?<![\w./-])(?:deploy|docs|scripts)\/[\w./-]*[\w/]/g
const VARIABLE = /\bCONVOY_[A-Z_]+\b/g

const commands = new Map<string, Command>()
const sources = [...filesOf('src', '.ts'), ...filesOf('scripts', '.mjs'), ...filesOf('bin', '.mjs')]
const parsed = new Map(
  sources.map((file) => {
    const text = readFileSync(path.join(packageRoot, file), 'utf8')
    return [file, ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)] as const
  }),
)
const texts = [...parsed.values()].flatMap(textsOf)

before(async () => {
  for (const file of sources.filter((name) => path.dirname(name) === path.join('src', 'cli', 'commands'))) {
    const name = path.basename(file, '.ts')
    const module = (await import(`../../src/cli/commands/${name}.js`)) as Record<string, (() => Command) | undefined>
    const make = module[`${name}Command`]
    if (make) commands.set(name, make())
  }
  const main = parsed.get(path.join('src', 'cli', 'main.ts'))!.text
  assert.deepEqual(
    [...commands.keys()].sort(),
    Array.from(main.matchAll(/\.(\w+)Command\(\)/g), ([, name]) => name).sort(),
  )
})

function filesOf(directory: string, extension: string): string[] {
  const names = readdirSync(path.join(packageRoot, directory), { recursive: true }) as string[]
  return names.filter((name) => name.endsWith(extension)).map((name) => path.join(directory, name))
}

/** The text of a node; undefined when it is no text. */
function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isTemplateExpression(node))
    return (
      node.head.text +
      node.templateSpans.map((span) => (constantOf(span.expression) ?? '…') + span.literal.text).join('')
    )
  if (ts.isParenthesizedExpression(node)) return textOf(node.expression)
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [textOf(node.left), textOf(node.right)]
    return left === undefined && right === undefined ? undefined : `${left ?? '…'}${right ?? '…'}`
  }
  return undefined
}

/** The text of a constant of the same file. */
function constantOf(node: ts.Node): string | undefined {
  if (!ts.isIdentifier(node)) return undefined
  const declarations = node.getSourceFile().statements.filter(ts.isVariableStatement)
  const found = declarations
    .flatMap(({ declarationList }) => declarationList.declarations)
    .find(({ name }) => name.getText() === node.text)
  return found?.initializer && ts.isStringLiteralLike(found.initializer) ? found.initializer.text : undefined
}

function textsOf(source: ts.SourceFile): Text[] {
  const found: Text[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || isFlagDefinition(node)) return
    const text = textOf(node)
    if (text !== undefined) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart())
      // A single word is a text in modules that handle flags. Elsewhere it is a style or belongs to another program.
      if (
        /\s/.test(text) ||
        (/^src.(?!reporting.page.browser)/.test(source.fileName) && !ts.isArrayLiteralExpression(node.parent))
      )
        found.push({ file: source.fileName, line: line + 1, text })
    }
    // A value inside a template may be a template itself.
    ts.forEachChild(node, (child) => {
      if (text === undefined || textOf(child) === undefined) visit(child)
    })
  }
  visit(source)
  return found
}

/** Whether a node is the `'--name <name>'` of `.option(…)`, which defines a flag instead of mentioning it. */
function isFlagDefinition(node: ts.Node): boolean {
  const call = node.parent as ts.Node | undefined
  if (call === undefined || !(ts.isCallExpression(call) || ts.isNewExpression(call))) return false
  if (call.arguments?.[0] !== node) return false
  const called = ts.isPropertyAccessExpression(call.expression) ? call.expression.name : call.expression
  return ['option', 'requiredOption', 'Option', 'listOption', 'env'].includes(called.getText())
}

/** The modules that a module imports, without type imports. */
function importsOf(file: string): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    const isTypes =
      (ts.isImportDeclaration(node) && node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) ||
      ts.isImportTypeNode(node)
    if (isTypes) return
    const named = ts.isImportDeclaration(node) || ts.isExportDeclaration(node) ? node.moduleSpecifier : undefined
    const called =
      ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword ? node.arguments[0] : undefined
    const specifier = named ?? called
    if (specifier && ts.isStringLiteral(specifier) && specifier.text.startsWith('.'))
      found.push(path.join(path.dirname(file), specifier.text.replace(/\.js$/, '.ts')))
    ts.forEachChild(node, visit)
  }
  visit(parsed.get(file)!)
  return found.filter((name) => parsed.has(name))
}

function reachOf(command: string): Set<string> {
  const reached = new Set<string>()
  const queue = [ownFile(command), ...(BY_WIRE[command] ?? [])]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    queue.push(...importsOf(file).filter((next) => next.startsWith(ALONE[command] ?? '')))
  }
  return reached
}

function ownFile(command: string): string {
  return path.join('src', 'cli', 'commands', `${command}.ts`)
}

/** The commands without subcommands. */
function leavesOf(command: Command): readonly Command[] {
  const named = LEAVES[command.name()]
  if (command.commands.length === 0) return [command]
  return command.commands.filter((child) => named === undefined || named.includes(child.name()))
}

function has(command: Command, flag: string): boolean {
  // `--no-augmentation` also defines `--augmentation` in messages.
  return ['--help', '--version'].includes(flag) || command.options.some(({ long }) => long === flag)
}

/** One line for each command, flag, script, file or variable in a text that does not exist. */
function faultsOf({ file, line, text }: Text, reaching: (file: string) => readonly string[]): string[] {
  const faults: string[] = []
  const fault = (what: string): void => {
    faults.push(`${file}:${line}: ${what} in ${JSON.stringify(text)}`)
  }
  let rest = text
  for (const [mention, quote, words] of text.matchAll(COMMAND)) {
    const span = quote === '' ? words!.split(/[,;()]|\.(?:\s|$)/)[0]! : words!
    const [name, second] = span.split(/\s+/)
    const command = commands.get(name!)
    if (command === undefined) {
      // In prose any word may follow; a quoted text or one with npx is a command to type.
      if (quote !== '' || mention.includes('npx')) fault(`no command \`convoy ${name}\``)
      continue
    }
    const child = command.commands.find((one) => one.name() === second)
    if (command.commands.length > 0 && child === undefined && quote !== '' && second !== undefined)
      fault(`no command \`convoy ${name} ${second}\``)
    for (const [flag] of span.matchAll(FLAG))
      if (!has(child ?? command, flag) && !FOREIGN.has(flag)) fault(`no flag ${flag} of \`convoy ${name}\``)
    rest = rest.replace(span, '')
  }
  for (const { 0: flag, index } of rest.matchAll(FLAG)) {
    if (FOREIGN.has(flag)) continue
    const users = SHOWN_BY[`${file} ${flag}`] ?? reaching(file)
    if (users.length === 0 && ![...commands.values()].some((one) => leavesOf(one).some((leaf) => has(leaf, flag))))
      fault(`no command has ${flag}`)
    for (const name of users) {
      const leaves = leavesOf(commands.get(name)!)
      // A flag at the beginning names the user's input. In a command's own file the subcommand is unknown.
      const given = index === 0 || file === ownFile(name)
      const known = given ? leaves.some((leaf) => has(leaf, flag)) : leaves.every((leaf) => has(leaf, flag))
      if (!known) fault(`\`convoy ${name}\` can show it and has no ${flag}`)
    }
  }
  for (const [, setting, value] of text.matchAll(/--set ([\w.]+)=([\w.]*\w)/g)) {
    const assignment = { path: setting!.split('.'), value: parseYaml(value!) as unknown, origin: `--set ${setting}` }
    const { problems } = resolveRunConfig({ name: DEFAULT_RECIPE, origin: '' }, [assignment])
    if (problems.length > 0) fault(problems.join('; '))
  }
  const { scripts } = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const [, script] of text.matchAll(SCRIPT)) if (!(script! in scripts)) fault(`no script ${script}`)
  for (const { 0: place, index } of text.matchAll(PLACE)) {
    const isWhole = text[index + place.length] !== '…'
    if (isWhole && !existsSync(path.join(packageRoot, place))) fault(`no ${place}`)
  }
  for (const [variable] of text.matchAll(VARIABLE)) if (!variables().has(variable)) fault(`nothing reads ${variable}`)
  return faults
}

/** The variables that the sources read: by name, by an option, or as the counterpart of a setting's flag. */
function variables(): Set<string> {
  const read = new Set<string>()
  for (const source of parsed.values()) {
    for (const [, name] of source.text.matchAll(/\[['"](CONVOY_[A-Z_]+)['"]\]/g)) read.add(name!)
  }
  for (const command of [...commands.values()].flatMap(leavesOf)) {
    for (const { envVar } of command.options) if (envVar !== undefined) read.add(envVar)
  }
  for (const { long } of commands.get('train')!.options)
    read.add(`CONVOY_${long!.slice(2).toUpperCase().replaceAll('-', '_')}`)
  return read
}

function allFaults(all: readonly Text[]): string[] {
  const reaches = [...commands.keys()].map((name) => [name, reachOf(name)] as const)
  const reaching = (file: string): string[] => reaches.filter(([, files]) => files.has(file)).map(([name]) => name)
  return all.flatMap((text) => faultsOf(text, reaching))
}

describe('a remedy in a text', () => {
  it('exists: command, flag, setting, script, file and variable, in every command that can show the text', () => {
    assert.deepEqual(allFaults(texts), [])
  })

  it('is reported when it does not exist', () => {
    const file = path.join('src', 'data', 'import-dataset.ts')
    for (const [text, wanted] of [
      ['…: give one size with --size 32x32.', /has no --size/],
      ['…: run `npx convoy data import … --sise 32x32`.', /no flag --sise/],
      ['…: run `convoy data convert`.', /no command `convoy data convert`/],
      ['Run npx convoy instal.', /no command `convoy instal/],
      ['…: clip the gradient with `convoy train --set clipNrom=1`.', /clipNrom/],
      ['…: run `npm run tests`.', /no script tests/],
      ['…: see docs/dat.md.', /no docs\/dat\.md/],
      ['…: set CONVOY_CASHE.', /nothing reads CONVOY_CASHE/],
    ] as const)
      assert.match(allFaults([{ file, line: 1, text }]).join('\n'), wanted, text)
    assert.deepEqual(allFaults([{ file, line: 1, text: 'Run `convoy data import … --size 32x32`.' }]), [])
  })

  it('is found in literals, templates and concatenations', () => {
    const source = ts.createSourceFile(
      'src/x.ts',
      "fail(`a ${b} --on` + ' --other'); g('--third', ['--not'])",
      ts.ScriptTarget.Latest,
      true,
    )
    assert.deepEqual(
      textsOf(source).map(({ text }) => text),
      ['a … --on --other', '--third'],
    )
    assert.ok(texts.length > 1000)
  })
})
