import { ConvoyError } from '../../shared/errors.js'
import type { GpuSurvey } from './gpus.js'
import { surveyGpus, visibleGpus } from './gpus.js'
import type { RuntimeKind } from './pinned-wheels.js'

/**
 * - auto: the GPU if the driver shows one, else the CPU
 * - cpu: the CPU
 * - gpu: the GPU; fail without one
 */
export const DEVICE_CHOICES = ['auto', 'cpu', 'gpu'] as const
export type DeviceChoice = (typeof DEVICE_CHOICES)[number]

/** TensorFlow 2.20's wheel is built with CUDA 12, which runs on drivers since this one (CUDA 12 release notes, table 2). */
const OLDEST_DRIVER = '525.60.13'
/** The wheel has kernels for sm_60 and newer. */
const OLDEST_CAPABILITY = 6

/**
 * The GPUs for the workers, as values of CUDA_VISIBLE_DEVICES; empty for the CPU.
 * @throws ConvoyError('environment') when `gpu` was chosen and there is none
 */
export function chooseGpus(choice: DeviceChoice, environment: NodeJS.ProcessEnv = process.env): string[] {
  if (choice === 'cpu') return []
  const survey = surveyGpus()
  const gpus = visibleGpus(survey, environment)
  if (choice === 'gpu' && gpus.length === 0) throw unusable(describeMissingGpu(survey, environment))
  return gpus
}

/** Hides the GPUs from TensorFlow if the CPU was chosen. Call it before TensorFlow starts. */
export function hideGpus(choice: DeviceChoice, environment: NodeJS.ProcessEnv = process.env): void {
  if (choice === 'cpu') environment['CUDA_VISIBLE_DEVICES'] = '-1'
}

/**
 * Makes sure that TensorFlow does not use the CPU although a GPU was chosen or exists. Call it after TensorFlow started.
 * @param usesGpu whether TensorFlow uses a GPU
 * @throws ConvoyError('environment') with the exact reason
 */
export function checkDevice(
  choice: DeviceChoice,
  usesGpu: boolean,
  runtime: RuntimeKind,
  environment: NodeJS.ProcessEnv = process.env,
): void {
  if (usesGpu || choice === 'cpu') return
  const survey = surveyGpus()
  const isThere = visibleGpus(survey, environment).length > 0
  if (choice === 'auto' && !isThere) return
  throw unusable(isThere ? describeUnusedGpu(survey, runtime) : describeMissingGpu(survey, environment))
}

function unusable(reason: string): ConvoyError {
  return new ConvoyError('environment', `No GPU can be used: ${reason}. To compute on the CPU, use --device cpu.`)
}

function describeMissingGpu(survey: GpuSurvey, environment: NodeJS.ProcessEnv): string {
  return (
    survey.problem ??
    `CUDA_VISIBLE_DEVICES is "${environment['CUDA_VISIBLE_DEVICES']}", which leaves none of the ${survey.gpus.length} visible`
  )
}

/** Why TensorFlow does not use a GPU that the driver shows. */
function describeUnusedGpu({ gpus }: GpuSurvey, runtime: RuntimeKind): string {
  const [{ name, driver, computeCapability }] = gpus as [GpuSurvey['gpus'][number]]
  if (runtime === 'cpu') {
    return `the installed TensorFlow is the CPU edition and cannot use ${name}; \`npx convoy runtime install --gpu\` installs the GPU edition`
  }
  if (isOlder(driver, OLDEST_DRIVER)) {
    return `the driver is ${driver}, and TensorFlow's CUDA 12 needs ${OLDEST_DRIVER} or newer: update it`
  }
  if (computeCapability > 0 && computeCapability < OLDEST_CAPABILITY) {
    return `${name} has compute capability ${computeCapability.toFixed(1)}, and TensorFlow has kernels for ${OLDEST_CAPABILITY.toFixed(1)} and newer`
  }
  return `TensorFlow could not load CUDA for ${name}; TF_CPP_MIN_LOG_LEVEL=0 in the environment shows its error`
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number)) as [number[], number[]]
  const index = b.findIndex((part, position) => (a[position] ?? 0) !== part)
  return index !== -1 && (a[index] ?? 0) < b[index]!
}
