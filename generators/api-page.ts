import { readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { packageRoot } from '../src/shared/package-root.js'

const INDEX = path.join(packageRoot, 'src', 'index.ts')

/** Types that other pages describe. */
const OTHER_PAGES: Readonly<Record<string, string>> = {
  MetricsLine: 'A line of [metrics.jsonl](metrics-jsonl.md): `kind` decides what else it has.',
  RunConfig: 'All [settings](configuration.md) of a run.',
  RunConfigInput: 'The [settings](configuration.md) of a run; those that have a default may be left out.',
}

/** An export of the package. */
interface Export {
  readonly name: string
  /** More than one: overloads. */
  readonly declarations: readonly ts.Node[]
}

/** docs/reference/api.md: what programs may import from the package, with the docstrings of the source. */
export function apiPage(): string {
  const all = exportsOf()
  const isValue = ({ declarations: [first] }: Export): boolean =>
    first !== undefined && (ts.isFunctionDeclaration(first) || ts.isClassDeclaration(first))
  const names = all.map(({ name }) => name)
  const sections = (chosen: readonly Export[]): string => chosen.map((one) => section(one, names)).join('\n\n')
  return `# API

<!-- Generated from src/index.ts by \`npm run generate\`: change the docstrings there. -->

What a program may import from \`convoy\`. By semantic versioning, nothing of it is removed or changes its meaning without a new major version. Everything
else in the package may change. [Use Convoy from a program](../guides/library.md) begins with an example.

Errors are a \`ConvoyError\` with one of these [codes](errors.md).

# Functions and classes

${sections(all.filter(isValue))}

# Types

${sections(all.filter((one) => !isValue(one)))}
`
}

/** In the order of src/index.ts. */
function exportsOf(): Export[] {
  return parsed(INDEX).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined) return []
    const file = path.join(path.dirname(INDEX), (statement.moduleSpecifier as ts.StringLiteral).text)
    const { elements } = statement.exportClause as ts.NamedExports
    return elements.map(({ name }) => ({
      name: name.text,
      declarations: declarationsIn(parsed(file.replace(/\.js$/, '.ts')), name.text),
    }))
  })
}

function parsed(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
}

function declarationsIn(file: ts.SourceFile, name: string): ts.Node[] {
  const found = file.statements.filter((statement) => nameOf(statement) === name)
  const overloads = found.filter((one) => ts.isFunctionDeclaration(one) && one.body === undefined)
  return overloads.length > 0 ? overloads : found
}

function nameOf(node: ts.Node): string {
  const { name } = node as ts.NamedDeclaration
  return name === undefined ? '' : name.getText()
}

function section({ name, declarations }: Export, names: readonly string[]): string {
  const [first] = declarations
  if (first === undefined) throw new Error(`src/index.ts exports ${name}, which its module does not declare`)
  const described = OTHER_PAGES[name]
  if (described === undefined && textOf(first, names).length === 0)
    throw new Error(`src/index.ts exports ${name}, which has no docstring`)
  const parts =
    described === undefined
      ? [...textOf(first, names), ...codeOf(declarations), ...membersOf(first, names), ...tagsOf(first, names)]
      : [described]
  return [`## ${name}`, ...parts].join('\n\n')
}

function codeOf(declarations: readonly ts.Node[]): string[] {
  const lines = declarations.map((node) => {
    if (ts.isFunctionDeclaration(node)) return signature(node)
    if (ts.isTypeAliasDeclaration(node)) return `type ${node.name.text} = ${node.type.getText()}`
    const heritage = (node as ts.InterfaceDeclaration).heritageClauses?.map((clause) => clause.getText()) ?? []
    const kind = ts.isClassDeclaration(node) ? 'class' : 'interface'
    return heritage.length > 0 ? `${kind} ${nameOf(node)} ${heritage.join(' ')}` : ''
  })
  const code = lines.filter((line) => line !== '').join('\n')
  return code === '' ? [] : [`\`\`\`ts\n${code}\n\`\`\``]
}

/** Without defaults and body: what a caller sees. */
function signature(node: ts.FunctionDeclaration | ts.MethodDeclaration | ts.MethodSignature): string {
  const parameters = node.parameters.map((parameter) => {
    const isOptional = parameter.initializer !== undefined || parameter.questionToken !== undefined
    const shown = ts.isIdentifier(parameter.name) ? parameter.name.text : 'options'
    return `${shown}${isOptional ? '?' : ''}: ${onOneLine(parameter.type?.getText() ?? 'unknown')}`
  })
  const types = node.typeParameters ? `<${node.typeParameters.map((one) => one.getText()).join(', ')}>` : ''
  return `${nameOf(node)}${types}(${parameters.join(', ')}): ${onOneLine(node.type?.getText() ?? 'void')}`
}

/** A table of the public members of an interface or class. */
function membersOf(node: ts.Node, names: readonly string[]): string[] {
  if (!ts.isInterfaceDeclaration(node) && !ts.isClassDeclaration(node)) return []
  const isHidden = (member: ts.Node): boolean =>
    nameOf(member).startsWith('#') || (ts.canHaveModifiers(member) && isPrivate(member))
  const rows = [...node.members]
    .filter((member) => nameOf(member) !== '' && !isHidden(member))
    .map((member) => {
      const isMethod = ts.isMethodSignature(member) || ts.isMethodDeclaration(member)
      const type = ts.isConstructorDeclaration(member) ? undefined : (member as ts.PropertySignature).type
      const shown = isMethod ? signature(member) : `${nameOf(member)}${isOptional(member) ? '?' : ''}`
      const what = [...textOf(member, names), ...tagsOf(member, names)].join(' ')
      return `| \`${cell(shown)}\` | ${isMethod ? '' : `\`${cell(type?.getText() ?? '')}\``} | ${cell(what)} |`
    })
  return rows.length === 0 ? [] : [['| member | type | meaning |', '| --- | --- | --- |', ...rows].join('\n')]
}

function isPrivate(node: ts.HasModifiers): boolean {
  return ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) ?? false
}

function isOptional(member: ts.Node): boolean {
  return (member as ts.PropertySignature).questionToken !== undefined
}

/** The docstring without its tags. */
function textOf(node: ts.Node, names: readonly string[]): string[] {
  const docs = ts.getJSDocCommentsAndTags(node).filter((doc) => ts.isJSDoc(doc))
  return docs.slice(0, 1).flatMap((doc) => {
    const text = plain(doc.comment, names)
    return text === '' ? [] : [text]
  })
}

const TAG_WORDS: Readonly<Record<string, string>> = {
  ...{ returns: 'Returns ', throws: 'Throws ', default: 'Default: ' },
}

function tagsOf(node: ts.Node, names: readonly string[]): string[] {
  const lines = ts.getJSDocTags(node).flatMap((tag) => {
    const text = plain(tag.comment, names)
    if (ts.isJSDocParameterTag(tag)) return [`\`${tag.name.getText()}\`: ${text}`]
    const words = TAG_WORDS[tag.tagName.text]
    return words === undefined ? [] : [`${words}${text}`]
  })
  const isMember = !ts.isSourceFile(node.parent)
  return lines.length === 0
    ? []
    : [isMember ? lines.map(withFullStop).join(' ') : lines.map((line) => `- ${line}`).join('\n')]
}

function withFullStop(line: string): string {
  return /[.!?]$/.test(line) ? line : `${line}.`
}

/** Text of a docstring; links to exports lead to their sections. */
function plain(comment: string | ts.NodeArray<ts.JSDocComment> | undefined, names: readonly string[]): string {
  if (comment === undefined) return ''
  const parts = typeof comment === 'string' ? [comment] : comment.map((part) => linked(part, names))
  return onOneLine(parts.join(''))
}

function linked(part: ts.JSDocComment, names: readonly string[]): string {
  if (!ts.isJSDocLink(part)) return part.text
  const name = part.name?.getText() ?? part.text
  return names.includes(name) ? `[\`${name}\`](#${name.toLowerCase()})` : `\`${name}\``
}

function onOneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

function cell(text: string): string {
  return onOneLine(text).replaceAll('|', '\\|')
}
