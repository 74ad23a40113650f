import type { Contestant, Task } from './contestant.js'
import { PeerProcess } from './peer-process.js'

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
  const peer = new PeerProcess(python, program, args)
  const { parameters, version } = (await peer.read()) as { parameters: number; version: string }
  const name = `${maker} ${version}, ${label}`
  return { name, maker, parameters, steps: async (count) => peer.steps(count), close: async () => peer.close() }
}
