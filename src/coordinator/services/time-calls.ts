import * as grpc from '@grpc/grpc-js'
import { onCallEnd } from '../../shared/protocol/call-end.js'

/**
 * @param method such as `Join`
 * @param code such as `OK`
 * @param seconds from the call's beginning to its status
 * @param details the error text that the peer got, when the call failed
 */
export type CallObserver = (method: string, code: string, seconds: number, details: string) => void

/** Reports every call of a server when it ends. */
export function timeCalls(observe: CallObserver): grpc.ServerInterceptor {
  return ({ path }, call) => {
    const startedMs = performance.now()
    return onCallEnd(call, (code, details) => {
      const seconds = (performance.now() - startedMs) / 1000
      observe(path.slice(path.lastIndexOf('/') + 1), grpc.status[code], seconds, details)
    })
  }
}
