import { isLoopback, parseAddress } from '../shared/protocol/addresses.js'
import { ConvoyError } from '../shared/errors.js'

/** As the flags of these names give them. */
export interface ListenAddresses {
  /** `host:port` for workers; port 0 takes any free one. */
  readonly listen: string
  /** `host:port` for `convoy status`, `convoy stop` and the like. */
  readonly adminListen: string
  /** `host:port` for Prometheus. */
  readonly metricsListen?: string
  /** Allow plaintext beyond this machine. */
  readonly insecure: boolean
}

interface Place {
  readonly flag: string
  readonly address: string
  readonly host: string
  readonly port: number
}

/** Why a coordinator cannot listen there; a sentence each, with the flag and the remedy. */
export function addressProblems({ listen, adminListen, metricsListen, insecure }: Partial<ListenAddresses>): string[] {
  const problems: string[] = []
  const places: Place[] = []
  const given = { '--listen': listen, '--admin-listen': adminListen, '--metrics-listen': metricsListen }
  for (const [flag, address] of Object.entries(given)) {
    if (address === undefined) continue
    try {
      const place = { flag, address, ...parseAddress(address, flag) }
      // Anyone may read metrics; workers and commands need a network that is trusted.
      if (!insecure && flag !== '--metrics-listen' && !isLoopback(place.host)) problems.push(isExposed(place))
      const twin = places.find((other) => clash(other, place))
      if (twin !== undefined)
        problems.push(
          `${twin.flag} ${twin.address} and ${flag} ${address} are the same port; choose another for one of them (port 0 takes any free one).`,
        )
      places.push(place)
    } catch (error) {
      problems.push(ConvoyError.from(error).message)
    }
  }
  return problems
}

function isExposed({ flag, address }: Place): string {
  return (
    `${flag} ${address} can be reached by other machines, and the connection is not encrypted. ` +
    'Use 127.0.0.1, or add --insecure on a network that you trust.'
  )
}

function clash(one: Place, other: Place): boolean {
  if (one.port !== other.port || one.port === 0) return false
  const [first, second] = [one.host, other.host].map((host) => host.replace('localhost', '127.0.0.1'))
  return first === second || [first, second].some((host) => host === '0.0.0.0' || host === '[::]')
}
