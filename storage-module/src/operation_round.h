// One round of an invocation: a batch of commands that its isolate put on the ring. It is copied out of
// shared memory first, since the host can change what lies there after it was checked; then parsed and held
// against the command table. All of that happens without Redis' lock.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command_table.h"
#include "supervisor.h"

namespace locus {

struct Operation {
  uint32_t first_word = 0;
  uint32_t word_count = 0;
  /// Null where the operation is refused.
  const CommandRule* rule = nullptr;
};

class OperationRound {
 public:
  /// False when the payload is not what a host of this version sends: the host is not to be trusted any more.
  bool Read(uint64_t invocation, Place place, std::string_view payload);

  uint64_t invocation() const { return invocation_; }
  Place place() const { return place_; }
  uint32_t number() const { return number_; }
  /// What it holds of the module's memory.
  size_t bytes() const {
    return bytes_.capacity() + words_.capacity() * sizeof(std::string_view) +
           operations_.capacity() * sizeof(Operation);
  }

  bool finished() const { return next_ == operations_.size(); }
  const Operation& next() const { return operations_[next_]; }
  std::span<const std::string_view> words(const Operation& operation) const {
    return std::span(words_).subspan(operation.first_word, operation.word_count);
  }
  /// What follows `COMMANDREFUSED ` for one without a rule. Found again when it is asked for: a round of
  /// nothing but such would hold many times its own bytes.
  std::string refusal(const Operation& operation) const { return CheckOperation(words(operation))->message; }
  void Advance() { next_++; }

  /// Which start of the invocation sent it (`InFlight::starts`): one that is run again after its host ended
  /// has nothing to do with what it sent before.
  uint32_t start = 0;
  /// Bytes of its replies so far.
  uint64_t reply_bytes = 0;
  /// The next round of the same invocation, which waits for this one.
  OperationRound* follower = nullptr;

 private:
  bool ReadCommand(size_t* cursor);

  uint64_t invocation_ = 0;
  Place place_;
  uint32_t number_ = 0;
  std::string bytes_;
  std::vector<std::string_view> words_;
  std::vector<Operation> operations_;
  size_t next_ = 0;
};

}  // namespace locus
