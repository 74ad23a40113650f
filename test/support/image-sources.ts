import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import sharp from 'sharp'
import { cacheDirectory } from '../../src/shared/cache-directory.js'
import { packageRoot } from '../../src/shared/package-root.js'

/** CIFAR-10's fingerprint. */
const EMBEDDED = '92e717cb0d7787b235f05e3256299dc22211cbfca66cdbf2bbca42a07d1d8670'
const TIMEOUT_MS = 120_000

export interface Outcome {
  /** null when it had not exited after two minutes. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Folders of images in a directory of its own, and commands on them, with a cache of its own. */
export class ImageSources {
  readonly directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-images-'))
  readonly cache = path.join(this.directory, 'cache')

  constructor() {
    mkdirSync(path.join(this.cache, 'datasets'), { recursive: true })
    // Links to the results of set-up.
    symlinkSync(path.join(cacheDirectory(), 'datasets', EMBEDDED), path.join(this.cache, 'datasets', EMBEDDED))
    symlinkSync(path.join(cacheDirectory(), 'runtime'), path.join(this.cache, 'runtime'))
  }

  path(...parts: string[]): string {
    return path.join(this.directory, ...parts)
  }

  /** Writes files; a number stands for a PNG of 8x8 pixels with that red. */
  async write(files: Record<string, number | Buffer>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      const file = this.path(name)
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, typeof content === 'number' ? await png(content) : content)
    }
  }

  /** Runs `convoy …` in the directory, without a terminal. */
  convoy(args: readonly string[], options: { uid?: number; gid?: number } = {}): Outcome {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [path.join(packageRoot, 'bin', 'convoy.mjs'), ...args],
      {
        ...{ cwd: this.directory, encoding: 'utf8', timeout: TIMEOUT_MS, killSignal: 'SIGKILL', ...options },
        env: { ...process.env, CONVOY_CACHE: this.cache },
      },
    )
    return { status, stdout, stderr }
  }

  /** Runs `convoy data import …`, which must succeed. @returns the data set in the cache */
  import(...args: string[]): {
    fingerprint: string
    classNames: string[]
    labels: number[]
    pixels: Buffer
    stderr: string
  } {
    const { status, stdout, stderr } = this.convoy(['data', 'import', ...args])
    if (status !== 0) throw new Error(`import ${args.join(' ')} exits ${status}: ${stderr}`)
    const fingerprint = /[0-9a-f]{64}/.exec(stdout)![0]
    return { ...this.#stored(fingerprint), fingerprint, stderr }
  }

  /** Trains for one step on a folder. @returns the directory of the run */
  train(source: string): string {
    const args = [
      '--recipe',
      'quick',
      '--max-steps',
      '1',
      '--workers',
      '1',
      '--device',
      'cpu',
      '--runs-dir',
      'runs',
      '--json',
    ]
    const { status, stdout, stderr } = this.convoy(['train', '--data', source, ...args])
    if (status !== 0) throw new Error(`train ${source} exits ${status}: ${stderr}${stdout}`)
    return path.join('runs', readdirSync(this.path('runs'))[0]!)
  }

  /** The data set that a command opens for a path. */
  opened(source: string): { classNames: string[]; count: number; height: number } {
    const { status, stdout, stderr } = this.convoy(['data', 'info', source, '--json'])
    if (status !== 0) throw new Error(`info ${source} exits ${status}: ${stderr}`)
    const { classes, count, height } = JSON.parse(stdout) as {
      classes: { name: string }[]
      count: number
      height: number
    }
    return { classNames: classes.map(({ name }) => name), count, height }
  }

  #stored(fingerprint: string) {
    const directory = path.join(this.cache, 'datasets', fingerprint)
    const info = JSON.parse(readFileSync(path.join(directory, 'info.json'), 'utf8')) as {
      count: number
      classNames: string[]
    }
    const packed = readFileSync(path.join(directory, 'packed.bin'))
    const labels = Array.from({ length: info.count }, (_, index) => packed.readUInt16LE(2 * index))
    return { classNames: info.classNames, labels, pixels: packed.subarray(2 * info.count) }
  }
}

export async function png(red: number, width = 8, height = 8): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: { r: red, g: 10, b: 20 } } })
    .png()
    .toBuffer()
}

/** Sample formats of TIFF 6.0, tag 339. */
export const UNSIGNED = 1
export const SIGNED = 2
export const FLOAT = 3

/** A TIFF of one strip. @param data its samples @param extra values of the tag ExtraSamples */
export function tiff(
  side: number,
  channels: number,
  bits: number,
  format: number,
  data: NodeJS.TypedArray,
  extra?: number,
): Buffer {
  const [SHORT, LONG] = [3, 4]
  const grey = channels < 3
  const tags: [tag: number, type: number, values: number[]][] = [
    [256, LONG, [side]],
    [257, LONG, [side]],
    [258, SHORT, new Array<number>(channels).fill(bits)],
    [259, SHORT, [1]],
    [262, SHORT, [grey ? 1 : 2]],
    [273, LONG, [512]],
    [277, SHORT, [channels]],
    [278, LONG, [side]],
    [279, LONG, [data.byteLength]],
    ...(extra === undefined ? [] : [[338, SHORT, [extra]] as [number, number, number[]]]),
    [339, SHORT, new Array<number>(channels).fill(format)],
  ]
  const head = Buffer.alloc(512)
  head.write('II*\0', 'latin1')
  head.writeUInt32LE(8, 4)
  head.writeUInt16LE(tags.length, 8)
  let outside = 10 + 12 * tags.length + 4
  tags.forEach(([tag, type, values], index) => {
    const entry = 10 + 12 * index
    head.writeUInt16LE(tag, entry)
    head.writeUInt16LE(type, entry + 2)
    head.writeUInt32LE(values.length, entry + 4)
    if (type === LONG) {
      head.writeUInt32LE(values[0]!, entry + 8)
      return
    }
    let offset = entry + 8
    if (values.length > 2) {
      head.writeUInt32LE(outside, entry + 8)
      offset = outside
      outside += 2 * values.length
    }
    values.forEach((value, position) => head.writeUInt16LE(value, offset + 2 * position))
  })
  return Buffer.concat([head, Buffer.from(data.buffer, data.byteOffset, data.byteLength)])
}
