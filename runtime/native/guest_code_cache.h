// V8's code for bundles that have been loaded in this process, so that the next isolate of a version does not compile
// it again. Made by V8 alone, by this very process: nothing of it ever comes from outside.
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
  static CodeCache& Get();

  /// Null: there is none. V8 itself checks it against its version and flags, and the code's length.
  std::shared_ptr<const std::string> Find(const std::string& version);
  /// Whether code of an isolate would say more than what is there. `has_run`: it has answered calls.
  bool Wants(const std::string& version, bool has_run);
  /// The least recently used make room.
  void Keep(const std::string& version, std::string code, bool has_run);
  void Drop(const std::string& version);

 private:
  struct Entry {
    std::string version;
    std::shared_ptr<const std::string> code;
    bool has_run = false;  ///< with what its calls compiled
  };

  std::mutex mutex_;
  std::list<Entry> entries_;  ///< the most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_version_;
  size_t bytes_ = 0;
};

}  // namespace locus
