#include "guest_code_cache.h"

#include <utility>

namespace locus {

namespace {

/// Of a small function it is 2 to 4 KiB, of one with large packages some hundred.
constexpr size_t kBundleBytesMax = 32 << 20;
/// Of a usual schema it is 1 to 4 KiB, with the schema.
constexpr size_t kSchemaBytesMax = 8 << 20;

}  // namespace

CodeCache& CodeCache::OfBundles() {
  static CodeCache cache(kBundleBytesMax);
  return cache;
}

CodeCache& CodeCache::OfSchemas() {
  static CodeCache cache(kSchemaBytesMax);
  return cache;
}

std::shared_ptr<const std::string> CodeCache::Find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->code;
}

bool CodeCache::Wants(const std::string& key, bool has_run) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  return found == by_key_.end() || (has_run && !found->second->has_run);
}

void CodeCache::Keep(const std::string& key, std::string code, bool has_run) {
  if (key.size() + code.size() > bytes_max_) return;
  Drop(key);
  const std::lock_guard lock(mutex_);
  bytes_ += key.size() + code.size();
  entries_.push_front({key, std::make_shared<const std::string>(std::move(code)), has_run});
  by_key_[key] = entries_.begin();
  while (bytes_ > bytes_max_) {
    bytes_ -= entries_.back().key.size() + entries_.back().code->size();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

void CodeCache::Drop(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  bytes_ -= key.size() + found->second->code->size();
  entries_.erase(found->second);
  by_key_.erase(found);
}

}  // namespace locus
