import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { ConvoyError } from '../shared/errors.js'
import { PEERS_DIRECTORY } from './peer-environment.js'

/** Characters of standard error that are kept to explain the end of a program. */
const MAX_LAST_WORDS = 2_000

/** A program of bench/peers: it writes a line of JSON when it is ready, and one for each line with a number of steps that it reads. */
export class PeerProcess {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string, undefined>
  readonly #command: string
  #lastWords = ''

  constructor(python: string, program: string, args: readonly string[]) {
    this.#command = [program, ...args].join(' ')
    this.#child = spawn(python, [path.join(PEERS_DIRECTORY, program), ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr.on('data', (text: Buffer) => {
      this.#lastWords = (this.#lastWords + text.toString()).slice(-MAX_LAST_WORDS)
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]() as AsyncIterator<
      string,
      undefined
    >
  }

  /** Its next line. @throws ConvoyError('environment') with the end of its standard error when it ended */
  async read(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next()
    if (done) throw new ConvoyError('environment', `${this.#command} ended:\n${this.#lastWords.trim()}`)
    return JSON.parse(value) as Record<string, unknown>
  }

  /** Runs this many steps. @returns the seconds of each @throws as {@link read} */
  async steps(count: number): Promise<number[]> {
    this.#child.stdin.write(`${count}\n`)
    return (await this.read())['seconds'] as number[]
  }

  async close(): Promise<void> {
    this.#child.stdin.end()
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }
}
