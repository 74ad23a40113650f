import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'

/** Processes there do not see those of here, and have low ids; files, memory and network are shared. It ends with `unshare`. */
const UNSHARE = [
  'unshare',
  // Users other than root can create namespaces as the root of a user namespace, if the kernel permits that.
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ...['--pid', '--fork', '--mount-proc', '--kill-child'],
]

/** The words of a command that runs another one in a PID namespace of its own. */
export function inPidNamespace(...command: string[]): string[] {
  return [...UNSHARE, '--', ...command]
}

/** A message about what this machine lacks for that; undefined when it lacks nothing. */
export function whyNoPidNamespace(): string | undefined {
  const [program, ...args] = inPidNamespace('true')
  const { status, stderr, error } = spawnSync(program!, args, { encoding: 'utf8' })
  if (status === 0) return undefined
  return `PID namespaces cannot be made here: ${error?.message ?? stderr.trim()}`
}

/** Writes a binary that runs Node in a PID namespace of its own. @returns its path */
export function nodeInPidNamespace(directory: string): string {
  const node = path.join(directory, 'node-in-pid-namespace')
  const words = inPidNamespace(process.execPath).map((word) => `'${word}'`)
  writeFileSync(node, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 })
  return node
}
