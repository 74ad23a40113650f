#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>

/**
 * Threads that share the work on long vectors. The calling thread does its share, and never waits for a thread that has not begun: on busy
 * processors it does all of the work.
 */
class ThreadPool {
 public:
  /** That of the process. It is never destroyed, since its threads run until the process ends. */
  static ThreadPool& ofProcess() {
    static ThreadPool* pool = new ThreadPool;
    return *pool;
  }

  /**
   * Calls `work` once for each piece, in ascending order. Returns when all calls have.
   * @param threads that work at most, the calling one included. Where several threads call at the same time, only the first gets help
   */
  void run(int64_t pieces, int64_t threads, const std::function<void(int64_t)>& work) {
    const int64_t wanted = std::min({threads, pieces, MAX_THREADS}) - 1;
    std::unique_lock<std::mutex> turn(turn_, std::defer_lock);
    if (wanted < 1 || !turn.try_lock()) {
      for (int64_t piece = 0; piece < pieces; piece++) work(piece);
      return;
    }
    const int64_t helpers = start(wanted);
    next_ = 0;
    pieces_ = pieces;
    work_ = &work;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      places_ = helpers;
      job_++;
    }
    for (int64_t helper = 0; helper < helpers; helper++) begun_.notify_one();
    takePieces();
    {
      // A thread that wakes up later finds no place.
      const std::lock_guard<std::mutex> lock(mutex_);
      places_ = 0;
    }
    for (int spin = 0; spin < SPINS && busy_ > 0; spin++) pause();
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  /** More would wait for memory, not for a processor. */
  static constexpr int64_t MAX_THREADS = 8;
  /** About 50 us: the jobs of a step follow each other faster than a thread falls asleep and wakes up. */
  static constexpr int SPINS = 1000;

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
  }

  /** @returns how many there are of the wanted ones: a limit of the system may forbid more */
  int64_t start(int64_t wanted) {
    try {
      for (; started_ < wanted; started_++) std::thread([this] { help(); }).detach();
    } catch (const std::system_error&) {
    }
    return std::min(started_, wanted);
  }

  void help() {
    uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < SPINS && job_ == seen; spin++) pause();
      std::unique_lock<std::mutex> lock(mutex_);
      begun_.wait(lock, [&] { return job_ != seen; });
      seen = job_;
      if (places_ == 0) continue;
      places_--;
      busy_++;
      lock.unlock();
      takePieces();
      lock.lock();
      if (--busy_ == 0) ended_.notify_one();
    }
  }

  void takePieces() {
    for (int64_t piece; (piece = next_++) < pieces_;) (*work_)(piece);
  }

  /** Held by the thread that calls. */
  std::mutex turn_;
  int64_t started_ = 0;
  int64_t pieces_ = 0;
  const std::function<void(int64_t)>* work_ = nullptr;
  std::atomic<int64_t> next_{0};

  /** Of the three below, and of what a thread reads of a job after it took a place. */
  std::mutex mutex_;
  std::condition_variable begun_, ended_;
  int64_t places_ = 0;
  std::atomic<uint64_t> job_{0};
  std::atomic<int64_t> busy_{0};
};
