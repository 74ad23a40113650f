import { createHash } from 'node:crypto'
import path from 'node:path'
// Without WebAssembly, whose memory is gigabytes of addresses: a process may have a limit of them.
import { init, parse } from 'es-module-lexer/js'
import { MAX_JSON_BYTES, readRegularFile } from '../../shared/read-file.js'
import { isThere } from '../../shared/path-access.js'

await init()

export const MODULE = /\.(mjs|js|cjs)$/
/** The export of a module that has custom code. */
export const CUSTOM_EXPORT = 'custom'

/** A module of the user's. Nothing of it is run. */
export interface ReadModule {
  /** Of the module and all files that it imports by relative paths; packages do not count. */
  readonly sha256: string
  readonly exportNames: readonly string[]
}

/** @throws ConvoyError('usage') when a file cannot be read */
export function readModule(file: string): ReadModule {
  const directory = path.dirname(file)
  const contents = new Map<string, Buffer>()
  let exportNames: readonly string[] = []
  const waiting = [file]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (contents.has(next)) continue
    const content = readRegularFile(next, MAX_JSON_BYTES)
    contents.set(next, content)
    const { imports, exports } = parsed(content.toString())
    if (next === file) exportNames = exports
    const found = imports.map((specifier) => path.resolve(path.dirname(next!), specifier))
    // One that is missing is an error when the module is run.
    waiting.push(...found.filter((place) => isThere(place)))
  }
  return { sha256: hashOf(directory, contents), exportNames }
}

/** Relative imports with literal paths, and names of exports. A file that is no JavaScript has none. */
function parsed(text: string): { readonly imports: readonly string[]; readonly exports: readonly string[] } {
  try {
    const [imports, exports] = parse(text)
    const specifiers = imports.flatMap(({ specifier }) => specifier ?? [])
    return {
      imports: specifiers.filter((name) => /^\.\.?\//.test(name)),
      exports: exports.flatMap((one) => ('name' in one ? one.name : [])),
    }
  } catch {
    return { imports: [], exports: [] }
  }
}

/** Of one file, its sha256. Of several, also their paths from the module's directory, in the order of these. */
function hashOf(directory: string, contents: ReadonlyMap<string, Buffer>): string {
  const hash = createHash('sha256')
  if (contents.size === 1) for (const content of contents.values()) hash.update(content)
  else {
    const named = [...contents].map(([file, content]) => ({ name: path.relative(directory, file), content }))
    for (const { name, content } of named.sort((a, b) => (a.name < b.name ? -1 : 1)))
      hash.update(`${name}\n${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

/** Of a file or directory, without its ending, as a configuration has it. */
export function moduleName(file: string): string {
  const name = path
    .basename(file)
    .replace(MODULE, '')
    .replace(/[^\w.-]/g, '-')
  return name.slice(0, 64) || 'model'
}
