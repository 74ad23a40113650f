import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { ConvoyError } from '../shared/errors.js'
import type { Contestant, Task } from './contestant.js'
import { PEERS_DIRECTORY } from './peer-environment.js'

/** Configurations that users of each maker would try. `words` follow `network precision augmentation` on a peer's command line. */
const CONFIGURATIONS: readonly {
  readonly maker: 'PyTorch' | 'TensorFlow'
  readonly program: string
  readonly words: readonly string[]
  readonly label: string
}[] = [
  { maker: 'PyTorch', program: 'pytorch_peer.py', words: ['eager', 'process'], label: 'one process, eager' },
  { maker: 'PyTorch', program: 'pytorch_peer.py', words: ['compile', 'process'], label: 'one process, compiled' },
  { maker: 'PyTorch', program: 'pytorch_peer.py', words: ['eager', 'ddp'], label: 'DDP over gloo, eager' },
  { maker: 'PyTorch', program: 'pytorch_peer.py', words: ['compile', 'ddp'], label: 'DDP over gloo, compiled' },
  { maker: 'TensorFlow', program: 'tensorflow_peer.py', words: [], label: 'one process, tf.function' },
]

/** Starts every configuration of the peers, one after the other, so that each is ready before it is measured. */
export async function startPeers(python: string, makers: readonly string[], task: Task): Promise<Contestant[]> {
  const started: Contestant[] = []
  try {
    for (const { maker, program, words, label } of CONFIGURATIONS) {
      if (makers.includes(maker)) started.push(await startPeer(python, maker, program, words, label, task))
    }
    return started
  } catch (error) {
    await Promise.all(started.map(async (peer) => peer.close()))
    throw error
  }
}

async function startPeer(
  python: string,
  maker: 'PyTorch' | 'TensorFlow',
  program: string,
  words: readonly string[],
  label: string,
  { network, precision, augmentation }: Task,
): Promise<Contestant> {
  const args = [network, precision, augmentation ? 'augment' : 'plain', ...words]
  const child = spawn(python, [path.join(PEERS_DIRECTORY, program), ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let lastWords = ''
  child.stderr.on('data', (text: Buffer) => {
    lastWords = (lastWords + text.toString()).slice(-2_000)
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const read = async (): Promise<Record<string, unknown>> => {
    const { value, done } = (await lines.next()) as IteratorResult<string, undefined>
    if (done) throw new ConvoyError('environment', `${program} ${args.join(' ')} ended:\n${lastWords.trim()}`)
    return JSON.parse(value) as Record<string, unknown>
  }
  const { parameters, version } = (await read()) as { parameters: number; version: string }
  return {
    name: `${maker} ${version}, ${label}`,
    maker,
    parameters,
    steps: async (count) => {
      child.stdin.write(`${count}\n`)
      return (await read())['seconds'] as number[]
    },
    close: async () => {
      child.stdin.end()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}
