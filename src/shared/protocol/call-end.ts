import * as grpc from '@grpc/grpc-js'

/**
 * Observes the end of a call. For interceptors of a server.
 * @param onEnd called once, when the call has its status or its peer has disconnected. `details` is the failure message for the peer;
 *   `isRequestWhole` is whether the whole request had arrived
 */
export function onCallEnd(
  call: grpc.ServerInterceptingCallInterface,
  onEnd: (code: grpc.status, details: string, isRequestWhole: boolean) => void,
): grpc.ServerInterceptingCall {
  let hasEnded = false
  let isRequestWhole = false
  const once = (code: grpc.status, details: string): void => {
    if (hasEnded) return
    hasEnded = true
    onEnd(code, details, isRequestWhole)
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
