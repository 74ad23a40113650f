import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { cpuFeatures, cpuName } from '../tensorflow/runtime/describe-device.js'
import type { Gpu } from '../tensorflow/runtime/gpus.js'
import { surveyGpus } from '../tensorflow/runtime/gpus.js'
import { runProgram } from '../tensorflow/runtime/run-program.js'
import { packageRoot } from '../shared/package-root.js'

/** What a bug report needs to know about a machine. */
export interface Machine {
  readonly convoy: string
  readonly node: string
  readonly npm: string | undefined
  readonly system: string
  readonly kernel: string
  /** Undefined with musl. */
  readonly glibc: string | undefined
  readonly cpu: string
  /** Instruction sets that TensorFlow chooses kernels by. */
  readonly cpuFeatures: readonly string[]
  /** Cores that this process may use. */
  readonly cores: number
  /** Memory of the machine, or the limit of the container. */
  readonly memoryBytes: number
  readonly gpus: readonly Gpu[]
}

export async function describeMachine(): Promise<Machine> {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { version: string }
  const npm = await runProgram('npm', ['--version'])
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  // 0 if the limit is unknown, about 2^64 if there is none.
  const limit = process.constrainedMemory() || Infinity
  return {
    convoy: version,
    node: process.versions.node,
    npm: npm.status === 0 ? npm.stdout.trim() : undefined,
    system: systemName(),
    kernel: `${os.type()} ${os.release()} ${process.arch}`,
    glibc: report.header.glibcVersionRuntime,
    cpu: cpuName(),
    cpuFeatures: cpuFeatures(),
    cores: os.availableParallelism(),
    memoryBytes: Math.min(limit, os.totalmem()),
    gpus: surveyGpus().gpus,
  }
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? os.type()
  } catch {
    return os.type()
  }
}
