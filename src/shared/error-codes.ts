import type { status } from '@grpc/grpc-js'

/** Process exit statuses of `convoy …`. */
export const EXIT_STATUSES = {
  0: 'The command succeeded. A run that `convoy stop` or SIGTERM ended and that saved its weights counts as success.',
  1: 'Something failed. `convoy doctor`, `convoy data verify`, `convoy checkpoint verify`, `convoy checkpoint diff` and `convoy predict` also use it for a check that failed, a difference, or an image that cannot be read.',
  2: 'The user has to change a flag, a setting, a path or a file.',
  130: 'The user interrupted the command with Ctrl-C or SIGQUIT.',
} as const
export type ExitStatus = keyof typeof EXIT_STATUSES

/** A kind of error, for machines. */
interface ErrorCodeDefinition {
  readonly exitStatus: ExitStatus
  /** What a peer gets when a call fails with it. */
  readonly grpcStatus: keyof typeof status
  /** One sentence each, for docs/reference/errors.md. */
  readonly meaning: string
  readonly remedy: string
}

/** The codes of ConvoyError. docs/reference/errors.md is generated from them. */
export const ERROR_CODES = {
  usage: {
    exitStatus: 2,
    grpcStatus: 'INVALID_ARGUMENT',
    meaning: 'A flag, a setting or a path is wrong.',
    remedy: 'Change the flag, setting or path that the message names.',
  },
  data: {
    exitStatus: 2,
    grpcStatus: 'DATA_LOSS',
    meaning: 'A data set, a saved model, a checkpoint or an image file cannot be used as it is.',
    remedy: 'Repair or replace the file that the message names.',
  },
  environment: {
    exitStatus: 1,
    grpcStatus: 'INTERNAL',
    meaning: 'The machine lacks something: a compiler, a driver, disk space, memory or the network.',
    remedy: 'Provide what the message names; `npx convoy doctor` checks the whole machine.',
  },
  incompatible: {
    exitStatus: 1,
    grpcStatus: 'FAILED_PRECONDITION',
    meaning: 'Two parts cannot work together: their version, device, fingerprint or protocol differ.',
    remedy: 'Use the same version of Convoy and the same kind of device on all machines.',
  },
  unavailable: {
    exitStatus: 1,
    grpcStatus: 'RESOURCE_EXHAUSTED',
    meaning: 'A coordinator or server cannot be reached, or accepts no more workers.',
    remedy: 'Check that it runs and that its address is right; a worker tries again by itself for a while.',
  },
  protocol: {
    exitStatus: 1,
    grpcStatus: 'INVALID_ARGUMENT',
    meaning: 'A peer sent a message that a correct peer would not send, or the message was damaged.',
    remedy: 'Use the same version of Convoy on both sides and check the network; a worker joins again by itself.',
  },
  training: {
    exitStatus: 1,
    grpcStatus: 'ABORTED',
    meaning: 'The run cannot go on: the loss is not finite, or a shard fails on every worker.',
    remedy: 'Lower the learning rate, clip the gradient, or check the samples that the message names.',
  },
  interrupted: {
    exitStatus: 130,
    grpcStatus: 'CANCELLED',
    meaning: 'The user asked to stop.',
    remedy: 'There is nothing to repair; the run directory has what was done.',
  },
  internal: {
    exitStatus: 1,
    grpcStatus: 'INTERNAL',
    meaning: 'A bug in Convoy.',
    remedy: 'Report it with the stack that was printed, `config.yaml` and `convoy.log`.',
  },
} as const satisfies Readonly<Record<string, ErrorCodeDefinition>>
export type ErrorCode = keyof typeof ERROR_CODES
