import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { OwnershipLock, ownerOf } from '../../../src/shared/ownership-lock.js'
import type { Direction } from '../../../src/bench/link/fault-proxy.js'
import { BOTH } from '../../../src/bench/link/fault-proxy.js'

/** 198.18.0.0/15 is reserved for tests of networks (RFC 2544); each process uses eight addresses of it. */
const FIRST_ADDRESS = ((198 << 24) | (18 << 16)) >>> 0
const BLOCKS = 2 ** 17 / 8
const NAMESPACES = '/run/netns'
/** Directory of locks of the processes that own the namespaces. */
const LOCKS = '/run'
const lockOf = (pid: number | string): string => path.join(LOCKS, `convoy-link-${pid}.lock`)
const PREFIX = 'convoy-'

/**
 * A bad link in the kernel: TCP sends lost packets again at growing intervals, and connections cannot be made, which a
 * proxy in user space cannot show. The worker's end is in a network namespace of its own, behind a router.
 *
 *     coordinator ── veth ── router ── veth ── worker
 */
export class KernelLink {
  /** Address for the coordinator that the worker can reach. */
  readonly coordinatorHost: string
  /** A binary that runs Node on the worker's end of the link. */
  readonly node: string
  readonly #worker = `${PREFIX}${process.pid}-worker`
  readonly #router = `${PREFIX}${process.pid}-router`
  /** On the coordinator's side; 15 characters at most. */
  readonly #outside = `convoy${process.pid}`
  readonly #workerHost: string
  readonly #scratch: string
  readonly #lock: OwnershipLock | undefined

  /** @throws Error with the kernel's message when namespaces, veth or routes cannot be created */
  constructor() {
    clearLeftovers()
    this.#lock = OwnershipLock.take(lockOf(process.pid))
    const [north, routerNorth, south, workerHost] = [1, 2, 5, 6].map(address)
    this.coordinatorHost = north!
    this.#workerHost = workerHost!
    this.#scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-link-'))
    this.node = path.join(this.#scratch, 'node')
    writeFileSync(this.node, `#!/bin/sh\nexec ip netns exec ${this.#worker} ${process.execPath} "$@"\n`, {
      mode: 0o755,
    })
    try {
      ip(`netns add ${this.#worker}`)
      ip(`netns add ${this.#router}`)
      ip(`link add ${this.#outside} type veth peer name north netns ${this.#router}`)
      ip(`-n ${this.#router} link add south type veth peer name eth netns ${this.#worker}`)
      ip(`addr add ${north}/30 dev ${this.#outside}`)
      ip(`-n ${this.#router} addr add ${routerNorth}/30 dev north`)
      ip(`-n ${this.#router} addr add ${south}/30 dev south`)
      ip(`-n ${this.#worker} addr add ${workerHost}/30 dev eth`)
      ip(`link set ${this.#outside} up`)
      ip(`-n ${this.#router} link set north up`)
      ip(`-n ${this.#router} link set south up`)
      ip(`-n ${this.#worker} link set eth up`)
      ip(`-n ${this.#worker} route add default via ${south}`)
      ip(`route add ${workerHost}/32 via ${routerNorth}`)
      ip(`netns exec ${this.#router} sh -c`, 'echo 1 > /proc/sys/net/ipv4/ip_forward')
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Silently drops packets of this direction in the router. */
  darken(directions: readonly Direction[]): void {
    for (const direction of directions) ip(`-n ${this.#router} route replace blackhole ${this.#hostAt(direction)}/32`)
  }

  /** Limits both directions with a token bucket; packets beyond its queue are lost. */
  limit(bitsPerSecond: number): void {
    this.#shape(`tbf rate ${bitsPerSecond}bit burst 32kbit latency 400ms`)
  }

  /** Impairs both directions. @param rule of tc-netem(8), such as `loss 20%` */
  impair(rule: string): void {
    this.#shape(`netem ${rule}`)
  }

  /** Removes all faults. */
  heal(): void {
    for (const direction of BOTH) {
      quietly(() => ip(`-n ${this.#router} route del blackhole ${this.#hostAt(direction)}/32`))
      quietly(() => tc(`-n ${this.#router} qdisc del dev ${deviceTo(direction)} root`))
    }
  }

  /** Removes the link. Processes in the worker's namespace must have ended. */
  close(): void {
    // The devices of a namespace disappear some time after it, and their names must be free for the next link.
    quietly(() => ip(`link del ${this.#outside}`))
    remove(this.#worker)
    remove(this.#router)
    rmSync(this.#scratch, { recursive: true, force: true })
    this.#lock?.release()
  }

  #shape(rule: string): void {
    for (const direction of BOTH) tc(`-n ${this.#router} qdisc replace dev ${deviceTo(direction)} root ${rule}`)
  }

  #hostAt(end: Direction): string {
    return end === 'up' ? this.coordinatorHost : this.#workerHost
  }
}

/** A message about what this machine lacks for a {@link KernelLink}; undefined when it lacks nothing. */
export function whyNoKernelLink(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are for Linux'
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  return failureOf(() => new KernelLink().close())
}

/** A message about what this machine lacks for {@link KernelLink.impair} alone. */
export function whyNoNetem(): string | undefined {
  const failure = failureOf(() => {
    const link = new KernelLink()
    try {
      link.impair('delay 1ms')
    } finally {
      link.close()
    }
  })
  return failure && `this kernel has no netem (CONFIG_NET_SCH_NETEM): ${failure}`
}

function deviceTo(direction: Direction): string {
  return direction === 'up' ? 'north' : 'south'
}

/** @param index 0 to 7 of this process's block */
function address(index: number): string {
  const whole = FIRST_ADDRESS + 8 * (process.pid % BLOCKS) + index
  return [24, 16, 8, 0].map((shift) => (whole >>> shift) & 0xff).join('.')
}

function ip(words: string, ...more: string[]): void {
  execFileSync('ip', [...words.split(' '), ...more], { stdio: ['ignore', 'ignore', 'pipe'] })
}

function tc(words: string): void {
  execFileSync('tc', words.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] })
}

function remove(namespace: string): void {
  if (existsSync(path.join(NAMESPACES, namespace))) ip(`netns del ${namespace}`)
}

/** Removes namespaces of killed test processes. */
function clearLeftovers(): void {
  for (const name of readdirSync(LOCKS)) {
    const pid = /^convoy-link-(\d+)\.lock$/.exec(name)?.[1]
    if (pid === undefined || ownerOf(lockOf(pid)) !== 'ended') continue
    for (const namespace of ['worker', 'router']) remove(`${PREFIX}${pid}-${namespace}`)
    rmSync(lockOf(pid), { force: true })
  }
}

function quietly(change: () => void): void {
  failureOf(change)
}

function failureOf(attempt: () => void): string | undefined {
  try {
    attempt()
    return undefined
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string }
    return stderr?.toString().trim().split('\n').at(-1) || message
  }
}
