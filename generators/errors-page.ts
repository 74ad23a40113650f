import type { ErrorCode } from '../src/shared/error-codes.js'
import { ERROR_CODES, EXIT_STATUSES } from '../src/shared/error-codes.js'
import { isExpectedRejection, REJECTION_CODES, REJECTION_TEXTS } from '../src/shared/rejection.js'

type GrpcStatus = (typeof ERROR_CODES)[ErrorCode]['grpcStatus']

/** What the statuses mean that gRPC itself or a listener gives, and what a client of Convoy makes of each status. */
const CLIENTS: Readonly<Record<GrpcStatus | 'UNAVAILABLE' | 'DEADLINE_EXCEEDED' | 'UNIMPLEMENTED', string>> = {
  UNAVAILABLE:
    'No connection to the address. A worker tries again until `--patience` is over; other commands end with `unavailable`.',
  DEADLINE_EXCEEDED: 'No answer in time. As UNAVAILABLE.',
  UNIMPLEMENTED:
    'The address is that of another listener: `convoy status` and `convoy stop` end with `usage`. Or the coordinator is of an earlier version: ' +
    '`convoy pause` and the like end with `incompatible`.',
  FAILED_PRECONDITION: 'The coordinator rejects this worker for good. The worker ends with `incompatible`.',
  RESOURCE_EXHAUSTED: 'The coordinator has no room for the worker now, or its name is in use. The worker tries again.',
  INVALID_ARGUMENT:
    'A message is wrong or damaged, or the worker is not (or no longer) one of this run. The worker joins again.',
  ABORTED: 'The coordinator closed the stream of a worker, with the reason in the message. The worker joins again.',
  CANCELLED: 'The call was ended by one side. The worker joins again.',
  DATA_LOSS: 'The coordinator cannot read its data set. The worker tries again.',
  INTERNAL: 'The coordinator failed in the call; its `convoy.log` has the reason. The worker tries again.',
}

/** docs/reference/errors.md: every error code, exit status, gRPC status and reason to reject a result. */
export function errorsPage(): string {
  const codes = Object.entries(ERROR_CODES).map(
    ([code, { exitStatus, grpcStatus, meaning, remedy }]) =>
      `| \`${code}\` | ${exitStatus} | ${grpcStatus} | ${meaning} | ${remedy} |`,
  )
  const statuses = Object.entries(EXIT_STATUSES).map(([status, meaning]) => `| ${status} | ${meaning} |`)
  const clients = Object.entries(CLIENTS).map(([status, meaning]) => `| ${status} | ${meaning} |`)
  const rejections = REJECTION_CODES.map((code) => {
    const { meaning, remedy } = REJECTION_TEXTS[code]
    return `| \`${code}\` | ${isExpectedRejection(code) ? 'yes' : 'no'} | ${meaning} | ${remedy} |`
  })
  return `# Errors

<!-- Generated from src/shared/error-codes.ts, src/shared/rejection.ts and generators/errors-page.ts by \`npm run generate\`: change it there. -->

Every error message names the problem, the place and the remedy. The code is for programs: \`ConvoyError.code\`.

## Error codes

| code | exit status | gRPC status | meaning | remedy |
| --- | --- | --- | --- | --- |
${codes.join('\n')}

The gRPC status is what a peer gets when its call fails with the error. \`internal\` prints a stack; the others print the message alone.

## Exit statuses

| exit status | meaning |
| --- | --- |
${statuses.join('\n')}

[How a run ends](results.md#how-a-run-ends) lists signals, full disks and lost outputs.

## gRPC statuses

What workers, \`convoy status\` and \`convoy stop\` do when a call ends with a status. An error of the Admin service has its code in the metadata
\`convoy-code\` too: then commands end with that one.

| gRPC status | meaning |
| --- | --- |
${clients.join('\n')}

## Rejected results

Why a result of a worker does not count: \`code\` in \`metrics.jsonl\`, \`reason\` of \`convoy_results_refused_total\`. Expected ones occur in any
run and are logged at \`debug\`, the others at \`warn\`. No rejected result reaches the weights.

| code | expected | meaning | remedy |
| --- | --- | --- | --- |
${rejections.join('\n')}
`
}
