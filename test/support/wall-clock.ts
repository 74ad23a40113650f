import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../src/shared/package-root.js'

const NS_PER_MS = 1_000_000n

/** The wall clock of some processes, which a test can set while they run. Their monotonic clock is the machine's. */
export class WallClock {
  /** Of the processes. */
  readonly environment: NodeJS.ProcessEnv
  readonly #file: string

  /** @param directory for its files @throws Error when its library cannot be compiled */
  constructor(directory: string) {
    const library = path.join(directory, 'wall-clock.so')
    const source = path.join(packageRoot, 'test', 'support', 'wall-clock.cc')
    const { error, stderr } = spawnSync('g++', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'], {
      encoding: 'utf8',
    })
    if (error ?? stderr) throw error ?? new Error(stderr)
    this.#file = path.join(directory, 'wall-clock')
    this.environment = { LD_PRELOAD: library, TEST_WALL_CLOCK: this.#file }
    writeFileSync(this.#file, Buffer.alloc(8))
  }

  /** @param offsetMs from the time of this machine */
  set(offsetMs: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(offsetMs) * NS_PER_MS)
    // In place: the processes have the file in their memory.
    const descriptor = openSync(this.#file, 'r+')
    writeSync(descriptor, bytes, 0, bytes.length, 0)
    closeSync(descriptor)
  }
}
