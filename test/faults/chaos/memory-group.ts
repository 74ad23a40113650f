import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { until } from '../../support/until.js'

const ROOT = '/sys/fs/cgroup'
let groups = 0

/** A control group with a memory limit, of version 1 or 2. */
export class MemoryGroup {
  /** A binary that runs Node in this group. */
  readonly node: string
  /** The file of the limit, as messages name it. */
  readonly limitFile: string
  readonly #directory: string
  readonly #scratch: string

  /** @throws Error of the file system when this user may not create groups */
  constructor() {
    const isUnified = existsSync(path.join(ROOT, 'cgroup.controllers'))
    if (isUnified && !readFileSync(path.join(ROOT, 'cgroup.subtree_control'), 'utf8').includes('memory'))
      writeFileSync(path.join(ROOT, 'cgroup.subtree_control'), '+memory')
    this.#directory = path.join(ROOT, ...(isUnified ? [] : ['memory']), `convoy-test-${process.pid}-${groups++}`)
    this.limitFile = path.join(this.#directory, isUnified ? 'memory.max' : 'memory.limit_in_bytes')
    mkdirSync(this.#directory)
    this.#scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-memory-'))
    this.node = path.join(this.#scratch, 'node')
    const script = `#!/bin/sh\necho $$ > ${this.#directory}/cgroup.procs && exec ${process.execPath} "$@"\n`
    writeFileSync(this.node, script, { mode: 0o755 })
  }

  limit(bytes: number): void {
    writeFileSync(this.limitFile, `${bytes}`)
  }

  /**
   * A program for `node -e` in this group that allocates memory until the kernel has killed a process of the group. If that one
   * dies slowly, the kernel kills another: this program, rather than a coordinator.
   */
  get hog(): string {
    const file = path.join(this.#directory, this.limitFile.endsWith('max') ? 'memory.events' : 'memory.oom_control')
    return `
      const { readFileSync, writeFileSync } = require('node:fs')
      writeFileSync('/proc/self/oom_score_adj', '250')
      const held = []
      while (/oom_kill 0/.test(readFileSync(${JSON.stringify(file)}, 'utf8'))) held.push(Buffer.alloc(4e6, 1))`
  }

  /** Removes the group once its processes have ended. */
  async close(): Promise<void> {
    rmSync(this.#scratch, { recursive: true })
    await until('the group to be empty', () => readFileSync(path.join(this.#directory, 'cgroup.procs'), 'utf8') === '')
    rmdirSync(this.#directory)
  }
}

/** Why memory cannot be limited here; undefined when it can. */
export async function whyNoMemoryGroup(): Promise<string | undefined> {
  try {
    const group = new MemoryGroup()
    try {
      group.limit(1e9)
    } finally {
      await group.close()
    }
    return undefined
  } catch (error) {
    return `a limit on memory needs Linux, root and a writable ${ROOT} (${(error as Error).message})`
  }
}
