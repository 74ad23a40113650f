import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'

/** Processes there see none of here, and have low numbers; files, memory and network are the same. It ends with `unshare`. */
const UNSHARE = [
  'unshare',
  // Who is not root may make namespaces as the root of one of their own, where the kernel lets them.
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ...['--pid', '--fork', '--mount-proc', '--kill-child'],
]

/** The words of a command that runs another one in a PID namespace of its own. */
export function inPidNamespace(...command: string[]): string[] {
  return [...UNSHARE, '--', ...command]
}

/** What this machine lacks for that, for people; undefined: nothing. */
export function whyNoPidNamespace(): string | undefined {
  const [program, ...args] = inPidNamespace('true')
  const { status, stderr, error } = spawnSync(program!, args, { encoding: 'utf8' })
  if (status === 0) return undefined
  return `PID namespaces cannot be made here: ${error?.message ?? stderr.trim()}`
}

/** Writes a binary that is Node in a PID namespace of its own. @returns its path */
export function nodeInPidNamespace(directory: string): string {
  const node = path.join(directory, 'node-in-pid-namespace')
  const words = inPidNamespace(process.execPath).map((word) => `'${word}'`)
  writeFileSync(node, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 })
  return node
}
