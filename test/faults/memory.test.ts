import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { MemoryGroup, whyNoMemoryGroup } from './chaos/memory-group.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { Launch, killLaunches } from '../support/launch.js'
import { LocalWorkers } from '../../src/launch/local-workers.js'
import { parseLogLevels } from '../../src/shared/log/log-levels.js'
import { Log } from '../../src/shared/log/log.js'
import { readMemoryCounters } from '../../src/shared/memory-limits.js'
import { packageRoot } from '../../src/shared/package-root.js'

// Real lack of memory: by the kernel's limits and by Node's, compared with a kill for another reason.

const noGroup = await whyNoMemoryGroup()
if (noGroup) process.stderr.write(`✖ Skipped, limits of the kernel on memory: ${noGroup}\n`)

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-memory-'))
const tiny = tinyDataset()
const RUN = [
  ...['--recipe', 'quick', '--seed', '7', '--data', tiny.directory, '--epochs', '100', '--max-steps', '48'],
  ...['--batch-size', '32', '--shard-size', '8', '--json'],
]
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

/** A `convoy train` that has reached its middle. @param node the binary that runs it */
async function middleOfRun(node?: string): Promise<Launch> {
  const launch = new Launch(['train', ...RUN, '--workers', '1'], tiny.environment, false, node)
  await launch.untilMetrics(({ kind, step }) => kind === 'step' && Number(step) >= 15)
  return launch
}

describe('a killed worker', () => {
  const undisturbed = new Launch(['train', ...RUN, '--standalone'], tiny.environment).result()

  it(
    'fault 51: by the kernel for lack of memory: the run continues, and logs the limit',
    { skip: noGroup ?? false },
    async () => {
      const group = new MemoryGroup()
      try {
        const launch = await middleOfRun(group.node)
        // Above the present memory of the processes; the hog soon exceeds it.
        group.limit(500e6)
        const { status, signal, stderr } = spawnSync(group.node, ['-e', group.hog], { encoding: 'utf8' })
        // If the worker dies slowly, the kernel kills the hog.
        assert.ok(status === 0 || signal === 'SIGKILL', stderr)
        const result = await launch.result()
        assert.equal(result['weightsSha256'], (await undisturbed)['weightsSha256'])
        assert.match(launch.stderr, /Worker 0 ended by SIGKILL \(out of memory\); restarting it\./)
        assert.ok(launch.stderr.includes(`The limit of 500 MB in ${group.limitFile} was hit.`), launch.stderr)
        assert.match(launch.stderr, /A worker of this run needs more than \d+ MB, and the coordinator holds \d+ MB\./)
        assert.match(launch.stderr, /Use fewer workers \(--workers\)/)
      } finally {
        await group.close()
      }
    },
  )

  it('fault 51: by a person or program: the run continues, and logs that no memory limit was hit', async () => {
    assert.notEqual(readMemoryCounters().kills, undefined, 'this kernel does not count what it kills')
    const launch = await middleOfRun()
    const [worker] = launch.workerPids()
    process.kill(worker!, 'SIGKILL')
    const result = await launch.result()
    assert.equal(result['weightsSha256'], (await undisturbed)['weightsSha256'])
    assert.match(
      launch.stderr,
      /Worker 0 ended by SIGKILL \(not out of memory\); restarting it\. No memory limit was hit/,
    )
  })
})

describe('a worker without enough memory', () => {
  /** Starts a worker with these options of Node. @returns the first logged message about its end */
  const end = async (name: string, options: string): Promise<string> => {
    const directory = path.join(scratch, name)
    mkdirSync(directory)
    const log = (resolve: (message: string) => void): Log =>
      new Log({ levels: parseLogLevels('info'), sinks: [({ message }) => resolve(message)], now: () => 0 })
    let workers: LocalWorkers | undefined
    try {
      return await new Promise((resolve) => {
        workers = new LocalWorkers({
          ...{ count: 1, address: '127.0.0.1:9', logDirectory: directory, device: 'cpu', logLevel: 'info' },
          environment: () => ({ ...process.env, NODE_OPTIONS: options }),
          onNoneLeft: () => undefined,
          log: log(resolve).module('process'),
        })
      })
    } finally {
      await workers?.close()
    }
  }

  /** A module that fills the heap of the threads with this condition. */
  const fillerOf = (condition: string): string => {
    const file = path.join(mkdtempSync(path.join(scratch, 'fill-')), 'fill.cjs')
    const code = `const { isMainThread } = require('node:worker_threads')
      if (${condition}) for (const all = []; ; ) all.push([all.length])`
    writeFileSync(file, code)
    return file
  }

  it('fault 51: in the heap of the compute thread', async () => {
    const message = await end('compute', `--max-old-space-size=60 --require ${fillerOf('!isMainThread')}`)
    assert.match(
      message,
      /^Worker 0 ended with status 1 \(The compute thread is out of memory: its JavaScript heap is full/,
    )
    assert.match(message, /NODE_OPTIONS=--max-old-space-size/)
  })

  it('fault 51: in the heap of the process: the reason is logged, not the last line of a native stack', async () => {
    const message = await end('main', `--max-old-space-size=60 --require ${fillerOf('isMainThread')}`)
    assert.match(message, /^Worker 0 ended by SIGABRT \(out of memory: its JavaScript heap was full\)/)
    assert.match(message, /NODE_OPTIONS=--max-old-space-size/)
  })

  it('fault 51: in the system: the chain of faults names memory and the limit', async () => {
    const limited = path.join(scratch, 'node')
    writeFileSync(limited, `#!/bin/sh\nulimit -v 1600000\nexec ${process.execPath} "$@"\n`, { mode: 0o755 })
    const launch = new Launch(['train', ...RUN, '--workers', '1'], tiny.environment, false, limited)
    assert.equal(await launch.status(), 1)
    const [, chain] = launch.stderr.split('✖ First: ')
    assert.match(chain!, /Worker 0 ended .* \(out of memory\)/)
    assert.match(chain!, /limited to 1\.6 GB \(ulimit -v\)/)
    assert.doesNotMatch(launch.stderr, /Delete that directory/)
  })
})

describe('too little memory for the workers', () => {
  const convoy = path.join(packageRoot, 'bin', 'convoy.mjs')

  it('is logged at the start of a run, and does not prevent it', { skip: noGroup ?? false }, async () => {
    const group = new MemoryGroup()
    try {
      group.limit(400e6)
      const launch = new Launch(['train', '--recipe', 'quick', '--workers', '3'], {}, false, group.node)
      const warning = await launch.untilStderr(/⚠ 3 workers and the coordinator need at least .*/)
      assert.match(warning, /need at least 1\.3 GB, and .* allows 400 MB: workers will be killed/)
      await launch.untilStderr(/42000 train/)
      launch.kill()
      await launch.status()
    } finally {
      await group.close()
    }
  })

  it('is reported by the doctor, with the number of workers that fit', { skip: noGroup ?? false }, async () => {
    const group = new MemoryGroup()
    try {
      group.limit(550e6)
      const { stdout, status } = spawnSync(group.node, [convoy, 'doctor'], { encoding: 'utf8' })
      assert.equal(status, 1)
      assert.match(
        stdout,
        /✖ memory: \d+ workers and the coordinator need at least .* allows 550 MB; use `--workers 1`, or/,
      )
    } finally {
      await group.close()
    }
  })
})

describe('the limits of a cgroup', () => {
  /** Files in the form of the kernel's. */
  const tree = (name: string, files: Readonly<Record<string, string>>): string => {
    const root = path.join(scratch, name)
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
      writeFileSync(path.join(root, file), text)
    }
    return root
  }
  const V2_MOUNT = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n'

  it('of version 2 include those of the outer groups; kills count in its own group only', () => {
    const root = tree('v2', {
      'proc/self/cgroup': '0::/user.slice/run:1.scope\n',
      'proc/self/mountinfo': V2_MOUNT,
      'sys/fs/cgroup/user.slice/memory.max': '1000000000\n',
      'sys/fs/cgroup/user.slice/memory.events': 'low 0\nhigh 0\nmax 12\noom 2\noom_kill 9\n',
      'sys/fs/cgroup/user.slice/run:1.scope/memory.max': 'max\n',
      'sys/fs/cgroup/user.slice/run:1.scope/memory.events': 'low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\n',
    })
    const place = path.join(root, 'sys/fs/cgroup/user.slice/memory.max')
    assert.deepEqual(readMemoryCounters(root), { kills: 1, limits: [{ place, bytes: 1e9, hits: 2 }] })
  })

  it('of a container are those of its visible root', () => {
    const root = tree('container', {
      'proc/self/cgroup': '0::/../../pod/box\n',
      'proc/self/mountinfo': V2_MOUNT,
      'sys/fs/cgroup/memory.max': '330000000\n',
      'sys/fs/cgroup/memory.events': 'oom 4\noom_kill 4\n',
    })
    const place = path.join(root, 'sys/fs/cgroup/memory.max')
    assert.deepEqual(readMemoryCounters(root), { kills: 4, limits: [{ place, bytes: 330e6, hits: 4 }] })
  })

  it('of version 1 are read where the memory controller is mounted, also beside version 2', () => {
    const root = tree('v1', {
      'proc/self/cgroup': '4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n0::/\n',
      'proc/self/mountinfo':
        '40 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n' +
        '35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid master:9 - cgroup cgroup rw,memory\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '268435456\n',
      'sys/fs/cgroup/memory/memory.failcnt': '7\n',
      'sys/fs/cgroup/memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n',
    })
    const place = path.join(root, 'sys/fs/cgroup/memory/memory.limit_in_bytes')
    assert.deepEqual(readMemoryCounters(root), { kills: 3, limits: [{ place, bytes: 268435456, hits: 7 }] })
  })

  it('are replaced by the counts of the machine in the root group', () => {
    const root = tree('root', {
      'proc/self/cgroup': '0::/\n',
      'proc/self/mountinfo': V2_MOUNT,
      'proc/vmstat': 'pgfault 5\noom_kill 6\noom_kill_other 1\n',
    })
    assert.deepEqual(readMemoryCounters(root), { kills: 6, limits: [] })
  })
})
