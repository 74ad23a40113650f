import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { pythonEnvironment } from '../../src/bench/python-environment.js'
import { openDataset } from '../../src/data/open-dataset.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { CHROMIUM, openBrowser, watchedPage } from '../support/browser.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { imagesOf } from '../support/images-of.js'

/** Class names of any Unicode, sorted by code units, which is no alphabetical order of a language. */
const CLASSES = ['"<b>\\\'', 'a\u001b[2J\nb', 'z\u202egnp', 'кот', '計算機 👩‍🚀']
const PER_CLASS = 24
const SIDE = 32
/** Tolerance of a probability for images of the input size: float32 kernels of two backends differ. */
const TOLERANCE = 1e-3

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-use-'))
const images = path.join(scratch, 'images')
const moved = path.join(scratch, 'moved')
const samples = path.join(scratch, 'samples')
let result: Json = {}
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

/** The unchanged code block of that language in the page of the docs. */
function example(language: string): string {
  const page = readFileSync(path.join(packageRoot, 'docs', 'guides', 'use-your-model.md'), 'utf8')
  const found = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(page)?.[1]
  assert.ok(found, `docs/guides/use-your-model.md has no ${language} example`)
  return found
}

interface Answer {
  readonly file: string
  readonly classes: readonly { readonly name: string; readonly probability: number }[]
}

/** The answers of `convoy predict` for these files, by file name. */
async function predicted(files: readonly string[]): Promise<Map<string, Answer>> {
  const launch = new Launch(['predict', moved, ...files, '--top', '1000', '--json'], tiny.environment)
  const { predictions } = (await launch.result()) as unknown as { predictions: Answer[] }
  return new Map(predictions.map((answer) => [path.basename(answer.file), answer]))
}

before(async () => {
  const cifar10 = imagesOf(await openDataset('cifar10', () => undefined))
  const imageBytes = SIDE * SIDE * 3
  const write = async (file: string, index: number): Promise<unknown> =>
    sharp(cifar10.pixels.subarray(index * imageBytes, (index + 1) * imageBytes), {
      raw: { width: SIDE, height: SIDE, channels: 3 },
    }).toFile(file)
  mkdirSync(samples)
  for (const [label, name] of CLASSES.entries()) {
    mkdirSync(path.join(images, name), { recursive: true })
    const ofClass = Array.from(cifar10.labels.keys()).filter((index) => cifar10.labels[index] === label)
    for (const index of ofClass.slice(0, PER_CLASS)) await write(path.join(images, name, `${index}.png`), index)
    for (const index of ofClass.slice(-2)) await write(path.join(samples, `${index}.png`), index)
  }
  const launch = new Launch(
    ['train', '--recipe', 'quick', '--data', images, '--standalone', '--name', 'unicode', '--json'].concat(
      ...['--batch-size=32', '--shard-size=32', '--max-steps=12', '--precision=float32', '--seed=3'],
    ),
    tiny.environment,
    true,
  )
  result = await launch.result()
  // Moved away from its run.
  renameSync(path.join(String(result['runDirectory']), 'model', 'best'), moved)
  launch.remove()
})

describe('a model moved out of its run', () => {
  it('gives stock TensorFlow.js its classes, input and output', () => {
    const model = JSON.parse(readFileSync(path.join(moved, 'layers-model', 'model.json'), 'utf8')) as Json
    const metadata = model['userDefinedMetadata'] as Json
    assert.deepEqual(metadata['classNames'], CLASSES)
    assert.deepEqual(metadata['input'], {
      ...{ height: SIDE, width: SIDE, channels: 3, layout: 'NHWC', colours: 'RGB', pixelRange: [0, 255] },
      ...{ scale: 1 / 255, resize: { fit: 'cover', crop: 'centre', kernel: 'lanczos3' } },
    })
    assert.equal(metadata['output'], 'probabilities')
    assert.equal(metadata['weights'], 'best')
    assert.equal(metadata['step'], result['bestStep'])
    assert.match(String(metadata['run']), /_unicode$/)
    assert.equal(metadata['validationAccuracy'], (result['validation'] as Json)['accuracy'])
    const { name, fingerprint } = metadata['dataset'] as Json
    assert.equal(name, 'images')
    assert.match(String(fingerprint), /^[0-9a-f]{64}$/)
  })

  it(
    'gives the answers of convoy predict on the example page of the docs in a browser',
    { skip: !CHROMIUM },
    async () => {
      const site = path.join(scratch, 'site')
      cpSync(path.join(moved, 'layers-model'), path.join(site, 'layers-model'), { recursive: true })
      writeFileSync(path.join(site, 'index.html'), example('html'))
      cpSync(
        path.join(packageRoot, 'node_modules', '@tensorflow', 'tfjs', 'dist', 'tf.min.js'),
        path.join(site, 'tf.min.js'),
      )
      const types: Record<string, string> = {
        '.html': 'text/html',
        '.js': 'text/javascript',
        '.json': 'application/json',
      }
      const server = createServer(({ url }, response) => {
        const file = path.join(site, url === '/' ? 'index.html' : url!)
        const type = types[path.extname(file)] ?? 'application/octet-stream'
        // A browser requests an icon on its own.
        if (existsSync(file)) response.writeHead(200, { 'content-type': type }).end(readFileSync(file))
        else response.writeHead(204).end()
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const browser = await openBrowser()
      try {
        const { page, problems } = await watchedPage(browser)
        await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
        // More than twice the input size and not square: cropped at the centre in both directions.
        const large = path.join(samples, 'large.png')
        const first = path.join(samples, readdirSync(samples).sort()[0]!)
        await sharp(first).resize(97, 65, { fit: 'fill', kernel: 'cubic' }).png().toFile(large)
        const files = readdirSync(samples).map((name) => path.join(samples, name))
        const ours = await predicted(files)
        const input = await page.$('input')
        // The page listens to its input once the model is loaded.
        await page.waitForFunction(() => document.querySelector('input')!.onchange !== null, { timeout: 120_000 })
        await (input as unknown as { uploadFile(...names: string[]): Promise<void> }).uploadFile(...files)
        await page.waitForFunction(() => document.querySelector('pre')!.textContent !== '', { timeout: 300_000 })
        const theirs = JSON.parse(await page.$eval('pre', (pre) => pre.textContent)) as Answer[]
        assert.equal(theirs.length, files.length)
        for (const { file, classes } of theirs) {
          const expected = new Map(ours.get(file)!.classes.map(({ name, probability }) => [name, probability]))
          assert.deepEqual([...expected.keys()].sort(), [...CLASSES].sort())
          const tolerance = file === 'large.png' ? 0.1 : TOLERANCE
          for (const { name, probability } of classes) {
            const difference = Math.abs(probability - expected.get(name)!)
            assert.ok(difference < tolerance, `${file}: ${JSON.stringify(name)} differs by ${difference}`)
          }
          const [best, second] = ours.get(file)!.classes
          if (best!.probability - second!.probability > 2 * tolerance) assert.equal(classes[0]!.name, best!.name, file)
        }
        // Excludes a model that gives one answer to all images.
        const spread = new Set(theirs.map(({ classes }) => classes[0]!.probability.toFixed(3)))
        assert.ok(spread.size > 1, [...spread].join(' '))
        assert.deepEqual(
          problems.filter((problem) => !/WebGL|GPU/i.test(problem)),
          [],
        )
      } finally {
        await browser.close()
        server.close()
      }
    },
  )

  it('is read by the Python example of the docs, with names of any Unicode', async (context) => {
    let python: string
    try {
      const requirements = path.join(packageRoot, 'test', 'integration', 'safetensors', 'requirements.txt')
      python = await pythonEnvironment('test', requirements, () => undefined)
    } catch (error) {
      context.skip(`safetensors cannot be installed: ${(error as Error).message}`)
      return
    }
    const output = execFileSync(python, ['-c', example('python')], { cwd: moved, encoding: 'utf8' })
    const [run, features, classNames] = output.trim().split('\n')
    assert.match(run!, new RegExp(`_unicode, step ${String(result['bestStep'])}: probabilities of 5 classes$`))
    assert.match(features!, /^\d+ features, input 32x32 \(height x width\)$/)
    assert.deepEqual(JSON.parse(classNames!), CLASSES)
  })
})
