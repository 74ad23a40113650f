import type { ErrorCode } from '../../shared/error-codes.js'
import type { FailureMessage } from '../../shared/failure-message.js'
import type { LogRecord } from '../../shared/log/log.js'
import type { LaunchOptions } from '../launcher.js'
import type { LauncherName } from '../launchers.js'

/** What a coordinator asks its supervisor to launch. */
export interface LaunchRequest extends Pick<
  LaunchOptions,
  'address' | 'runDirectory' | 'count' | 'device' | 'logLevel'
> {
  readonly launcher: LauncherName
}

/** From the coordinator to its supervisor. */
export type ToSupervisor =
  | { readonly kind: 'launch'; readonly request: LaunchRequest }
  /** A signal or a fault ends the run: another end of the process is not a reason to restart it. */
  | { readonly kind: 'ending' }
  /** The end of the run was announced to the workers: wait for them. */
  | { readonly kind: 'close' }
  | FailureMessage

/** From the supervisor to its coordinator. */
export type ToCoordinator =
  /** First of all; `records` were shown already. */
  | { readonly kind: 'hello'; readonly restarts: number; readonly records: readonly LogRecord[] }
  /** The supervisor received its `count`-th signal of this kind. */
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals; readonly count: number }
  /** The answer to `launch`. `error`: no worker was started. */
  | { readonly kind: 'launched'; readonly error?: { readonly code: ErrorCode; readonly message: string } }
  | { readonly kind: 'log'; readonly record: LogRecord }
  /** Number of workers that start now. */
  | { readonly kind: 'starting'; readonly count: number }
  | { readonly kind: 'none-left'; readonly why: string }
  /** All workers have ended. */
  | { readonly kind: 'closed' }
