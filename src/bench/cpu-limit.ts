import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'

const ROOT = '/sys/fs/cgroup'
/** Short compared with a shard, so that a limited worker is evenly slow. */
const PERIOD_US = 50_000

/** A limit on processor time for the processes in it, enforced by the kernel (control groups, version 1 or 2). */
export class CpuLimit {
  readonly #directory: string

  /**
   * @param name of the group, unique on the machine
   * @param cores such as 0.1; at least 0.02, the minimum of Linux
   * @throws ConvoyError('environment') when this user may not create control groups
   */
  constructor(name: string, cores: number) {
    const quota = `${Math.round(cores * PERIOD_US)}`
    const isUnified = existsSync(path.join(ROOT, 'cgroup.controllers'))
    this.#directory = path.join(ROOT, ...(isUnified ? [] : ['cpu']), name)
    try {
      if (isUnified && !readFileSync(path.join(ROOT, 'cgroup.subtree_control'), 'utf8').includes('cpu')) {
        writeFileSync(path.join(ROOT, 'cgroup.subtree_control'), '+cpu')
      }
      mkdirSync(this.#directory)
      if (isUnified) this.#write('cpu.max', `${quota} ${PERIOD_US}`)
      else {
        this.#write('cpu.cfs_period_us', `${PERIOD_US}`)
        this.#write('cpu.cfs_quota_us', quota)
      }
    } catch (error) {
      throw new ConvoyError(
        'environment',
        `A limit on processor time needs Linux, root and a writable ${ROOT}: ${(error as Error).message}`,
        { cause: error },
      )
    }
  }

  /** Limits a process with all its threads. */
  add(pid: number): void {
    this.#write('cgroup.procs', `${pid}`)
  }

  /** Removes the group. Its processes must have ended. */
  close(): void {
    rmdirSync(this.#directory)
  }

  #write(file: string, text: string): void {
    writeFileSync(path.join(this.#directory, file), text)
  }
}
