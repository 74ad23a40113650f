// Loaded into a process before the C library (LD_PRELOAD): adds the nanoseconds in the file TEST_WALL_CLOCK to the wall clock. The monotonic
// clock stays as it is, as when someone sets the time.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <cstdint>
#include <cstdlib>

static int64_t offset() {
  static const volatile int64_t* const shared = [] {
    const char* const file = getenv("TEST_WALL_CLOCK");
    const int descriptor = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    void* const page = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, descriptor, 0);
    return page == MAP_FAILED ? nullptr : static_cast<const volatile int64_t*>(page);
  }();
  return shared ? *shared : 0;
}

static const int64_t kSecond = 1000000000;

extern "C" int clock_gettime(clockid_t clock, struct timespec* time) {
  static const auto real = reinterpret_cast<int (*)(clockid_t, struct timespec*)>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int status = real(clock, time);
  if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    const int64_t shifted = time->tv_sec * kSecond + time->tv_nsec + offset();
    time->tv_sec = shifted / kSecond;
    time->tv_nsec = shifted % kSecond;
  }
  return status;
}

extern "C" int gettimeofday(struct timeval* time, void*) {
  struct timespec now;
  const int status = clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return status;
}
