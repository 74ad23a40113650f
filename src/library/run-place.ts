import { flagsOf } from './options.js'

/** A run directory or the directory of a saved model; or a run of `train` or `loadRun`, whose directory is used. */
export type RunPlace = string | { readonly directory: string | Promise<string> }

export async function directoryOfRun(run: RunPlace): Promise<string> {
  return typeof run === 'string' ? run : run.directory
}

/** Weights of a run to use, and where to compute with them. */
export interface WeightsOptions {
  /** Those that validation chose, or those after the last step. @default 'best'; 'last' if the run ended before its first validation */
  readonly weights?: 'best' | 'last'
  /** `auto`: the GPU where there is one. @default 'auto' */
  readonly device?: 'auto' | 'cpu' | 'gpu'
  /** Module with custom layers, losses and metrics, where Convoy has not seen it yet. */
  readonly custom?: string
}

export const WEIGHTS_OPTIONS: readonly (keyof WeightsOptions)[] = ['weights', 'device', 'custom']

/** @returns flags of `convoy eval` and the like */
export function weightsFlags({ weights, device, custom }: WeightsOptions): string[] {
  return flagsOf({ weights, device, custom })
}
