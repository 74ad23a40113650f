import { spawn } from 'node:child_process'

export interface ProgramResult {
  /** Exit status; 127 when there is no such program. */
  readonly status: number
  /** The last 64 KiB. */
  readonly stderr: string
  readonly stdout: string
}

const MAX_OUTPUT_CHARACTERS = 65_536

/** Runs a program and waits for its end. Does not throw if the program fails. */
export async function runProgram(
  command: string,
  args: readonly string[],
  environment = process.env,
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (text: Buffer) => (stdout = (stdout + text.toString()).slice(-MAX_OUTPUT_CHARACTERS)))
    child.stderr.on('data', (text: Buffer) => (stderr = (stderr + text.toString()).slice(-MAX_OUTPUT_CHARACTERS)))
    child.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ status: error.code === 'ENOENT' ? 127 : 126, stderr: error.message, stdout })
    })
    child.on('close', (status, signal) => {
      resolve({ status: status ?? 128, stderr: signal === null ? stderr : `${stderr}\nended by ${signal}`, stdout })
    })
  })
}
