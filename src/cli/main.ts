import { Command, CommanderError } from 'commander'
import { ConvoyError } from '../shared/errors.js'
import { sendFailure } from '../shared/failure-message.js'
import { printable } from '../shared/log/printable.js'
import { describeLoss, standardError, standardOutput } from '../shared/terminal.js'
import { version } from '../shared/version.js'
import { gatherFlagProblems } from './flags/flag-problems.js'

interface Entry {
  readonly description: string
  /** Imports the command when it is run, so that `convoy status` loads no trainer. */
  readonly load: () => Promise<Command>
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  train: {
    description: 'train on this machine: a coordinator and its workers',
    load: async () => (await import('./commands/train.js')).trainCommand(),
  },
  coordinator: {
    description: 'run the coordinator of a training that workers join',
    load: async () => (await import('./commands/coordinator.js')).coordinatorCommand(),
  },
  worker: {
    description: 'compute gradients for a coordinator until its run is over',
    load: async () => (await import('./commands/worker.js')).workerCommand(),
  },
  relay: {
    description: 'join a coordinator as one worker, with workers of its own',
    load: async () => (await import('./commands/relay.js')).relayCommand(),
  },
  status: {
    description: 'show a run and its workers',
    load: async () => (await import('./commands/status.js')).statusCommand(),
  },
  stop: {
    description: 'end a run after its current step; evaluate and save its weights',
    load: async () => (await import('./commands/stop.js')).stopCommand(),
  },
  pause: {
    description: 'let a run make no step until it is continued',
    load: async () => (await import('./commands/pause.js')).pauseCommand(),
  },
  continue: {
    description: 'let a paused run go on',
    load: async () => (await import('./commands/continue.js')).continueCommand(),
  },
  drain: {
    description: 'let a worker finish its lease and leave a run',
    load: async () => (await import('./commands/drain.js')).drainCommand(),
  },
  report: {
    description: 'write the page of a run as one self-contained HTML file',
    load: async () => (await import('./commands/report.js')).reportCommand(),
  },
  eval: {
    description: 'measure a trained model',
    load: async () => (await import('./commands/eval.js')).evalCommand(),
  },
  predict: {
    description: 'predict classes or numbers of images or of a table with a trained model',
    load: async () => (await import('./commands/predict.js')).predictCommand(),
  },
  inspect: {
    description: 'write predictions, mistakes and feature maps of a trained model as JSON',
    load: async () => (await import('./commands/inspect.js')).inspectCommand(),
  },
  bench: {
    description: 'measure speed, side by side with PyTorch and TensorFlow',
    load: async () => (await import('./commands/bench.js')).benchCommand(),
  },
  simulate: {
    description: 'predict the speed of a run on any cluster, with the real scheduler in simulated time',
    load: async () => (await import('./commands/simulate.js')).simulateCommand(),
  },
  data: {
    description: 'inspect, import, fetch and verify data sets',
    load: async () => (await import('./commands/data.js')).dataCommand(),
  },
  checkpoint: {
    description: 'make a checkpoint of a running run; list, show, verify, prune and compare those of a run',
    load: async () => (await import('./commands/checkpoint.js')).checkpointCommand(),
  },
  runtime: {
    description: 'install or show the native TensorFlow',
    load: async () => (await import('./commands/runtime.js')).runtimeCommand(),
  },
  doctor: {
    description: 'check this machine and print the facts for a bug report',
    load: async () => (await import('./commands/doctor.js')).doctorCommand(),
  },
  config: {
    description: 'show recipes and resolved configurations',
    load: async () => (await import('./commands/config.js')).configCommand(),
  },
}

/**
 * Runs `convoy …`; sets process.exitCode and does not throw.
 * @param argv as process.argv
 */
export async function main(argv: readonly string[]): Promise<void> {
  standardOutput.whenLost(endUnread)
  // Errors cannot be printed any more; the exit status still shows them.
  standardError.whenLost(() => undefined)
  try {
    const program = new Command('convoy')
      .description('Distributed data-parallel training for TensorFlow.js on Node')
      .version(version())
      .showHelpAfterError('(--help lists commands and flags)')
    for (const [name, { description, load }] of Object.entries(COMMANDS)) {
      program.addCommand(
        name === argv[2] ? (await load()).description(description) : new Command(name).description(description),
      )
    }
    exitByThrowing(program)
    await program.parseAsync(argv)
  } catch (error) {
    process.exitCode = report(error)
  }
}

/** A reader that closes the pipe early, such as `head`, is no fault. */
function endUnread(loss: NodeJS.ErrnoException): never {
  if (loss.code === 'EPIPE') process.exit(0)
  standardError.print(`✖ Standard output cannot be written: ${describeLoss(loss)}.\n`)
  process.exit(1)
}

/** Prints an error. @returns the exit status */
function report(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2
  const error = ConvoyError.from(thrown)
  sendFailure(error)
  standardError.print(`✖ ${error.lines.map(printable).join('\n  ')}\n`)
  if (!error.isExpected) standardError.print(`${(error.cause as Error | undefined)?.stack ?? error.stack}\n`)
  return error.exitStatus
}

/** Makes commander throw instead of exit, so that {@link report} decides the exit status. */
function exitByThrowing(command: Command): void {
  command.exitOverride()
  command.configureOutput({
    writeOut: (text) => {
      standardOutput.print(text)
    },
    writeErr: (text) => {
      standardError.print(text)
    },
    outputError: (text) => {
      const [, message, suggestion = ''] = /^(?:error: )?(.*?)(\n\(Did you mean [^\n]*)?\n?$/s.exec(text)!
      standardError.print(`✖ ${printable(message!)}${suggestion}\n`)
    },
  })
  if (command.commands.length === 0) gatherFlagProblems(command)
  for (const child of command.commands) exitByThrowing(child)
}
