import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { addonFlags } from './compile-addon.js'

/** absl's numbers: 0 info, 1 warning, 2 error, 3 fatal. */
const ERROR = 2

/**
 * setMinLogLevel is absl's, by its name in this build of TensorFlow: absl's symbol names contain its version, and its headers are not kept.
 * loadLibrary keeps a library for the life of the process; its errors are those that the addon that needs the library reports.
 */
const source = (symbol: string): string => `
  #include <dlfcn.h>
  #include <node_api.h>
  #include <string>
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
  static napi_value load(napi_env env, napi_callback_info info) {
    size_t count = 1, length = 0;
    napi_value argument;
    napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
    napi_get_value_string_utf8(env, argument, nullptr, 0, &length);
    std::string file(length, '\\0');
    napi_get_value_string_utf8(env, argument, &file[0], length + 1, &length);
    dlopen(file.c_str(), RTLD_LAZY);
    return nullptr;
  }
  NAPI_MODULE_INIT() {
    napi_property_descriptor functions[] = {
      {"setMinLogLevel", nullptr, set, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"loadLibrary", nullptr, load, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
    };
    napi_define_properties(env, exports, 2, functions);
    return exports;
  }`

interface NativeCalls {
  setMinLogLevel(level: number): void
  loadLibrary(file: string): void
}

/**
 * Applies TF_CPP_MIN_LOG_LEVEL to absl, through which half of TensorFlow logs; only a call can set its level. Errors are always shown.
 * Call it before TensorFlow is loaded, with that variable set. If the addon for it cannot be compiled (no g++, a read-only cache, a
 * TensorFlow without that function), the log lines stay: that is no reason to fail.
 * @param runtime its directory
 */
export function setAbslLogLevel(runtime: string, environment: NodeJS.ProcessEnv = process.env): void {
  const asked = Number(environment['TF_CPP_MIN_LOG_LEVEL'])
  openNativeCalls(runtime)?.setMinLogLevel(Number.isInteger(asked) ? Math.min(asked, ERROR) : ERROR)
}

/**
 * Loads the library that tfjs-node's addon needs, so that the addon itself loads in a moment. TensorFlow is not started. It does nothing when
 * the library cannot be loaded.
 * @param runtime its directory
 */
export function loadTensorflowLibrary(runtime: string): void {
  openNativeCalls(runtime)?.loadLibrary(path.join(runtime, 'tensorflow', 'libtensorflow_cc.so.2'))
}

function openNativeCalls(runtime: string): NativeCalls | undefined {
  const addon = compileNativeCalls(runtime)
  try {
    return addon === undefined ? undefined : (createRequire(import.meta.url)(addon) as NativeCalls)
  } catch {
    // tfjs-node's addon fails to load for the same reason, and reports it.
    return undefined
  }
}

/**
 * Compiles the addon with these calls beside tfjs-node's addon, unless it exists: half a second, once. Runtimes of earlier versions have none.
 * @returns its path; undefined when it cannot be compiled
 */
export function compileNativeCalls(runtime: string): string | undefined {
  const directory = path.join(runtime, 'addon')
  const addon = path.join(directory, 'native_calls.node')
  if (existsSync(addon)) return addon
  try {
    mkdirSync(directory, { recursive: true })
    accessSync(directory, constants.W_OK)
    const symbol = findSymbol(readFileSync(path.join(runtime, 'tensorflow', 'libtensorflow_framework.so.2')))
    if (symbol === undefined) return undefined
    const unfinished = `${addon}.${randomBytes(6).toString('hex')}`
    const flags = addonFlags(runtime)
    const { status } = spawnSync('g++', [...flags.compile, '-x', 'c++', '-', '-o', unfinished, ...flags.link], {
      input: source(symbol),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    if (status !== 0) return undefined
    renameSync(unfinished, addon)
    return addon
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
