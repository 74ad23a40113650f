import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { runProgram } from './run-program.js'

/** Call it before downloading. @throws ConvoyError('environment') when g++ is missing */
export async function checkCompiler(): Promise<void> {
  if ((await runProgram('g++', ['--version'])).status === 0) return
  throw new ConvoyError(
    'environment',
    'g++ is missing; it is needed to compile the Node addon for TensorFlow: install it (Debian, Ubuntu: apt-get install g++).',
  )
}

/** How g++ compiles and links an addon in `<runtime>/addon`, with the stable Node API: one binary for every version of Node. */
export function addonFlags(runtime: string): { readonly compile: string[]; readonly link: string[] } {
  const require = createRequire(import.meta.url)
  const headers = (require('node-api-headers') as { include_dir: string }).include_dir
  return {
    compile: ['-std=c++17', '-O2', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8', `-I${headers}`],
    link: [
      `-L${path.join(runtime, 'tensorflow')}`,
      '-l:libtensorflow_framework.so.2',
      '-Wl,-rpath,$ORIGIN/../tensorflow',
    ],
  }
}

/**
 * Compiles tfjs-node's addon against `<runtime>/tensorflow`.
 * @throws ConvoyError('environment') when g++ fails
 */
export async function compileAddon(runtime: string): Promise<void> {
  const require = createRequire(import.meta.url)
  const tfjs = path.dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'))
  const { compile, link } = addonFlags(runtime)
  await mkdir(path.join(runtime, 'addon'), { recursive: true })
  const { status, stderr } = await runProgram('g++', [
    ...[...compile, `-I${tfjs}`, `-I${path.join(runtime, 'tensorflow', 'include')}`],
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => path.join(tfjs, 'binding', file)),
    ...['-o', path.join(runtime, 'addon', 'tfjs_binding.node'), ...link, '-l:libtensorflow_cc.so.2'],
  ])
  if (status !== 0) {
    const reason = stderr.split('\n').find((line) => line.includes('error')) ?? stderr.trim().split('\n').at(-1)
    throw new ConvoyError(
      'environment',
      `g++ cannot compile the Node addon for TensorFlow (${reason}); use g++ 9 or newer with the C++ standard library (Debian, Ubuntu: apt-get install g++).`,
    )
  }
}

/** Loads the addon in a process of its own. @returns TensorFlow's version @throws ConvoyError('environment') when it does not load */
export async function verifyAddon(runtime: string): Promise<string> {
  const addon = path.join(runtime, 'addon', 'tfjs_binding.node')
  const { status, stdout, stderr } = await runProgram(process.execPath, [
    '-p',
    `require(${JSON.stringify(addon)}).TF_Version`,
  ])
  if (status === 0) return stdout.trim()
  const reason = stderr.split('\n').find((line) => line.startsWith('Error')) ?? stderr.trim().split('\n').at(-1)
  throw new ConvoyError(
    'environment',
    `TensorFlow was installed but does not load (${reason}); it does not support this machine's libraries or CPU.`,
  )
}
