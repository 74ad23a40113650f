import path from 'node:path'
import type { Command } from 'commander'
import { readAnnouncement } from '../coordinator/run-announcement.js'
import type { CoordinatorProcess, GivenUpRun } from '../launch/supervision/supervisor.js'
import { Supervisor } from '../launch/supervision/supervisor.js'
import { listCheckpoints } from '../durability/checkpoints.js'
import { runNameOf } from '../reporting/run-identity.js'
import { postRunEnd } from '../reporting/webhook.js'
import { parseAddress } from '../shared/protocol/addresses.js'
import { FLAGS, SETTING_FLAGS, SWITCHES } from './flags/run-config-flags.js'
import { variableOf } from './flags/unread-variables.js'
import { STOP_SIGNALS } from './stop-signals.js'

/** Flags that a restarted coordinator takes from the run directory instead, or that are not for it. */
const NOT_PASSED_ON = new Set(
  [
    ...[
      'recipe',
      'config',
      'set',
      'resume',
      'auto-resume',
      'fork',
      'name',
      'model',
      'restart',
      'supervised',
      'detached',
    ],
    ...['listen', 'admin-listen', 'metrics-listen'],
    ...[...FLAGS, ...SWITCHES].map(({ flag }) => flag),
  ].map((flag) => `--${flag}`),
)

/**
 * Runs `convoy train` as two processes: this one supervises the coordinator and the workers. Returns when the run is over.
 * @param command with the flags of the user; the coordinator checks them
 * @param args of `convoy`, as the user gave them
 * @param onAnnounced called with the run directory when the first coordinator listens
 * @returns the exit status
 */
export async function supervise(
  command: Command,
  args: readonly string[],
  onAnnounced: (runDirectory: string) => void,
): Promise<number> {
  const [name, ...flags] = args.filter((argument) => argument !== '--detached')
  // In front: the last flag may lack its value.
  const first = { args: [name!, '--supervised', ...flags], environment: process.env }
  const supervisor = new Supervisor(
    first,
    (runDirectory) => resumedProcess(command, runDirectory),
    onAnnounced,
    async (given, warn) => postGivenUp(command.getOptionValue('webhook') as string | undefined, given, warn),
  )
  for (const signal of STOP_SIGNALS) process.on(signal, (received) => supervisor.signal(received))
  return supervisor.run()
}

/** The step is that of the newest checkpoint. */
async function postGivenUp(
  webhook: string | undefined,
  given: GivenUpRun,
  warn: (line: string) => void,
): Promise<void> {
  if (webhook === undefined) return
  const { runDirectory, ...how } = given
  const message = {
    ...{ run: runNameOf(runDirectory), ...how, step: listCheckpoints(runDirectory)[0]?.step ?? 0 },
    runDirectory: path.resolve(runDirectory),
  }
  await postRunEnd(webhook, message, new AbortController().signal, warn)
}

/** Goes on with the run, at the same addresses and with the settings that the run has. @throws Error when it has no announcement */
function resumedProcess(command: Command, runDirectory: string): CoordinatorProcess {
  const settings = new Set(SETTING_FLAGS.map(variableOf))
  const environment = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !settings.has(variable)))
  const given = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli')
  const passedOn = given
    .filter(({ long }) => !NOT_PASSED_ON.has(long!))
    .map((option) => {
      const value: unknown = command.getOptionValue(option.attributeName())
      return typeof value === 'boolean' ? option.long! : `${option.long!}=${String(value)}`
    })
  const resume = ['--resume', runDirectory, ...addresses(command, runDirectory), '--supervised']
  return { args: [command.name(), ...passedOn, ...resume], environment }
}

/** The ports that were announced, on the hosts of the flags. */
function addresses(command: Command, runDirectory: string): string[] {
  const { address, adminAddress, metrics } = readAnnouncement(runDirectory)!
  const ports = {
    listen: parseAddress(address, 'address').port,
    adminListen: parseAddress(adminAddress, 'adminAddress').port,
    metricsListen: Number(new URL(metrics).port),
  }
  return Object.entries(ports).flatMap(([name, port]) => {
    const { long } = command.options.find((option) => option.attributeName() === name)!
    const { host } = parseAddress(String(command.getOptionValue(name)), long!)
    return [long!, `${host}:${port}`]
  })
}
