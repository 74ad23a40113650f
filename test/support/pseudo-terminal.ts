import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import xterm from '@xterm/headless'
import { packageRoot } from '../../src/shared/package-root.js'
import { until } from './until.js'

const SCROLLBACK_LINES = 10_000

/** Why no pseudo-terminal is available; false when it is. */
export const noTerminal = spawnSync('script', ['--version']).status !== 0 && 'script (util-linux) is not installed'

const running = new Set<ChildProcess>()

/** For `after`, so that a failed test leaves no processes behind. */
export function killTerminals(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** `convoy …` on a pseudo-terminal of its own (by `script`), with its visible screen. */
export class PseudoTerminal {
  readonly #child: ChildProcess
  readonly #screen: xterm.Terminal
  readonly #ended: Promise<number | null>
  /** The complete output, unchanged. */
  raw = ''

  constructor(args: readonly string[], columns: number, rows: number, environment: NodeJS.ProcessEnv = {}) {
    const quoted = [process.execPath, path.join(packageRoot, 'bin', 'convoy.mjs'), ...args].map((word) => `'${word}'`)
    const command = `stty cols ${columns} rows ${rows}; exec ${quoted.join(' ')}`
    this.#screen = new xterm.Terminal({ cols: columns, rows, scrollback: SCROLLBACK_LINES, allowProposedApi: true })
    // Standard input stays open; its end would end the input of the program.
    this.#child = spawn('script', ['--quiet', '--flush', '--return', '--command', command, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm-256color', ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdout!.on('data', (bytes: Buffer) => {
      this.raw += bytes.toString()
      this.#screen.write(bytes)
    })
    running.add(this.#child)
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (status) => {
        running.delete(this.#child)
        resolve(status)
      })
    })
  }

  /** Exit status of the program, as in a shell. */
  async status(): Promise<number | null> {
    return this.#ended
  }

  /** Waits for a text in the output. */
  async untilOutput(wanted: RegExp): Promise<void> {
    await until(`${wanted}`, () => wanted.test(this.raw))
  }

  /** Types a text; `\r` is the return key. */
  type(text: string): void {
    this.#child.stdin!.write(text)
  }

  /** Presses Ctrl-C. */
  interrupt(): void {
    this.#child.stdin!.write('\u0003')
  }

  /** All lines, beginning with those scrolled out of sight. A line wider than the terminal counts as several. */
  async lines(): Promise<string[]> {
    await new Promise<void>((resolve) => {
      this.#screen.write('', resolve)
    })
    const { active } = this.#screen.buffer
    const lines = Array.from({ length: active.length }, (_, index) => active.getLine(index)!.translateToString(true))
    return lines.join('\n').trimEnd().split('\n')
  }
}
