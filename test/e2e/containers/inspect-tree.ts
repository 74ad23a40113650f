import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Buildah } from './buildah.js'

const PARTS = [
  'opt/convoy/node_modules',
  'opt/convoy/dist',
  'opt/convoy/datasets',
  'var/cache/convoy/runtime',
  'var/cache/convoy/datasets',
  'usr/local/bin/node',
]
/** Tools that build or download programs, which the image must not contain. */
const TOOLS = ['g++', 'gcc', 'cc', 'make', 'python3', 'pip', 'npm', 'npx', 'tsc', 'curl', 'git']
/** Commands of Debian that Convoy runs. */
const NEEDED = ['flock', 'mkdir']
/** Directories that the user of the image may write to. */
const WRITABLE = ['/var/lib/convoy', '/var/cache/convoy/datasets']

/** Asserts that an image does not contain forbidden files, and prints the sizes of its parts. */
export function inspectTree(buildah: Buildah, image: string): void {
  const container = buildah('from', '--pull=never', image)
  try {
    const tree = buildah('mount', container)
    for (const command of NEEDED) assert.ok(existsSync(path.join(tree, 'bin', command)), `${command} is missing`)
    for (const tool of TOOLS)
      for (const directory of ['bin', 'usr/bin', 'usr/local/bin'])
        assert.ok(!existsSync(path.join(tree, directory, tool)), `${directory}/${tool}`)
    assert.equal(find(tree, ['opt/convoy', '-name', '*.ts', '-o', '-name', '*.map']), '', 'sources or their maps')
    const writable = find(tree, ['.', '-xdev', '-uid', '1000', '-o', '-perm', '-o+w', '!', '-type', 'l'])
      .split('\n')
      .map((name) => name.slice(1))
      .filter((name) => !['/tmp', '/var/tmp', '/run/lock', '/dev'].some((open) => name.startsWith(open)))
    for (const name of writable)
      assert.ok(
        WRITABLE.some((open) => name.startsWith(open)),
        `${name} can be written to`,
      )
    const sizes = PARTS.map((part) => `${megabytes(path.join(tree, part)).padStart(6)}  ${part}`)
    process.stdout.write(`MB of ${image}:\n${sizes.join('\n')}\n${megabytes(tree).padStart(6)}  all, with Debian\n`)
  } finally {
    buildah('rm', container)
  }
}

function find(tree: string, args: readonly string[]): string {
  return execFileSync('find', args, { cwd: tree, encoding: 'utf8', maxBuffer: 2 ** 26 }).trim()
}

function megabytes(file: string): string {
  const [bytes] = execFileSync('du', ['--summarize', '--block-size=1', file], { encoding: 'utf8' }).split('\t')
  return (Number(bytes) / 1e6).toFixed(0)
}
