// What isolates of this process have compiled, so that the next one does not compile it again: V8's code of bundles, by
// version; and the code that checks values, by schema. All of it was made here: nothing ever comes from outside.
#pragma once

#include <v8.h>

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace locus {

class CodeCache {
 public:
  static CodeCache& OfBundles();
  static CodeCache& OfSchemas();

  /// Null: there is none. V8 itself checks it against its version and flags, and the code's length.
  std::shared_ptr<const std::string> Find(const std::string& key);
  /// Whether code of an isolate would say more than what is there. `has_run`: it has answered calls.
  bool Wants(const std::string& key, bool has_run);
  /// The least recently used make room.
  void Keep(const std::string& key, std::string code, bool has_run);
  void Drop(const std::string& key);

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const std::string> code;
    bool has_run = false;  ///< with what its calls compiled
  };

  explicit CodeCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  const size_t bytes_max_;
  std::mutex mutex_;
  std::list<Entry> entries_;  ///< the most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
  size_t bytes_ = 0;
};

}  // namespace locus
