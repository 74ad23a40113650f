/** A way to train that the benchmark measures. It stays alive and idle between rounds. */
export interface Contestant {
  /** Such as `PyTorch 2.15.0, DDP, eager`. */
  readonly name: string
  /** Its maker: results are compared between makers. */
  readonly maker: 'Convoy' | 'PyTorch' | 'TensorFlow'
  /** Trainable parameters, to check that all train the same network. */
  readonly parameters: number
  /** Runs this many steps. @returns the seconds of each */
  steps(count: number): Promise<number[]>
  close(): Promise<void>
}

/** The training task of all contestants in one table. */
export interface Task {
  readonly network: string
  readonly precision: 'float32' | 'bfloat16'
  readonly augmentation: boolean
}

/** Samples per step, over all processes of a contestant. */
export const BATCH_SIZE = 128
