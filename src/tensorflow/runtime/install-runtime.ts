import { createHash } from 'node:crypto'
import { readFile, realpath, rm, stat, statfs, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { nativeLoops } from '../../shared/native-loops.js'
import { createStaging, publish } from '../../shared/staging.js'
import { cannotBeRead, isMissing, isThere } from '../../shared/path-access.js'
import { formatBytes } from '../../shared/units.js'
import { compileNativeCalls } from './native-calls.js'
import { checkCompiler, compileAddon, verifyAddon } from './compile-addon.js'
import { surveyGpus } from './gpus.js'
import type { RuntimeKind } from './pinned-wheels.js'
import { pinnedRuntime, TENSORFLOW_VERSION } from './pinned-wheels.js'
import type { InstalledRuntime, RuntimeManifest } from './runtime-directory.js'
import { findRuntime, readRuntime, runtimesDirectory, selectRuntime, TFJS_VERSION } from './runtime-directory.js'
import { checkPip, downloadWheels, unpackWheels } from './wheels.js'

export interface RuntimeOptions {
  /** What to install; by default the GPU runtime if `nvidia-smi` works. */
  readonly kind?: RuntimeKind
  /** Directory of an installed TensorFlow (the package, or its parent). It is used in place; nothing is downloaded. */
  readonly from?: string
  /** Lines for people. */
  readonly report: (line: string) => void
}

/**
 * Prepares a native runtime and selects it: TensorFlow's C++ libraries, and tfjs-node's addon compiled against them.
 * It is built in a staging directory and published by one rename: an interrupted installation leaves no incomplete runtime, and two at
 * once both succeed.
 *
 * @throws ConvoyError('environment') for what the machine lacks: platform, python3, pip, g++, space, network
 */
export async function ensureRuntime(options: RuntimeOptions): Promise<InstalledRuntime> {
  const runtime = await findOrInstall(options)
  // Where they are needed first, there may be neither g++ nor a cache that can be written, as in an image.
  nativeLoops()
  return runtime
}

async function findOrInstall({ kind: asked, from, report }: RuntimeOptions): Promise<InstalledRuntime> {
  const current = findRuntime()
  if (current !== undefined && asked === undefined && from === undefined) return current
  checkPlatform()
  const installed = from === undefined ? undefined : await locateInstalled(from)
  const kind = asked ?? installed?.kind ?? (surveyGpus().gpus.length > 0 ? 'gpu' : 'cpu')
  const root = runtimesDirectory()
  const target = path.join(root, nameOf(kind, installed))
  const existing = readRuntime(target)
  if (existing !== undefined) {
    selectRuntime(target)
    return existing
  }

  await checkCompiler()
  if (installed === undefined) await checkPip()
  const unfinished = await createStaging(root)
  const staging = unfinished.directory
  try {
    if (installed === undefined) await fetchTensorflow(kind, staging, report)
    else await symlink(installed.directory, path.join(staging, 'tensorflow'))
    await timed(report, "Compiling tfjs-node's addon against it", () => compileAddon(staging))
    const tensorflowVersion = await verifyAddon(staging)
    compileNativeCalls(staging)
    if (installed === undefined) await rm(path.join(staging, 'tensorflow', 'include'), { recursive: true })
    const manifest: RuntimeManifest = {
      kind,
      tensorflowVersion,
      source: installed?.directory ?? `${pinnedRuntime(kind, process.arch)!.wheels[0]!.package} ${TENSORFLOW_VERSION}`,
      tfjsVersion: TFJS_VERSION,
    }
    await writeFile(path.join(staging, 'runtime.json'), JSON.stringify(manifest, null, 2) + '\n')
    await publish(staging, target, () => readRuntime(target) !== undefined)
  } finally {
    await unfinished.remove()
  }
  selectRuntime(target)
  return readRuntime(target)!
}

/** A TensorFlow that pip installed. `identity` changes when another version replaces it. */
interface InstalledTensorflow {
  readonly directory: string
  readonly kind: RuntimeKind
  readonly identity: string
}

function nameOf(kind: RuntimeKind, installed: InstalledTensorflow | undefined): string {
  const version = installed === undefined ? TENSORFLOW_VERSION : `from-${installed.identity}`
  return `tensorflow-${version}-${kind}-${process.arch}-tfjs-${TFJS_VERSION}`
}

async function timed(report: (line: string) => void, doing: string, work: () => Promise<void>): Promise<void> {
  report(`${doing} …`)
  const started = performance.now()
  await work()
  report(`${doing}: ${((performance.now() - started) / 1000).toFixed(1)} s`)
}

async function fetchTensorflow(kind: RuntimeKind, staging: string, report: (line: string) => void): Promise<void> {
  const pinned = pinnedRuntime(kind, process.arch)
  if (pinned === undefined) {
    throw new ConvoyError(
      'environment',
      `There is no ${kind} build of TensorFlow for ${process.arch}; use \`convoy runtime install --from <directory>\` with your own build.`,
    )
  }
  const { bavail, bsize } = await statfs(staging)
  if (bavail * bsize < pinned.peakBytes) {
    throw new ConvoyError(
      'environment',
      `${path.dirname(staging)} has ${formatBytes(bavail * bsize)} free and the ${kind} runtime needs ${formatBytes(pinned.peakBytes)}; free some space, or set CONVOY_CACHE to a directory on a larger disk.`,
    )
  }
  const size = formatBytes(pinned.downloadBytes)
  const wheels = path.join(staging, 'wheels')
  await timed(report, `Downloading TensorFlow ${TENSORFLOW_VERSION} for ${kind} (${size})`, () =>
    downloadWheels(pinned.wheels, wheels, (bytes) => {
      report(`  ${formatBytes(Math.min(bytes, pinned.downloadBytes))} of ${size}`)
    }),
  )
  await timed(report, 'Unpacking it', () => unpackWheels(wheels, staging))
  await rm(wheels, { recursive: true })
}

function checkPlatform(): void {
  if (process.platform !== 'linux') {
    throw new ConvoyError(
      'environment',
      `Convoy's native runtime needs Linux; this is ${process.platform}. Use a Linux machine or container (on Windows: WSL 2).`,
    )
  }
  const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
  if (glibcVersionRuntime === undefined) {
    throw new ConvoyError(
      'environment',
      'TensorFlow needs glibc and this system has musl (Alpine?); use a Debian, Ubuntu or Fedora based system or image.',
    )
  }
}

async function locateInstalled(from: string): Promise<InstalledTensorflow> {
  for (const candidate of [from, path.join(from, 'tensorflow')]) {
    const complete = [
      'libtensorflow_cc.so.2',
      'libtensorflow_framework.so.2',
      path.join('include', 'tensorflow'),
    ].every((part) => isThere(path.join(candidate, part)))
    if (!complete) continue
    const directory = await realpath(candidate)
    const { size, mtimeMs } = await stat(path.join(directory, 'libtensorflow_cc.so.2'))
    const hash = createHash('sha256').update(JSON.stringify([directory, size, mtimeMs]))
    const buildInfo = path.join(directory, 'python', 'platform', 'build_info.py')
    const build = await readFile(buildInfo, 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return ''
      throw cannotBeRead(buildInfo, error)
    })
    const kind = /'is_cuda_build', True/.test(build) ? 'gpu' : 'cpu'
    return { directory, kind, identity: hash.digest('hex').slice(0, 12) }
  }
  throw new ConvoyError(
    'usage',
    `--from ${from} contains no TensorFlow with its C++ libraries and headers; give the directory where pip installed it (python3 -c 'import tensorflow; print(tensorflow.__path__[0])').`,
  )
}
