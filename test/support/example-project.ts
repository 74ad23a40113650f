import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../src/shared/package-root.js'
import { freePort } from './free-port.js'
import type { Json } from './launch.js'

/** The commands of a page: the lines of its `sh` blocks. */
export function commandsOf(page: string): string[] {
  const blocks = readFileSync(path.join(packageRoot, page), 'utf8').matchAll(/```sh\n([^]*?)```/g)
  return Array.from(blocks, ([, block]) => block!.trim().split('\n')).flat()
}

/** The files that a page shows: each `js` block, by the first file name of the paragraph before it. */
export function filesOf(page: string): Map<string, string> {
  const text = readFileSync(path.join(packageRoot, page), 'utf8')
  const shown = text.matchAll(/\n\n(?:`([\w.-]+)`[^`\n]*(?:`[^`\n]*`[^`\n]*)*):\n\n```js\n([^]*?)```/g)
  return new Map(Array.from(shown, ([, name, content]) => [name!, content!]))
}

/** A directory with Convoy and TensorFlow.js in its `node_modules`, and a copy of the examples, as a user has it. */
export class ExampleProject {
  readonly #directory: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #ports = new Map<string, number>()

  /** @param directory that exists and is empty */
  constructor(directory: string, environment: NodeJS.ProcessEnv) {
    this.#directory = directory
    this.#environment = environment
    const modules = path.join(directory, 'node_modules')
    for (const name of ['.bin', '@tensorflow']) mkdirSync(path.join(modules, name), { recursive: true })
    symlinkSync(packageRoot, path.join(modules, 'convoy'))
    symlinkSync(path.join('..', 'convoy', 'bin', 'convoy.mjs'), path.join(modules, '.bin', 'convoy'))
    const tensorflow = path.join('@tensorflow', 'tfjs')
    symlinkSync(path.join(packageRoot, 'node_modules', tensorflow), path.join(modules, tensorflow))
    cpSync(path.join(packageRoot, 'examples'), path.join(directory, 'examples'), { recursive: true })
  }

  /** The directory of an example. */
  at(example: string): string {
    return path.join(this.#directory, 'examples', example)
  }

  /**
   * Runs commands of a page one after the other, in the directory of an example. A coordinator runs beside the command after it. Ports are free ones
   * in place of those of the page.
   * @returns what each printed
   */
  async follow(example: string, commands: readonly string[]): Promise<string[]> {
    const coordinators: Promise<string>[] = []
    const printed: string[] = []
    for (const command of commands) {
      const running = this.#run(example, await this.#withFreePorts(command))
      if (command.startsWith('npx convoy coordinator')) coordinators.push(running)
      else {
        printed.push(await running)
        printed.push(...(await Promise.all(coordinators.splice(0))))
      }
    }
    return printed
  }

  /** The results of the runs of an example, oldest first. */
  results(example: string): Json[] {
    const runs = path.join(this.at(example), 'runs')
    if (!existsSync(runs)) return []
    return readdirSync(runs)
      .sort()
      .map((run) => JSON.parse(readFileSync(path.join(runs, run, 'result.json'), 'utf8')) as Json)
  }

  async #withFreePorts(command: string): Promise<string> {
    for (const [port] of command.matchAll(/(?<=:)77\d\d\b/g))
      if (!this.#ports.has(port)) this.#ports.set(port, await freePort())
    return command.replace(/(?<=:)77\d\d\b/g, (port) => String(this.#ports.get(port)))
  }

  async #run(example: string, command: string): Promise<string> {
    // npx starts a shell and two processes of Node: what it finds is run directly.
    const direct = command
      .replace(/^npx convoy/, `${process.execPath} ../../node_modules/.bin/convoy`)
      // These have defaults too, which another test may use.
      .replace(/ coordinator /, '$&--admin-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 ')
    const child = spawn('sh', ['-c', `exec 2>&1; ${direct}`], {
      cwd: this.at(example),
      env: { ...process.env, ...this.#environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (part: Buffer) => (text += part.toString()))
    return new Promise((resolve, reject) => {
      child.on('close', (status) => {
        if (status === 0) resolve(text)
        else reject(new Error(`${command} ended with status ${status}:\n${text}`))
      })
    })
  }
}
