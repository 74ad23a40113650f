import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { addonFlags } from './compile-addon.js'

/** absl's numbers: 0 info, 1 warning, 2 error, 3 fatal. */
const ERROR = 2

/** One function, by its name in this build of TensorFlow: absl's symbol names contain its version, and its headers are not kept. */
const source = (symbol: string): string => `
  #include <node_api.h>
  extern "C" void setMinLogLevel(int) __asm__("${symbol}");
  static napi_value set(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value argument;
    int32_t level = ${ERROR};
    napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
    napi_get_value_int32(env, argument, &level);
    setMinLogLevel(level);
    return nullptr;
  }
  NAPI_MODULE_INIT() {
    napi_value function;
    napi_create_function(env, "setMinLogLevel", NAPI_AUTO_LENGTH, set, nullptr, &function);
    napi_set_named_property(env, exports, "setMinLogLevel", function);
    return exports;
  }`

/**
 * Applies TF_CPP_MIN_LOG_LEVEL to absl, through which half of TensorFlow logs; only a call can set its level. Errors are always shown.
 * Call it before TensorFlow is loaded, with that variable set. If the addon for absl cannot be compiled (no g++, a read-only cache, a
 * TensorFlow without that function), the log lines stay: that is no reason to fail.
 * @param runtime its directory
 */
export function setAbslLogLevel(runtime: string, environment: NodeJS.ProcessEnv = process.env): void {
  const link = compileAbslLink(runtime)
  if (link === undefined) return
  const asked = Number(environment['TF_CPP_MIN_LOG_LEVEL'])
  try {
    const { setMinLogLevel } = createRequire(import.meta.url)(link) as { setMinLogLevel: (level: number) => void }
    setMinLogLevel(Number.isInteger(asked) ? Math.min(asked, ERROR) : ERROR)
  } catch {
    // tfjs-node's addon fails to load for the same reason, and reports it.
  }
}

/**
 * Compiles the addon for absl beside tfjs-node's addon, unless it exists: half a second, once. Runtimes of earlier versions have none.
 * @returns its path; undefined when it cannot be compiled
 */
export function compileAbslLink(runtime: string): string | undefined {
  const directory = path.join(runtime, 'addon')
  const link = path.join(directory, 'absl_log_level.node')
  if (existsSync(link)) return link
  try {
    mkdirSync(directory, { recursive: true })
    accessSync(directory, constants.W_OK)
    const symbol = findSymbol(readFileSync(path.join(runtime, 'tensorflow', 'libtensorflow_framework.so.2')))
    if (symbol === undefined) return undefined
    const unfinished = `${link}.${randomBytes(6).toString('hex')}`
    const flags = addonFlags(runtime)
    const { status } = spawnSync('g++', [...flags.compile, '-x', 'c++', '-', '-o', unfinished, ...flags.link], {
      input: source(symbol),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    if (status !== 0) return undefined
    renameSync(unfinished, link)
    return link
  } catch {
    return undefined
  }
}

/** The mangled name of `absl::SetMinLogLevel(absl::LogSeverityAtLeast)`, such as `_ZN4absl12lts_20250127…`. */
function findSymbol(library: Buffer): string | undefined {
  for (let at = 0; (at = library.indexOf('14SetMinLogLevelE', at)) >= 0; at++) {
    const start = library.lastIndexOf(0, at) + 1
    const name = library.toString('latin1', start, library.indexOf(0, at))
    if (/^_ZN4absl\w*14SetMinLogLevelENS\w*_18LogSeverityAtLeastE$/.test(name)) return name
  }
  return undefined
}
