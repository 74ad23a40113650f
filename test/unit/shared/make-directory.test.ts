import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../../src/shared/package-root.js'
import { tinyDataset } from '../../support/tiny-dataset.js'

/** Enough for a slow machine and the program's limit of ten seconds; a hanging process is then killed. */
const PATIENCE_MS = 90_000

/** Simulates a mount whose server is gone: mkdir does not return. */
const DEAD_MOUNT = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static void wait_for_server(const char *path) { if (strstr(path, "dead-mount")) for (;;) pause(); }
int mkdir(const char *path, mode_t mode) {
  wait_for_server(path);
  return ((int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir"))(path, mode);
}
int mkdirat(int at, const char *path, mode_t mode) {
  wait_for_server(path);
  return ((int (*)(int, const char *, mode_t))dlsym(RTLD_NEXT, "mkdirat"))(at, path, mode);
}
`

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-make-directory-'))
const library = path.join(scratch, 'dead-mount.so')
const tiny = tinyDataset()
after(() => {
  rmSync(scratch, { recursive: true, force: true })
  tiny.remove()
})
before(() => {
  mkdirSync(path.join(scratch, 'data', 'photos'), { recursive: true })
  writeFileSync(path.join(scratch, 'dead-mount.c'), DEAD_MOUNT)
  const { status, stderr } = spawnSync('gcc', [
    ...['-x', 'c', '-shared', '-fPIC', '-o', library, path.join(scratch, 'dead-mount.c'), '-ldl'],
  ])
  assert.equal(status, 0, stderr.toString())
})

function convoy(args: readonly string[], environment: NodeJS.ProcessEnv): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [path.join(packageRoot, 'bin', 'convoy.mjs'), ...args], {
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  })
}

function assertRejected(
  { status, stderr }: { status: number | null; stderr: string },
  expected: number,
  message: RegExp,
): void {
  assert.equal(status, expected, status === null ? `it hangs: ${stderr}` : stderr)
  assert.match(stderr, message)
  assert.doesNotMatch(stderr, /\n\s+at /)
}

const TRAIN = ['train', '--recipe', 'quick', '--data', tiny.directory, '--max-steps', '1', '--workers', '1']

describe('creating a directory', () => {
  it('for --runs-dir fails where the system does not allow it', () => {
    for (const place of ['/proc/x', '/proc/x/y', '/proc/self/x/y', '/dev/null/x'])
      assertRejected(
        convoy([...TRAIN, '--runs-dir', place], tiny.environment),
        2,
        /^✖ --runs-dir \/(proc|dev).* E?\w+:? .*Choose a writable directory/m,
      )
  })

  it('for CONVOY_CACHE fails where the system does not allow it', () => {
    for (const args of [
      ['data', 'info', tiny.directory],
      ['train', '--max-steps', '1'],
    ])
      assertRejected(
        convoy(args, { CONVOY_CACHE: '/proc/x/y' }),
        1,
        /^✖ \/proc\/x\/y\/\w+ cannot be written \(ENOENT\).*CONVOY_CACHE/m,
      )
  })

  it('for --runs-dir on a mount whose server is gone fails after 10 s', () => {
    const place = path.join(scratch, 'dead-mount', 'runs')
    const environment = { ...tiny.environment, LD_PRELOAD: library }
    assertRejected(
      convoy([...TRAIN, '--runs-dir', place], environment),
      2,
      /^✖ --runs-dir .*the file system has not answered for 10 s; check the mount, or choose another directory/m,
    )
    assert.equal(existsSync(path.dirname(place)), false)
  })

  it('for CONVOY_CACHE on a mount whose server is gone fails after 10 s', () => {
    const environment = { CONVOY_CACHE: path.join(scratch, 'dead-mount', 'cache'), LD_PRELOAD: library }
    assertRejected(
      convoy(['data', 'info', tiny.directory], environment),
      1,
      /^✖ .*dead-mount.*the file system has not answered for 10 s; check the mount/m,
    )
  })

  it('creates its parents as well', () => {
    const place = path.join(scratch, 'a', 'b', 'runs')
    const { status, stderr } = convoy([...TRAIN, '--runs-dir', place], tiny.environment)
    assert.equal(status, 0, stderr)
    assert.ok(existsSync(place))
  })
})
