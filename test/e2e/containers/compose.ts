import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { packageRoot } from '../../../src/shared/package-root.js'

export interface Service {
  readonly image: string
  readonly command: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly gpus?: readonly { readonly device_ids: readonly string[] }[]
  readonly profiles?: readonly string[]
}

export interface ComposeFile {
  readonly include?: readonly { readonly path: string; readonly env_file: string }[]
  readonly services: Readonly<Record<string, Service>>
  readonly volumes?: Readonly<Record<string, unknown>>
}

export const COMPOSE_DIRECTORY = path.join(packageRoot, 'deploy', 'compose')

/** A file of deploy/compose, merged, with the defaults of its variables. */
export function readCompose(name: string): ComposeFile {
  const text = readFileSync(path.join(COMPOSE_DIRECTORY, name), 'utf8')
  return parse(text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1'), { merge: true }) as ComposeFile
}
