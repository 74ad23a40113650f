#pragma once
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <node_api.h>
#include <string>
#include <sys/mman.h>

/** Throws what the system reports, with the code that Node's own errors have where callers look at it. */
static napi_value throwSystemError(napi_env env, const char* call, int error) {
  const char* code = error == ENOSPC ? "ENOSPC" : error == EDQUOT ? "EDQUOT" : error == ENOMEM ? "ENOMEM" : nullptr;
  const std::string message = (code ? std::string(code) + ": " : "") + std::strerror(error) + ", " + call;
  napi_throw_error(env, code, message.c_str());
  return nullptr;
}

/**
 * The first bytes of a file as an ArrayBuffer: all processes that map the file see the same memory. It is unmapped with the ArrayBuffer.
 * A page that the file does not have would end the process when it is touched. So one that is written gets all of its pages here, or an
 * error; and nobody may make the file shorter.
 */
static napi_value mapFile(napi_env env, int descriptor, size_t bytes, bool isWritable) {
  if (isWritable) {
    int error = EINTR;
    while (error == EINTR) error = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
    if (error != 0) return throwSystemError(env, "posix_fallocate", error);
  }
  const int access = isWritable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* memory = mmap(nullptr, bytes, access, MAP_SHARED | MAP_POPULATE, descriptor, 0);
  if (memory == MAP_FAILED) return throwSystemError(env, "mmap", errno);
  const napi_finalize unmap = [](napi_env, void* data, void* hint) { munmap(data, reinterpret_cast<size_t>(hint)); };
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, memory, bytes, unmap, reinterpret_cast<void*>(bytes), &buffer) == napi_ok)
    return buffer;
  munmap(memory, bytes);
  napi_throw_error(env, nullptr, "this Node cannot use memory of its addons");
  return nullptr;
}
