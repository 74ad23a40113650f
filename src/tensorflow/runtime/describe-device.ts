import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { cannotBeRead, isMissing } from '../../shared/path-access.js'
import type { DeviceDescription } from '../engine/engine.js'
import { nativeBackend } from '../engine/native-backend.js'
import type { Gpu } from './gpus.js'
import { surveyGpus, visibleGpus } from './gpus.js'
import type { LoadedTensorflow } from './load-tensorflow.js'

/** Instruction sets that decide which code TensorFlow's CPU kernels run. */
const KERNEL_FEATURES = /^(sse4_2|avx\w*|fma|amx\w*|f16c|asimd\w*|sve\w*|bf16|i8mm)$/

/** The device of this process, with its name and fingerprint. */
export function describeDevice({ tf }: LoadedTensorflow): DeviceDescription {
  const version = nativeBackend(tf).binding.TF_Version
  const kind = nativeBackend(tf).isUsingGpuDevice ? 'gpu' : 'cpu'
  const name = kind === 'gpu' ? (firstGpu()?.name ?? 'GPU') : cpuName()
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

/** Instruction sets of the CPU that matter to TensorFlow, sorted. Empty if the system does not list them. @throws ConvoyError('environment') when it cannot be read */
export function cpuFeatures(): string[] {
  let text: string
  try {
    text = readFileSync('/proc/cpuinfo', 'utf8')
  } catch (error) {
    // An empty list would give this machine another fingerprint.
    if (!isMissing(error)) throw cannotBeRead('/proc/cpuinfo', error, 'environment')
    return []
  }
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? ''
  return flags
    .split(/\s+/)
    .filter((flag) => KERNEL_FEATURES.test(flag))
    .sort()
}

/**
 * Whether the processor has instructions for bfloat16; without them it is slower than float32.
 * GPUs have them from compute capability 8.0 (Ampere) on.
 */
export function hasBfloat16({ tf }: LoadedTensorflow): boolean {
  if (nativeBackend(tf).isUsingGpuDevice) return (firstGpu()?.computeCapability ?? 0) >= 8
  return cpuFeatures().some((feature) => feature.endsWith('bf16'))
}

/** The first GPU that this process can see. */
function firstGpu(): Gpu | undefined {
  const survey = surveyGpus()
  const [first] = visibleGpus(survey)
  // CUDA_VISIBLE_DEVICES may name a GPU by its UUID; on one machine they are nearly always of one model.
  return survey.gpus.find(({ index }) => String(index) === first) ?? survey.gpus[0]
}
