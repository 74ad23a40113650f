import net from 'node:net'
import { MessageSocket } from '../shared/message-socket.js'
import type { FromLocalWorker, ToLocalWorker } from '../shared/protocol/local-messages.js'

export type LocalConnection = MessageSocket<FromLocalWorker, ToLocalWorker>

/** A coordinator that is busy answers within seconds. */
const WELCOME_MS = 10_000

/**
 * Connects the thread that computes with the coordinator, on one machine.
 * @param path of the coordinator's socket
 * @param hello id and session of the membership
 * @param receive gets all messages after `welcome`
 * @returns undefined when there is no such socket, or no coordinator that welcomes this worker
 */
export async function connectLocally(
  path: string,
  hello: Required<FromLocalWorker>['hello'],
  receive: (message: ToLocalWorker) => void,
): Promise<LocalConnection | undefined> {
  return new Promise((resolve) => {
    const patience = setTimeout(() => {
      connection.close()
    }, WELCOME_MS)
    const answered = (answer: LocalConnection | undefined): void => {
      clearTimeout(patience)
      resolve(answer)
    }
    const connection: LocalConnection = new MessageSocket(net.connect(path), {
      onMessage: (message) => {
        if (message.welcome) answered(connection)
        else receive(message)
      },
      // Afterwards, the membership is over: the main thread learns it from its own connection.
      onClosed: () => {
        answered(undefined)
      },
    })
    connection.send({ hello })
  })
}
