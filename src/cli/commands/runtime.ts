import { Command, Option } from 'commander'
import { ensureRuntime } from '../../tensorflow/runtime/install-runtime.js'
import { findRuntime } from '../../tensorflow/runtime/runtime-directory.js'
import { ConvoyError } from '../../shared/errors.js'
import { printable } from '../../shared/log/printable.js'
import { standardError, standardOutput } from '../../shared/terminal.js'

interface InstallFlags {
  gpu?: true
  cpu?: true
  from?: string
}

export function runtimeCommand(): Command {
  return new Command('runtime').addCommand(installCommand()).addCommand(showCommand())
}

function installCommand(): Command {
  return new Command('install')
    .description('download TensorFlow with pip, compile the Node addon for it, and use it from now on')
    .addOption(new Option('--gpu', 'with CUDA (default when nvidia-smi works)').conflicts('cpu'))
    .option('--cpu', 'without CUDA (default otherwise)')
    .option('--from <directory>', 'use the TensorFlow that pip installed in this directory; download nothing')
    .action(async ({ gpu, cpu, from }: InstallFlags) => {
      const kind = gpu ? 'gpu' : cpu ? 'cpu' : undefined
      const report = (line: string): void => {
        standardError.printLine(line)
      }
      const runtime = await ensureRuntime({
        ...(kind === undefined ? {} : { kind }),
        ...(from === undefined ? {} : { from }),
        report,
      })
      standardOutput.print(
        `TensorFlow ${runtime.tensorflowVersion} for ${runtime.kind} is in use: ${printable(runtime.directory)}\n`,
      )
    })
}

function showCommand(): Command {
  return new Command('show')
    .description('show the native TensorFlow in use')
    .option('--json', 'for machines')
    .action(({ json }: { json?: true }) => {
      const runtime = findRuntime()
      if (runtime === undefined) {
        throw new ConvoyError('environment', 'No native TensorFlow is installed. Run `npx convoy runtime install`.')
      }
      const lines = [
        `TensorFlow  ${runtime.tensorflowVersion}, ${runtime.kind}`,
        `source      ${runtime.source}`,
        `directory   ${runtime.directory}`,
      ]
      standardOutput.print(json ? `${JSON.stringify(runtime)}\n` : `${lines.map(printable).join('\n')}\n`)
    })
}
