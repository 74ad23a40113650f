import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import type { DeviceDescription } from '../engine.js'
import { nativeBackend } from '../native-backend.js'
import type { LoadedTensorflow } from './load-tensorflow.js'

/** Instruction sets that TensorFlow's CPU kernels choose their code by. */
const KERNEL_FEATURES = /^(sse4_2|avx\w*|fma|amx\w*|f16c|asimd\w*|sve\w*|bf16|i8mm)$/

/** Which processor this process computes with, named and fingerprinted. */
export function describeDevice({ tf }: LoadedTensorflow): DeviceDescription {
  const version = nativeBackend(tf).binding.TF_Version
  const kind = nativeBackend(tf).isUsingGpuDevice ? 'gpu' : 'cpu'
  const name = kind === 'gpu' ? gpuName() : cpuName()
  const decidesBits = [kind, name, kind === 'cpu' ? cpuFeatures().join(' ') : '', version, 'one thread']
  return {
    kind,
    name,
    tensorflowVersion: version,
    fingerprint: createHash('sha256').update(JSON.stringify(decidesBits)).digest('hex').slice(0, 16),
  }
}

/** The CPU model as the system names it. */
export function cpuName(): string {
  return os.cpus()[0]?.model.trim() || os.arch()
}

/** Instruction sets of the CPU that matter to TensorFlow, sorted. Empty where the system does not tell. */
export function cpuFeatures(): string[] {
  let text: string
  try {
    text = readFileSync('/proc/cpuinfo', 'utf8')
  } catch {
    return []
  }
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? ''
  return flags
    .split(/\s+/)
    .filter((flag) => KERNEL_FEATURES.test(flag))
    .sort()
}

/** The first GPU that this process can see, as the driver names it. */
function gpuName(): string {
  const visible = process.env['CUDA_VISIBLE_DEVICES']?.split(',')[0]
  const args = ['--query-gpu=name', '--format=csv,noheader', ...(visible ? ['--id=' + visible] : [])]
  return execFileSync('nvidia-smi', args, { encoding: 'utf8', timeout: 10_000 }).trim().split('\n')[0]!
}
