import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { packageRoot } from '../../src/shared/package-root.js'
import type { Mutation } from './mutation.js'
import { withMutation } from './mutation.js'

/** Copied, because Node follows a link to a program and would run the code beside its target. */
const COPIED = ['dist', 'bin', 'scripts', 'package.json']
const LEFT_OUT = ['.git', 'coverage', 'runs']

/** This package with a copy of its compiled code, in which faults are planted; everything else is linked. */
export class CopiedPackage {
  readonly directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-mutation-'))
  /** Temporary directory of the tests. */
  readonly scratch = path.join(this.directory, 'scratch')

  constructor() {
    mkdirSync(this.scratch)
    // Some tests run programs as another user.
    chmodSync(this.directory, 0o755)
    for (const name of readdirSync(packageRoot)) {
      const [from, to] = [path.join(packageRoot, name), path.join(this.directory, name)]
      if (COPIED.includes(name)) cpSync(from, to, { recursive: true, preserveTimestamps: true })
      else if (!LEFT_OUT.includes(name)) symlinkSync(from, to)
    }
  }

  /** @returns a function that removes the fault @throws Error naming the mutation when its text does not occur exactly once */
  plant(mutation: Mutation): () => void {
    const file = path.join(this.directory, 'dist', 'src', mutation.file)
    const code = readFileSync(file, 'utf8')
    writeFileSync(file, withMutation(code, mutation))
    return () => {
      writeFileSync(file, code)
    }
  }

  remove(): void {
    // A process that was just killed may still write.
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }
}
