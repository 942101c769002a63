#include "device/admission.hpp"

namespace wg::device {

std::ostream& operator<<(std::ostream& out, Verdict verdict) {
  switch (verdict) {
    case Verdict::Take:
      return out << "take";
    case Verdict::AskForCookie:
      return out << "ask for a cookie";
    case Verdict::RateLimited:
      return out << "refuse: the rate limit";
    case Verdict::QueueFull:
      return out << "refuse: the queue";
  }
  return out;
}

void Admission::overload_goes_on(protocol::Instant now) noexcept {
  turned_away_.store(0, std::memory_order_relaxed);
  overloaded_until_.store(now + kOverloadLasts, std::memory_order_relaxed);
}

Load Admission::load(protocol::Instant now) noexcept {
  const std::size_t waiting = waiting_.load(std::memory_order_relaxed);
  if (waiting >= kOverloadedAt) overload_goes_on(now);
  if (waiting >= kQueueMax) return Load::QueueFull;
  if (now < overloaded_until_.load(std::memory_order_relaxed)) return Load::Overloaded;
  return waiting < kBusyAt ? Load::Quiet : Load::Busy;
}

Verdict Admission::judge_initiation(Proof proof, std::uint64_t source, protocol::Instant now) {
  const Load current = load(now);
  const auto within = [&] {
    const Lock lock(limits_.mutex);
    return (proof == Proof::Valid ? limits_.proven : limits_.claimed).allow(source, now);
  };
  const auto spare = [&] {
    const Lock lock(limits_.mutex);
    return limits_.spare.allow(now);
  };
  const Verdict verdict = judge(current, proof, within, spare);
  if (verdict == Verdict::Take) waiting_.fetch_add(1, std::memory_order_relaxed);
  // As many as would fill the queue again: they would be taken if the overload ended now.
  if (verdict == Verdict::AskForCookie && current >= Load::Overloaded &&
      turned_away_.fetch_add(1, std::memory_order_relaxed) >= kOverloadedAt) {
    overload_goes_on(now);
  }
  return verdict;
}

bool Admission::may_finish(std::uint64_t source, protocol::Instant now) {
  const Lock lock(limits_.mutex);
  return limits_.proven.allow(source, now);
}

bool Admission::may_reply(protocol::Instant now) {
  const Lock lock(limits_.mutex);
  return limits_.cookie_replies.allow(now);
}

}  // namespace wg::device
