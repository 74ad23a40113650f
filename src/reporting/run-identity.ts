import path from 'node:path'

/** The identity of a run, for the labels of its metrics and for TensorBoard. */
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
