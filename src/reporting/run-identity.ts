import path from 'node:path'

/** What tells a run from others: labels of its metrics, and what TensorBoard shows of it. */
export interface RunIdentity {
  /** See {@link runNameOf}. */
  readonly run: string
  /** `--name`, or the recipe. */
  readonly name: string
  readonly recipe: string
  /** Convoy's. */
  readonly version: string
}

/** The base name of the run directory, such as `20261123T183000Z_quick`: unique among the runs of a directory. */
export function runNameOf(runDirectory: string): string {
  return path.basename(path.resolve(runDirectory))
}
