// A bounded number of places, each taken by something that is under way and given back when that
// ends, however it ends: done, refused, or thrown away unseen.
//
// Runs on: any thread.
// Lives: longer than any place of it: whoever holds one keeps the places alive.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

namespace wg::device {

class Places {
 public:
  explicit Places(unsigned most) noexcept : most_(most) {}

  class Place {
   public:
    Place(Place&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (taken_ != nullptr) taken_->fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    friend class Places;
    explicit Place(std::atomic<unsigned>& taken) noexcept : taken_(&taken) {}
    std::atomic<unsigned>* taken_;
  };

  /// None if all are taken.
  [[nodiscard]] std::optional<Place> take() noexcept {
    Place place(taken_);
    if (taken_.fetch_add(1, std::memory_order_relaxed) >= most_) return std::nullopt;
    return place;
  }

 private:
  const unsigned most_;
  std::atomic<unsigned> taken_{0};
};

}  // namespace wg::device
