import { closeSync, fstatSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { Writable } from 'node:stream'

/**
 * A log file of bounded size: a full file is renamed to `<name>.1.log`, the previous one to `<name>.2.log`, and so on. It writes at once,
 * so that a killed process loses no lines. winston's own rotating file is not used: bursts exceed its size and make it warn about
 * leaking listeners, and after a rotation it no longer waits for unwritten lines.
 */
export class RotatingFile extends Writable {
  readonly #base: string
  readonly #mostBytes: number
  readonly #mostFiles: number
  readonly #onFailure: (error: Error) => void
  #descriptor: number
  #size: number
  #hasFailed = false

  /**
   * @param base path without `.log`
   * @param onFailure called once when a line cannot be written, such as on a full disk; later lines are tried again
   */
  constructor(base: string, mostBytes: number, mostFiles: number, onFailure: (error: Error) => void) {
    super({ decodeStrings: true })
    this.#base = base
    this.#mostBytes = mostBytes
    this.#mostFiles = mostFiles
    this.#onFailure = onFailure
    this.#descriptor = openSync(this.#name(0), 'a')
    this.#size = fstatSync(this.#descriptor).size
  }

  override _write(line: Buffer, _encoding: BufferEncoding, done: () => void): void {
    try {
      if (this.#size > 0 && this.#size + line.length > this.#mostBytes) this.#rotate()
      writeFileSync(this.#descriptor, line)
      this.#size += line.length
    } catch (error) {
      if (!this.#hasFailed) this.#onFailure(error as Error)
      this.#hasFailed = true
    }
    done()
  }

  override _final(done: () => void): void {
    closeSync(this.#descriptor)
    done()
  }

  #name(age: number): string {
    return `${this.#base}${age === 0 ? '' : `.${age}`}.log`
  }

  #rotate(): void {
    for (let age = this.#mostFiles - 2; age >= 0; age--) {
      try {
        renameSync(this.#name(age), this.#name(age + 1))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    const full = this.#descriptor
    this.#descriptor = openSync(this.#name(0), 'a')
    this.#size = 0
    closeSync(full)
  }
}
