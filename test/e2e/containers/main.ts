import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory } from '../../../src/shared/cache-directory.js'
import { packageRoot } from '../../../src/shared/package-root.js'
import { buildah, buildahAt } from './buildah.js'
import { inspectTree } from './inspect-tree.js'
import { makeStandInBases } from './stand-in-bases.js'
import { trainInside } from './train-inside.js'

// npm run image-test -- [cpu | gpu]     builds the Dockerfile with buildah, inspects the image, and trains in it offline
//
// As root, with buildah and debootstrap (Debian: apt-get install buildah debootstrap). The results stay in the cache, in the directory
// image-test, which shortens the next run; delete it when you are done.

const DIRECTORY = path.join(cacheDirectory(), 'image-test')
const [variant = 'cpu', phase] = process.argv.slice(2)
if (variant !== 'cpu' && variant !== 'gpu') reject(`${variant}: build the image for cpu or for gpu.`)
if (process.getuid!() !== 0) reject('It takes root: the stages are run in trees of their own.')
for (const program of ['buildah', 'debootstrap', 'ip', 'unshare'])
  if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
    reject(`${program} is missing: apt-get install buildah debootstrap iproute2 util-linux.`)

const run = buildah(DIRECTORY)
const image = `localhost/convoy:${variant}`
if (phase === 'train') await trainInside(DIRECTORY, image)
else {
  mkdirSync(DIRECTORY, { recursive: true })
  if (run('images', '--quiet', '--filter', 'reference=node').length === 0) makeStandInBases(run, DIRECTORY)
  await build()
  inspectTree(run, image)
  // A network with only loopback, because the image must not need any other.
  const inside = `ip link set lo up && exec "$@"`
  const again = [process.execPath, ...process.argv.slice(1, 2), variant, 'train']
  await runToEnd('unshare', ['--net', 'sh', '-c', inside, 'sh', ...again])
}

async function build(): Promise<void> {
  const [program, ...before] = buildahAt(DIRECTORY)
  const flags = ['--isolation', 'chroot', '--pull=never', '--format', 'docker', '--layers', '--tag', image]
  await runToEnd(program!, [...before, 'build', ...flags, '--build-arg', `RUNTIME=${variant}`, packageRoot])
}

async function runToEnd(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: 'inherit' })
  const status = await new Promise((resolve) => child.once('close', resolve))
  assert.equal(status, 0, `${program} ${args.join(' ')}`)
}

function reject(why: string): never {
  process.stderr.write(`✖ ${why}\n`)
  process.exit(2)
}
