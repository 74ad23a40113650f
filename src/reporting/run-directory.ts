import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { stringify } from 'yaml'
import type { RunEnvironment, RunStatus } from './page/page-state.js'
import type { Ancestor } from '../durability/checkpoint-manifest.js'
import type { RunConfig } from '../model/config/run-config.js'
import { ConvoyError } from '../shared/errors.js'
import { makeDirectory, syncName } from '../shared/make-directory.js'
import { MAX_JSON_BYTES, readTextIfThere } from '../shared/read-file.js'
import type { OwnershipLock } from '../shared/ownership-lock.js'
import type { RunResult } from '../training/run-events.js'
import { lockRun } from './run-lock.js'
import { withoutWebhookSecrets } from './webhook.js'

/** A new run directory, with its lock. */
interface OwnRunDirectory {
  readonly runDirectory: string
  /** Release it when the run is over. Absent if files cannot be locked: other processes cannot see then that the run is going on. */
  readonly lock: OwnershipLock | undefined
}

/**
 * Makes `<root>/<utc>_<name>/`, such as `runs/20261123T183000Z_quick`; a number is added when two runs begin in one second.
 * It belongs to this process until the lock is released.
 * @param now milliseconds since 1970
 * @throws ConvoyError('usage') when the directory cannot be written, or its file system does not answer
 */
export async function createRunDirectory(root: string, name: string, now: number): Promise<OwnRunDirectory> {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
  try {
    await makeDirectory(root)
    for (let attempt = 1; ; attempt++) {
      const runDirectory = path.join(root, `${stamp}_${name}${attempt === 1 ? '' : `-${attempt}`}`)
      try {
        await mkdir(runDirectory)
        await syncName(runDirectory)
        return { runDirectory, lock: lockRun(runDirectory) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
  } catch (error) {
    throw new ConvoyError(
      'usage',
      `--runs-dir ${root}: ${(error as Error).message.replace(/\.$/, '')}. Choose a writable directory.`,
      { cause: error },
    )
  }
}

/**
 * Writes `config.yaml` (accepted by --config) and `environment.json` (the facts for a bug report).
 * @throws ConvoyError('environment') such as on a full disk
 */
export async function writeProvenance(directory: string, config: RunConfig, version: string): Promise<void> {
  const environment: Required<RunEnvironment> = {
    convoy: version,
    node: process.version,
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    cpu: os.cpus()[0]?.model.trim() || os.arch(),
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    // Without the flags for processes that Convoy starts itself.
    command: withoutWebhookSecrets(
      process.argv.slice(2).filter((argument) => !['--supervised', '--detached'].includes(argument)),
    ),
    startedAt: new Date().toISOString(),
  }
  try {
    await writeConfig(directory, config)
    await writeFileAtomic(path.join(directory, 'environment.json'), `${JSON.stringify(environment, null, 2)}\n`)
  } catch (error) {
    throw new ConvoyError('environment', `${directory} cannot be written: ${(error as Error).message}.`, {
      cause: error,
    })
  }
}

/** Names of files that are written under another name first, here and by DiskReserve and replaceFile. */
const TEMPORARY = /^[\w-]+\.(?:jsonl?|yaml)\.\d+$|^\.[\w.]+-(?:[0-9a-f]{12}|[0-9a-f]{16})$/

/** Removes what a killed coordinator was writing. Only the owner of the run may call this. */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (TEMPORARY.test(name)) await rm(path.join(directory, name), { force: true })
}

/** Makes room for the end of a run that goes on: a result stays as `result-<steps>-steps.json`. */
export async function putEndAside(directory: string): Promise<void> {
  const file = path.join(directory, 'result.json')
  const text = readTextIfThere(file, MAX_JSON_BYTES)
  if (text !== undefined) {
    const { steps } = JSON.parse(text) as Pick<RunResult, 'steps'>
    await rename(file, path.join(directory, `result-${steps}-steps.json`))
  }
  await rm(path.join(directory, 'status.json'), { force: true })
}

/** Writes `config.yaml` atomically. */
export async function writeConfig(directory: string, config: RunConfig): Promise<void> {
  await writeFileAtomic(path.join(directory, 'config.yaml'), stringify(config))
}

/** Writes `result.json` atomically. @param result with the checkpoint that the run began with; null: with weights of its own */
export async function writeResult(
  directory: string,
  result: RunResult & { readonly ancestor?: Ancestor | null },
): Promise<void> {
  await writeFileAtomic(path.join(directory, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
}

/** Writes `status.json`: the status of the run at its end, for `convoy report`. */
export async function writeStatus(directory: string, status: RunStatus): Promise<void> {
  await writeFileAtomic(path.join(directory, 'status.json'), `${JSON.stringify(status)}\n`)
}
