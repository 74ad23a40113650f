import { Command } from 'commander'
import type { Examination } from '../../doctor/examine.js'
import { examine } from '../../doctor/examine.js'
import { printable } from '../../shared/log/printable.js'
import { standardOutput } from '../../shared/terminal.js'
import { formatBytes } from '../../shared/units.js'
import { coordinatorCommand } from './coordinator.js'

export function doctorCommand(): Command {
  return new Command('doctor').option('--json', 'for machines').action(async ({ json }: { json?: true }) => {
    const examination = await examine(defaultAddresses())
    standardOutput.print(json ? `${JSON.stringify(examination)}\n` : describe(examination))
    if (!examination.verdicts.every(({ ok }) => ok)) process.exitCode = 1
  })
}

function defaultAddresses(): { flag: string; address: string }[] {
  return coordinatorCommand().options.flatMap(({ long, defaultValue }) =>
    long?.endsWith('listen') ? [{ flag: long, address: defaultValue as string }] : [],
  )
}

function describe({ machine, caches, verdicts }: Examination): string {
  const { convoy, node, npm, system, kernel, glibc, cpu, cpuFeatures, cores, memoryBytes, gpus } = machine
  const rows: [string, string][] = [
    ['Convoy', convoy],
    ['Node', `${node}, npm ${npm ?? 'missing'}`],
    ['system', `${system}, ${kernel}, ${glibc === undefined ? 'no glibc' : `glibc ${glibc}`}`],
    ['CPU', `${cpu}, ${cores} cores (${cpuFeatures.join(' ')})`],
    ['memory', formatBytes(memoryBytes)],
    ...gpus.map((gpu): [string, string] => [
      'GPU',
      `${gpu.name}, ${formatBytes(gpu.memoryBytes)}, driver ${gpu.driver}`,
    ]),
    ...(gpus.length === 0 ? [['GPU', 'none found by nvidia-smi'] as [string, string]] : []),
    ...caches.map(({ path, bytes }): [string, string] => ['cache', `${path}, ${formatBytes(bytes)}`]),
  ]
  const facts = rows.map(([name, value]) => `${name.padEnd(8)}${value}`)
  const lines = verdicts.map(({ check, ok, found, remedy }) =>
    ok ? `✔ ${check}: ${found}` : `✖ ${check}: ${found}; ${remedy}`,
  )
  return `${facts.map(printable).join('\n')}\n\n${lines.map(printable).join('\n')}\n`
}
