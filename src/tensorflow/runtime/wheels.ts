import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import type { PinnedWheel } from './pinned-wheels.js'
import { WHEEL_PYTHON } from './pinned-wheels.js'
import { runProgram } from './run-program.js'

/** Newest first; every pinned wheel fits one of them. */
const PLATFORMS = [
  'manylinux_2_27',
  'manylinux_2_25',
  'manylinux_2_17',
  'manylinux2014',
  'manylinux_2_12',
  'manylinux2010',
]

const PROGRESS_INTERVAL_MS = 10_000

/**
 * Downloads wheels with pip, which checks their sha256.
 * @param directory is created; receives the files
 * @param progress receives the number of downloaded bytes every ten seconds
 * @throws ConvoyError('environment') naming the missing or broken part
 */
export async function downloadWheels(
  wheels: readonly PinnedWheel[],
  directory: string,
  progress: (bytes: number) => void,
): Promise<void> {
  // pip downloads into TMPDIR first, which may be smaller than the cache's disk.
  const temporary = path.join(directory, 'temporary')
  await mkdir(temporary, { recursive: true })
  const requirements = path.join(directory, 'requirements.txt')
  const lines = wheels.map((wheel) => `${wheel.package}==${wheel.version} --hash=sha256:${wheel.sha256}\n`)
  await writeFile(requirements, lines.join(''))
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  const args = [
    ...['-m', 'pip', 'download', '--quiet', '--no-input', '--disable-pip-version-check'],
    ...['--no-deps', '--only-binary=:all:', '--require-hashes'],
    ...PLATFORMS.flatMap((platform) => ['--platform', `${platform}_${machine}`]),
    ...['--python-version', WHEEL_PYTHON, '--implementation', 'cp', '--abi', `cp${WHEEL_PYTHON}`, '--abi', 'none'],
    ...['--dest', directory, '--requirement', requirements],
  ]
  const watch = setInterval(() => {
    void bytesUnder(temporary).then(progress)
  }, PROGRESS_INTERVAL_MS)
  try {
    const { status, stderr } = await runProgram('python3', args, { ...process.env, TMPDIR: temporary })
    if (status !== 0) throw downloadFailed(stderr)
  } finally {
    clearInterval(watch)
  }
}

/** pip renames and deletes files meanwhile: those that are gone count 0. */
async function bytesUnder(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true }).catch(() => [])
  const found = await Promise.all(names.map((name) => stat(path.join(directory, name)).catch(() => undefined)))
  return found.reduce((sum, file) => sum + (file?.isFile() ? file.size : 0), 0)
}

/** Unpacks the parts that the runtime needs: TensorFlow's libraries and headers, CUDA's libraries. */
export async function unpackWheels(wheels: string, target: string): Promise<void> {
  const { status, stderr } = await runProgram('python3', ['-c', UNPACK, wheels, target])
  if (status === 0) return
  if (/No space left/.test(stderr)) throw noSpace(target)
  throw new ConvoyError(
    'environment',
    `A downloaded TensorFlow wheel cannot be unpacked (${lastLine(stderr)}); run the same command again.`,
  )
}

const UNPACK = `
import os, sys, zipfile
source, target = sys.argv[1:]
wanted = ('tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2', 'tensorflow/include/tensorflow/',
          'tensorflow/include/xla/', 'tensorflow/include/tsl/', 'nvidia/')
for name in sorted(os.listdir(source)):
    if name.endswith('.whl'):
        with zipfile.ZipFile(os.path.join(source, name)) as wheel:
            wheel.extractall(target, [member for member in wheel.namelist() if member.startswith(wanted)])
`

/** Call it before anything else. @throws ConvoyError('environment') when python3 or its pip is missing */
export async function checkPip(): Promise<void> {
  const { status } = await runProgram('python3', ['--version'])
  if (status !== 0) {
    throw new ConvoyError(
      'environment',
      'python3 is missing; its pip downloads TensorFlow: install it (Debian, Ubuntu: apt-get install python3 python3-pip).',
    )
  }
  const pip = await runProgram('python3', ['-m', 'pip', '--version'])
  if (pip.status !== 0) {
    throw new ConvoyError(
      'environment',
      'pip is missing; it downloads TensorFlow: install it (Debian, Ubuntu: apt-get install python3-pip).',
    )
  }
}

function downloadFailed(stderr: string): ConvoyError {
  const elsewhere = 'or give an installed one with `npx convoy runtime install --from <directory>`'
  if (/DO NOT MATCH THE HASHES|hash mismatch/i.test(stderr)) {
    return new ConvoyError(
      'environment',
      'The downloaded TensorFlow is not the one that was published (its sha256 differs): run the same command again, ' +
        "and if it stays so, check pip's index (pip config list).",
    )
  }
  if (/No space left/i.test(stderr)) {
    return new ConvoyError(
      'environment',
      'The disk is full: free some space, or set CONVOY_CACHE to a directory on a larger disk.',
    )
  }
  const broken = /connection broken by '(.*)'/.exec(stderr)?.[1]
  if (broken !== undefined) {
    const reason = broken.slice(broken.lastIndexOf(': ') + 2).replace(/[')]+$/, '')
    return new ConvoyError(
      'environment',
      `pip cannot reach its package index (${reason}): check the network and the index (pip config list), ${elsewhere}.`,
    )
  }
  return new ConvoyError(
    'environment',
    `pip cannot download TensorFlow (${lastLine(stderr)}): check pip's index (pip config list), ${elsewhere}.`,
  )
}

function noSpace(target: string): ConvoyError {
  return new ConvoyError(
    'environment',
    `The disk of ${path.dirname(target)} is full: free some space, or set CONVOY_CACHE to a directory on a larger disk.`,
  )
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? 'no reason given'
}
