#include "change_log.h"

#include <charconv>
#include <random>

namespace locus {

namespace {

/// Random, since a server that is started again must not accept cursors of its earlier life.
std::string NewId() {
  std::random_device random;
  const uint64_t number = (uint64_t{random()} << 32) | random();
  return std::to_string(number);
}

}  // namespace

ChangeLog::ChangeLog() : id_(NewId()) {}

void ChangeLog::Note(const std::string& name) {
  uint64_t& number = numbers_[name];
  changes_.erase(number);
  number = ++last_;
  changes_.emplace(number, name);
}

void ChangeLog::NoteDeleted(const std::string& name) {
  Note(name);
  deletions_.push_back(last_);
  if (deletions_.size() <= kDeletionsKept) return;
  const auto oldest = changes_.find(deletions_.front());
  deletions_.pop_front();
  if (oldest == changes_.end()) return;
  forgotten_ = oldest->first;
  numbers_.erase(oldest->second);
  changes_.erase(oldest);
}

uint64_t ChangeLog::NumberOf(std::string_view cursor) const {
  if (!cursor.starts_with(id_) || !cursor.substr(id_.size()).starts_with('-')) return 0;
  const std::string_view text = cursor.substr(id_.size() + 1);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool read = error == std::errc() && end == text.data() + text.size();
  return read && number >= forgotten_ && number <= last_ ? number : 0;
}

}  // namespace locus
