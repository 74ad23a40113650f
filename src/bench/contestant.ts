/** One way to train, as the benchmark drives it: it stays alive between rounds, idle. */
export interface Contestant {
  /** Such as `PyTorch 2.15.0, DDP, eager`. */
  readonly name: string
  /** Who made it: results are compared between makers. */
  readonly maker: 'Convoy' | 'PyTorch' | 'TensorFlow'
  /** Trainable parameters, as proof that all train the same network. */
  readonly parameters: number
  /** Takes that many steps. @returns the seconds of each */
  steps(count: number): Promise<number[]>
  close(): Promise<void>
}

/** What all contestants of one table do. */
export interface Task {
  readonly network: string
  readonly precision: 'float32' | 'bfloat16'
  readonly augmentation: boolean
}

/** Samples per step, over all processes of a contestant. */
export const BATCH_SIZE = 128
