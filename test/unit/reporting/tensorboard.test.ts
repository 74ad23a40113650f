import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import sharp from 'sharp'
import { crc32c } from '../../../src/reporting/sinks/tensorboard/crc32c.js'
import { tensorboardType } from '../../../src/reporting/sinks/tensorboard/event-file.js'
import { histogramOf } from '../../../src/reporting/sinks/tensorboard/histogram.js'
import { confusionImage, kernelsImage } from '../../../src/reporting/sinks/tensorboard/images.js'
import type { Inspection } from '../../../src/reporting/page/inspection.js'
import { TensorboardReport } from '../../../src/reporting/sinks/tensorboard/tensorboard-report.js'
import { packageRoot } from '../../../src/shared/package-root.js'
import { tinyDataset } from '../../support/tiny-dataset.js'
import { until } from '../../support/until.js'
import { stepsViolation } from '../../faults/chaos/step-ledger.js'
import { EVENTS } from '../../support/example-run.js'
import type { Json } from '../../support/launch.js'
import { killLaunches, Launch } from '../../support/launch.js'
import { eventReader } from '../../integration/tensorboard/event-reader.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-tensorboard-'))
const reader = await eventReader()
const read = typeof reader === 'string' ? undefined : reader
const skip = typeof reader === 'string' && reader
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const RUN = ['--recipe', 'quick', '--data', tiny.directory, '--workers', '2']

/** The event file of a launch for a split, and its directory. */
function eventsOf(launch: Launch, split: string): { directory: string; file: string } {
  const [run] = readdirSync(launch.runsDirectory)
  const directory = path.join(launch.runsDirectory, run!, 'tensorboard', split)
  const [name] = readdirSync(directory)
  return { directory, file: path.join(directory, name!) }
}

describe('the event file of a run in TensorBoard', { skip }, () => {
  it('has the values of metrics.jsonl, histograms of all weights and gradients, and images', async () => {
    const launch = new Launch(['train', ...RUN, '--epochs', '3', '--json'], tiny.environment, true)
    await launch.result()
    const { scalars, histograms, images, served } = read!(eventsOf(launch, 'train').directory)
    const evaluations = {
      validation: read!(eventsOf(launch, 'validation').directory),
      test: read!(eventsOf(launch, 'test').directory),
    }
    const lines = await launch.metrics()
    launch.remove()

    const steps = lines.filter(({ kind }) => kind === 'step')
    assert.ok(steps.length > 3)
    const single = (value: unknown): number => Math.fround(value as number)
    for (const [tag, field] of [
      ['loss', 'loss'],
      ['accuracy', 'accuracy'],
      ['run/learning_rate', 'learningRate'],
      ['run/gradient_norm', 'gradientNorm'],
      ['run/epoch', 'epoch'],
      ['run/workers', 'workers'],
    ] as const) {
      assert.deepEqual(
        scalars[tag]!.map(([, step, value]) => [step, value]),
        steps.map((line) => [line['step'], single(line[field])]),
        tag,
      )
    }
    for (const [index, [wallTime, , value]] of scalars['run/images_per_second']!.entries()) {
      assert.ok(Math.abs(wallTime - (steps[index]!['time'] as number)) < 1)
      assert.equal(value, single((1000 * 128) / (steps[index]!['durationMs'] as number)))
    }
    const results = lines.filter(({ kind }) => kind === 'evaluated').map(({ result }) => result as Json)
    for (const split of ['validation', 'test'] as const) {
      const ofSplit = results.filter((result) => result['split'] === split)
      for (const field of ['loss', 'accuracy']) {
        assert.deepEqual(
          evaluations[split].scalars[field]!.map(([, step, value]) => [step, value]),
          ofSplit.map((result) => [result['step'], single(result[field])]),
        )
      }
      assert.deepEqual(
        evaluations[split].images['confusion']!.map(({ step }) => step),
        ofSplit.map(({ step }) => step),
      )
    }

    const landmarks = [1, ...results.filter(({ split }) => split === 'validation').map(({ step }) => step)]
    const gradients = Object.keys(histograms).filter((tag) => tag.startsWith('gradients/'))
    const trainable = gradients.reduce((sum, tag) => sum + histograms[tag]![0]!.num, 0)
    assert.equal(trainable, lines.find(({ kind }) => kind === 'started')!['parameterCount'])
    for (const tag of gradients) assert.ok(tag.replace('gradients/', 'weights/') in histograms, tag)
    for (const [tag, all] of Object.entries(histograms)) {
      assert.deepEqual(
        all.map(({ step }) => step),
        landmarks,
        tag,
      )
      for (const { num, bucket, min, max, bucket_limit: limits } of all) {
        assert.equal(
          bucket.reduce((sum, count) => sum + count, 0),
          num,
        )
        assert.ok(min <= max && limits.at(-1) === max)
      }
    }
    // Gradients differ from step to step.
    const kernel = histograms['gradients/stem_conv/kernel']!
    assert.notEqual(kernel[0]!.sum, kernel[1]!.sum)

    assert.deepEqual(
      images['first_layer']!.map(({ step }) => step),
      landmarks,
    )
    for (const { width, height, png } of Object.values({ ...images, ...evaluations.test.images }).flat()) {
      const decoded = await sharp(Buffer.from(png, 'hex')).metadata()
      assert.deepEqual([decoded.format, decoded.width, decoded.height], ['png', width, height])
    }
    for (const [tag, points] of Object.entries({ ...scalars, ...histograms, ...images }))
      assert.equal(served[tag], points.length, `${tag} is not served`)
  })

  it('has the mistakes of all inspections under one tag as images, with a table of labels and predictions', async () => {
    const directory = mkdtempSync(path.join(scratch, 'mistakes-'))
    const identity = { run: 'r', name: 'r', recipe: 'quick', version: '1' }
    const report = new TensorboardReport({
      runDirectory: directory,
      identity,
      wallSeconds: () => 1,
      onLost: (_records, reason) => {
        throw reason
      },
    })
    const started = EVENTS.find((event) => event.kind === 'started')!
    report.observe({ ...started, dataset: { ...started.dataset, classNames: ['cat|*kitten*', 'dog'] } })
    const pixels = [Uint8Array.of(255, 0, 0, 0, 255, 0), Uint8Array.of(0, 0, 255, 255, 255, 255)]
    const mistakes = pixels.map((bytes, sample) => ({
      ...{ label: 0, sample, pixels: Buffer.from(bytes).toString('base64'), probabilities: [0.1, 0.9] },
    }))
    for (const step of [7, 9])
      report.onInspection({ split: 'validation', step, imageShape: [1, 2, 3], mistakes } as unknown as Inspection)
    await report.close()
    const { batches, texts } = read!(path.join(directory, 'tensorboard', 'validation'))
    assert.deepEqual(Object.keys(batches), ['mistakes'])
    assert.deepEqual(
      batches['mistakes']!.map(({ step, width, height }) => [step, width, height]),
      [
        [7, 320, 160],
        [9, 320, 160],
      ],
    )
    for (const [index, png] of batches['mistakes']![1]!.pngs.entries()) {
      const { data, info } = await sharp(Buffer.from(png, 'hex')).raw().toBuffer({ resolveWithObject: true })
      assert.deepEqual([info.width, info.height], [320, 160])
      assert.deepEqual([...data.subarray(0, 3), ...data.subarray(-3)], [...pixels[index]!])
    }
    assert.equal(texts['mistakes/classes']!.length, 2)
    assert.match(texts['mistakes/classes']![0]!, /\n\| 2 \| cat\\\|\\\*kitten\\\* \| dog \| 90\.0 % \| 1 \|$/)
  })

  it('is readable during the run, after its coordinator was killed, and when truncated anywhere', async () => {
    const launch = new Launch(['train', ...RUN, '--epochs', '100000'], tiny.environment, true)
    await launch.untilMetrics((line) => line['kind'] === 'evaluated')
    await launch.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= 40)
    const { directory, file } = eventsOf(launch, 'train')
    const live = read!(directory).scalars['loss']!
    assert.ok(live.length > 0)
    launch.kill()
    await launch.status()
    const whole = read!(directory).scalars['loss']!
    assert.deepEqual(whole.slice(0, live.length), live)
    const { texts, served } = read!(path.dirname(directory))
    assert.match(texts['settings']![0]!, /\| network\.name \| resnet8 \|/)
    assert.ok('_hparams_/session_start_info' in served && !('_hparams_/session_end_info' in served))
    const bytes = statSync(file).size
    for (const cut of [1, 3, 5, 17, 200]) {
      const copy = path.join(scratch, `cut-${cut}`)
      cpSync(directory, copy, { recursive: true })
      truncateSync(path.join(copy, path.basename(file)), bytes - cut)
      const rest = read!(copy).scalars['loss']!
      assert.ok(rest.length > 0)
      assert.deepEqual(rest, whole.slice(0, rest.length))
    }
    launch.remove()
  })

  it(
    'on a full disk does not stop the run: that is logged once, and what waited in memory is written once there is space',
    {
      skip: !canMount() && 'a file system of its own cannot be mounted here (unshare, a user namespace)',
    },
    async () => {
      const disk = path.join(scratch, 'disk')
      mkdirSync(disk)
      // A file system visible only to this process. A run reserves 5.2 MB of it for its models. Without the filler there is room for all that
      // waited in memory, but not for another checkpoint.
      const run = ['train', ...RUN, '--epochs', '100000', '--runs-dir', disk, '--metrics-listen', '127.0.0.1:0']
      const child = spawn(
        'unshare',
        [
          ...['--user', '--map-root-user', '--mount', 'sh', '-c'],
          'mount -t tmpfs -o size=16m none "$1" && head -c 11000000 /dev/zero >"$1/filler" && shift && exec "$@"',
          ...['sh', disk, process.execPath, path.join(packageRoot, 'bin', 'convoy.mjs'), ...run],
        ],
        { env: { ...process.env, ...tiny.environment }, stdio: ['ignore', 'ignore', 'pipe'] },
      )
      let output = ''
      try {
        const metrics = await new Promise<string>((resolve, reject) => {
          child.on('exit', () => {
            reject(new Error(output))
          })
          child.stderr.on('data', (text: Buffer) => {
            output += text.toString()
            const address = /watch it at (http\S+)/.exec(output)?.[1]
            if (address !== undefined) resolve(new URL('/metrics', address).href)
          })
        })
        const value = async (series: string): Promise<number> => {
          const text = await (await fetch(metrics)).text()
          return Number(
            text
              .split('\n')
              .find((line) => line.startsWith(series))
              ?.split(' ')[1],
          )
        }
        // The disk as seen by that process.
        const inside = `/proc/${child.pid}/root${disk}`
        const filler = path.join(inside, 'filler')
        // What the run removed, such as an older model, left space: the disk is full only once that is taken as well.
        const fill = (): void => {
          assert.equal(child.exitCode, null, output)
          const page = Buffer.alloc(4096)
          assert.throws(() => {
            for (;;) appendFileSync(filler, page)
          }, /ENOSPC/)
        }
        await until('the first step', async () => (await value('convoy_step{')) > 0)
        await until('a full disk', () => {
          fill()
          return ['metrics.jsonl', 'tensorboard'].every((report) => output.includes(`${report} cannot be written`))
        })
        const step = await value('convoy_step{')
        while ((await value('convoy_step{')) < step + 20) fill()
        for (const report of ['metrics.jsonl', 'tensorboard'])
          assert.equal(output.split(`${report} cannot be written (ENOSPC`).length, 2, output)

        const runDirectory = path.join(
          inside,
          readdirSync(inside).find((name) => name !== 'filler')!,
        )
        const lines = (): Json[] => {
          const text = readFileSync(path.join(runDirectory, 'metrics.jsonl'), 'utf8').split('\n').slice(0, -1)
          // Parsing fails on a partial line.
          return text.map((line) => JSON.parse(line) as Json)
        }
        const steps = (): number => lines().filter(({ kind }) => kind === 'step').length
        const before = steps()
        assert.ok(before < step + 20)
        rmSync(filler)
        await until('lines that waited in memory', () => steps() > before)
        assert.equal(stepsViolation(lines(), steps()), undefined)
        assert.equal(await value('convoy_report_records_lost_total{report="metrics.jsonl"'), 0)
        const copy = path.join(scratch, 'full')
        cpSync(path.join(runDirectory, 'tensorboard', 'train'), copy, { recursive: true })
        assert.ok(read!(copy).scalars['loss']!.length > 0)
      } finally {
        child.kill('SIGKILL')
        await once(child, 'close')
      }
    },
  )
})

describe('records of an event file', () => {
  it('have the CRC-32C checksum of RFC 3720', () => {
    for (const [bytes, expected] of [
      [new Uint8Array(32), 0x8a9136aa],
      [new Uint8Array(32).fill(0xff), 0x62a8ab43],
      [Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
      [Buffer.from('123456789'), 0xe3069283],
    ] as const)
      assert.equal(crc32c(bytes), expected)
  })
})

describe('the event files of a run, read byte by byte', () => {
  it('have records with valid checksums and the numbers of each step', async () => {
    const directory = mkdtempSync(path.join(scratch, 'run-'))
    const identity = { run: 'r', name: 'x', recipe: 'quick', version: '1.2.3' }
    const report = new TensorboardReport({
      ...{ runDirectory: directory, identity },
      wallSeconds: () => 1.7e9,
      onLost: (_records, reason) => {
        throw reason
      },
    })
    for (const event of EVENTS) report.observe(event)
    await report.close()
    const scalars = (split: string): Map<string, number[]> => {
      const place = path.join(directory, 'tensorboard', split)
      const values = new Map<string, number[]>()
      for (const { step, summary } of recordsOf(readFileSync(path.join(place, readdirSync(place)[0]!))))
        for (const { tag, simpleValue } of summary?.value ?? [])
          if (simpleValue !== undefined) values.set(tag, [...(values.get(tag) ?? []), step, simpleValue])
      return values
    }
    assert.deepEqual(Object.fromEntries(scalars('validation')), { loss: [2, 1.25], accuracy: [2, 0.75] })
    const { ['run/learning_rate']: _rate, ...train } = Object.fromEntries(scalars('train'))
    assert.deepEqual(train, {
      ...{ loss: [1, 2, 2, 1.5], accuracy: [1, 0.25, 2, 0.5], 'run/epoch': [1, 0.5, 2, 1] },
      ...{ 'run/gradient_norm': [1, 3, 2, 3], 'run/images_per_second': [1, 640, 2, 1280], 'run/workers': [1, 1, 2, 1] },
    })
  })
})

interface ReadEvent {
  readonly step: number
  readonly summary?: { readonly value: readonly { readonly tag: string; readonly simpleValue?: number }[] }
}

/** The events of a file. Each record: length, masked checksum of the length, data, masked checksum of the data. */
function recordsOf(bytes: Buffer): ReadEvent[] {
  const type = tensorboardType('Event')
  const masked = (data: Buffer): number => {
    const crc = crc32c(data)
    return Number(((BigInt(crc >>> 15) | (BigInt(crc) << 17n)) + 0xa282ead8n) & 0xffffffffn)
  }
  const events: ReadEvent[] = []
  for (let offset = 0; offset < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(offset))
    assert.equal(bytes.readUInt32LE(offset + 8), masked(bytes.subarray(offset, offset + 8)))
    const data = bytes.subarray(offset + 12, offset + 12 + length)
    assert.equal(bytes.readUInt32LE(offset + 12 + length), masked(data))
    events.push(type.toObject(type.decode(data), { longs: Number, oneofs: false }) as ReadEvent)
    offset += 16 + length
  }
  return events
}

describe('a histogram', () => {
  it('counts every value once, minimum and maximum included', () => {
    const { min, max, num, sum, sumSquares, bucket, bucketLimit } = histogramOf(Float32Array.of(-1, 0, 0.5, 2))
    assert.deepEqual([min, max, num, sum, sumSquares], [-1, 2, 4, 1.5, 5.25])
    assert.equal(bucketLimit.length, 30)
    assert.deepEqual(
      [...bucket.entries()].filter(([, count]) => count > 0),
      [
        [0, 1],
        [10, 1],
        [15, 1],
        [29, 1],
      ],
    )
  })

  it('counts a value on a limit in the bucket above, and the largest in the last', () => {
    const { bucket, bucketLimit } = histogramOf(Float32Array.from({ length: 31 }, (_, value) => value))
    assert.deepEqual(
      bucketLimit,
      bucket.map((_, place) => place + 1),
    )
    assert.deepEqual(bucket, [...new Array<number>(29).fill(1), 2])
  })

  it('has one bucket when the values are all equal', () => {
    assert.deepEqual(histogramOf(new Float32Array(7).fill(3)).bucket, [7])
  })
})

describe('an image', () => {
  it('of a confusion matrix has a row per label, with brightness for the share of its images, black for none', async () => {
    const { bytes } = await confusionImage([
      [3, 1],
      [0, 0],
    ])
    const { data, info } = await sharp(bytes).greyscale().raw().toBuffer({ resolveWithObject: true })
    const at = (y: number, x: number): number => data[(y * info.width + x) * info.channels]!
    assert.deepEqual(
      [at(0, 0), at(0, info.width - 1), at(info.height - 1, 0), at(info.height - 1, info.width - 1)],
      [191, 64, 0, 0],
    )
  })

  it('of kernels has one tile per output, in the colours of its inputs', async () => {
    // Two kernels of one pixel: red, and the opposite of blue.
    const values = Float32Array.of(9, 9, ...[1, 0], ...[0, 0], ...[0, -1])
    const shape = [1, 1, 3, 2]
    const tensor = { name: 'kernel', offset: 2, size: 6, trainable: true, l2: 0, shape }
    const image = await kernelsImage({ ...tensor, initializer: { kind: 'constant', value: 0 } }, values)
    const { data, info } = await sharp(image!.bytes).raw().toBuffer({ resolveWithObject: true })
    const last = info.channels * (info.width - 1)
    assert.deepEqual([...data.subarray(0, 3)], [255, 128, 128])
    assert.deepEqual([...data.subarray(last, last + 3)], [128, 128, 0])
  })
})

function canMount(): boolean {
  const mount = 'mount -t tmpfs -o size=64k none /mnt'
  return spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', mount]).status === 0
}
