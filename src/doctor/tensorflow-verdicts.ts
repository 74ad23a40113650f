import { fileURLToPath } from 'node:url'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import { runProgram } from '../tensorflow/runtime/run-program.js'
import { findRuntime } from '../tensorflow/runtime/runtime-directory.js'
import { ConvoyError } from '../shared/errors.js'
import { shortageIn } from '../shared/own-shortage.js'
import type { Verdict } from './verdict.js'
import { healthy, wrong } from './verdict.js'

const INSTALL = 'npx convoy runtime install'

/**
 * Checks that TensorFlow is installed, loads and computes. If it is not installed, checks the tools for installing it.
 * @param gpuCount GPUs that the driver sees
 */
export async function examineTensorflow(gpuCount: number): Promise<Verdict[]> {
  let runtime
  try {
    runtime = findRuntime()
  } catch (error) {
    const { message } = ConvoyError.from(error)
    return [wrong('native TensorFlow', message, 'set CONVOY_CACHE to a directory that this user may read')]
  }
  if (runtime === undefined) {
    return [wrong('native TensorFlow', 'not installed', `run \`${INSTALL}\``), ...(await examineTools())]
  }
  const { kind, tensorflowVersion, directory } = runtime
  const installed = `${tensorflowVersion} for ${kind} in ${directory}`
  const fits = gpuCount === 0 || kind === 'gpu'
  return [
    fits
      ? healthy('native TensorFlow', installed)
      : wrong('native TensorFlow', `${installed}, which cannot use the GPU`, `run \`${INSTALL} --gpu\``),
    await multiply(kind, directory),
  ]
}

async function multiply(kind: 'cpu' | 'gpu', directory: string): Promise<Verdict> {
  const check = 'two matrices'
  const started = performance.now()
  const program = fileURLToPath(new URL('./multiply-matrices.js', import.meta.url))
  const { status, stdout, stderr } = await runProgram(process.execPath, [program])
  if (status !== 0) {
    const reason = stderr.split('\n').find((line) => /error/i.test(line)) ?? `status ${status}`
    const isKilled = stderr.endsWith('ended by SIGKILL')
    const lacking = isKilled ? 'check the kernel log (dmesg) for a lack of memory' : shortageIn(stderr)?.remedy
    const remedy = lacking ?? `delete ${directory} and run \`${INSTALL}\``
    return wrong(check, `TensorFlow fails: ${isKilled ? 'ended by SIGKILL' : reason.trim()}`, remedy)
  }
  const device = JSON.parse(stdout) as DeviceDescription & { exact: boolean }
  if (!device.exact) {
    return wrong(
      check,
      `${device.name} computed a wrong product`,
      'test this machine and its memory; do not train on it',
    )
  }
  if (device.kind !== kind) {
    return wrong(
      check,
      `computed on the ${device.kind}, although TensorFlow is built for the ${kind}`,
      'check the driver: nvidia-smi',
    )
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  return healthy(check, `multiplied exactly by ${device.name} in ${seconds} s (fingerprint ${device.fingerprint})`)
}

/** What an installation of TensorFlow needs. */
async function examineTools(): Promise<Verdict[]> {
  const tools = [
    { name: 'python3', command: ['python3', '--version'], debian: 'python3' },
    { name: 'pip', command: ['python3', '-m', 'pip', '--version'], debian: 'python3-pip' },
    { name: 'g++', command: ['g++', '--version'], debian: 'g++' },
  ]
  return Promise.all(
    tools.map(async ({ name, command: [program, ...args], debian }) => {
      const { status, stdout } = await runProgram(program!, args)
      if (status !== 0) return wrong(name, 'missing', `install it (Debian, Ubuntu: apt-get install ${debian})`)
      return healthy(name, stdout.split('\n')[0]!)
    }),
  )
}
