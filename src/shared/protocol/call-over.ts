import * as grpc from '@grpc/grpc-js'

/**
 * Observes the end of a call. For interceptors of a server.
 * @param over called once, when the call has its status or its peer has disconnected. `details` is the failure message for the peer;
 *   `isRequestWhole` is whether the whole request had arrived
 */
export function onCallOver(
  call: grpc.ServerInterceptingCallInterface,
  over: (code: grpc.status, details: string, isRequestWhole: boolean) => void,
): grpc.ServerInterceptingCall {
  let isOver = false
  let isRequestWhole = false
  const once = (code: grpc.status, details: string): void => {
    if (isOver) return
    isOver = true
    over(code, details, isRequestWhole)
  }
  const listener = new grpc.ServerListenerBuilder()
    .withOnReceiveHalfClose((next) => {
      isRequestWhole = true
      next()
    })
    .withOnCancel(() => {
      once(grpc.status.CANCELLED, '')
    })
    .build()
  const responder = new grpc.ResponderBuilder()
    .withStart((next) => {
      next(listener)
    })
    .withSendStatus((status, next) => {
      once(status.code ?? grpc.status.UNKNOWN, status.details ?? '')
      next(status)
    })
    .build()
  return new grpc.ServerInterceptingCall(call, responder)
}
