import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { until } from '../../support/until.js'
import { buildah, buildahAt } from './buildah.js'
import { readCompose } from './compose.js'
import { wordsOf } from './dockerfile.js'

/**
 * Runs a coordinator and a worker with the commands of deploy/compose, each in a container of its own, as the image's user. They
 * train a few steps of CIFAR-10, answer their health checks meanwhile, and exit with status 0.
 */
export async function trainInside(directory: string, image: string): Promise<void> {
  const run = buildah(directory)
  const { Docker } = JSON.parse(run('inspect', '--type', 'image', image)) as {
    Docker: { config: { User: string; Entrypoint: string[]; StopSignal: string; Healthcheck: { Test: string[] } } }
  }
  const { config } = Docker
  assert.equal(config.User, '1000:1000')
  assert.equal(config.StopSignal, 'SIGTERM')
  assert.deepEqual(config.Healthcheck.Test, ['CMD', ...wordsOf('HEALTHCHECK')])

  const { coordinator, worker } = readCompose('compose.yaml').services
  const container = (): string => run('from', '--pull=never', '--add-host', 'coordinator:127.0.0.1', image)
  const containers = [container(), container()] as const
  const children: ChildProcess[] = []
  const inside = (which: string, ...words: string[]): string[] => {
    const before = ['run', '--isolation', 'chroot', which, '--']
    return [...buildahAt(directory), ...before, ...words]
  }
  const start = async (which: string, command: string): Promise<void> => {
    const [program, ...args] = inside(which, ...config.Entrypoint, ...command.split(/\s+/))
    const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    children.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        output += text.toString()
        process.stderr.write(text)
      })
    const status = await new Promise((resolve) => child.once('close', resolve))
    assert.equal(status, 0, output)
  }
  const isHealthy = (which: string, port: string): boolean => {
    const words = wordsOf('HEALTHCHECK').map((word) => word.replace('7702', port))
    const [program, ...args] = inside(which, ...words)
    return spawnSync(program!, args).status === 0
  }
  try {
    // Both share one loopback here, while real containers have one each.
    const ports = ['7702', '7712'] as const
    assert.ok(!isHealthy(containers[0], ports[0]), 'healthy before it runs')
    const ends = Promise.all([
      start(containers[0], `${coordinator!.command} --max-steps 60`),
      start(containers[1], worker!.command.replace(...ports)),
    ])
    const health = async (): Promise<void> => {
      for (const [index, port] of ports.entries())
        await until(`the health of ${containers[index]}`, () => isHealthy(containers[index]!, port))
    }
    await Promise.all([ends, health()])
  } finally {
    // The whole process group, because buildah starts the program as a child.
    for (const child of children) if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL')
    for (const which of containers) run('rm', which)
  }
}
