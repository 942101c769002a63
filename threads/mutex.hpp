// Locks that the compiler checks: clang's thread-safety analysis (`-Wthread-safety`, an error in
// `make check`) refuses a member that is said to be guarded and is touched without its lock.
//
//   struct {
//     Mutex mutex;
//     Table table WG_GUARDED_BY(mutex);
//   } by_index_;
//   …
//   const Lock lock(by_index_.mutex);
//   by_index_.table.clear();
//
// A private function that is called with the lock held says so: `void take() WG_REQUIRES(mutex_)`.
// What the analysis cannot follow (the gate's locks, of which there are as many as workers) is kept
// by types instead: see device/batch_gate.hpp.
//
// The order of locks, from the first to the last that a thread may take; none is taken while one
// behind it is held, and no two of one row at a time (but a connection's reading side, and then its
// writing side):
//
//   1  the gate: a worker's slot, or all of them (device/batch_gate.hpp)
//   2  a timer wheel (device/timer_wheel.hpp)
//   3  a peer's endpoint and staged packets (device/peer.hpp)
//   4  the tables of a bind, then a listener, or a connection's reading and writing side (conn/)
//   5  a session's keypairs and timers; a cookie jar; the cookie secrets (protocol/)
//   6  a stripe of the index table; the endpoints in use; admission; a pipeline (device/)
//   7  the key log, the log
#pragma once

#include <mutex>

#if defined(__clang__)
#define WG_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define WG_THREAD_ANNOTATION(x)
#endif

#define WG_GUARDED_BY(mutex) WG_THREAD_ANNOTATION(guarded_by(mutex))
#define WG_REQUIRES(...) WG_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define WG_EXCLUDES(...) WG_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace wg {

class WG_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void lock() WG_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() WG_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  [[nodiscard]] bool try_lock() WG_THREAD_ANNOTATION(try_acquire_capability(true)) {
    return mutex_.try_lock();
  }

 private:
  std::mutex mutex_;
};

/// Holds a mutex while it lives; may let go of it in between.
class WG_THREAD_ANNOTATION(scoped_lockable) Lock {
 public:
  explicit Lock(Mutex& mutex) WG_THREAD_ANNOTATION(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() WG_THREAD_ANNOTATION(release_capability()) {
    if (held_) mutex_.unlock();
  }
  void unlock() WG_THREAD_ANNOTATION(release_capability()) {
    mutex_.unlock();
    held_ = false;
  }
  void lock() WG_THREAD_ANNOTATION(acquire_capability()) {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

}  // namespace wg
