#include "guest_code_cache.h"

#include <utility>

namespace locus {

namespace {

/// Of a small function it is 2 to 4 KiB, of one with large packages some hundred.
constexpr size_t kBytesMax = 32 << 20;

}  // namespace

CodeCache& CodeCache::Get() {
  static CodeCache cache;
  return cache;
}

std::shared_ptr<const std::string> CodeCache::Find(const std::string& version) {
  const std::lock_guard lock(mutex_);
  const auto found = by_version_.find(version);
  if (found == by_version_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->code;
}

bool CodeCache::Wants(const std::string& version, bool has_run) {
  const std::lock_guard lock(mutex_);
  const auto found = by_version_.find(version);
  return found == by_version_.end() || (has_run && !found->second->has_run);
}

void CodeCache::Keep(const std::string& version, std::string code, bool has_run) {
  if (code.size() > kBytesMax) return;
  Drop(version);
  const std::lock_guard lock(mutex_);
  bytes_ += code.size();
  entries_.push_front({version, std::make_shared<const std::string>(std::move(code)), has_run});
  by_version_[version] = entries_.begin();
  while (bytes_ > kBytesMax) {
    bytes_ -= entries_.back().code->size();
    by_version_.erase(entries_.back().version);
    entries_.pop_back();
  }
}

void CodeCache::Drop(const std::string& version) {
  const std::lock_guard lock(mutex_);
  const auto found = by_version_.find(version);
  if (found == by_version_.end()) return;
  bytes_ -= found->second->code->size();
  entries_.erase(found->second);
  by_version_.erase(found);
}

}  // namespace locus
