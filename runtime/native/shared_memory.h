// Memory files that two processes share: sealed memfds, mapped whole (headers) and in double-mapped pieces
// (ring data). Used by the supervisor (which creates them) and by the sandbox host (which only gets a
// descriptor).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace locus {

/// An owned file descriptor; -1 when empty. Closed by the destructor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset();

 private:
  int fd_ = -1;
};

/// A mapping of shared memory; unmapped by the destructor. Empty when `data() == nullptr`.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      Unmap();
      data_ = std::exchange(other.data_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { Unmap(); }

  /// `bytes` of the file from `offset` (both multiples of the page size), readable and writable.
  static Mapping Map(int fd, size_t offset, size_t bytes);
  /// The first `bytes` of the file, to be read alone.
  static Mapping MapForReading(int fd, size_t bytes);
  /// The same bytes twice in a row, so that any `bytes` long window that begins in the first copy is
  /// contiguous.
  static Mapping MapTwice(int fd, size_t offset, size_t bytes);

  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  Mapping(uint8_t* data, size_t bytes) : data_(data), bytes_(bytes) {}
  void Unmap();

  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

/// A memory file of exactly `bytes`, sealed against shrinking, growing and further seals: a holder of the
/// descriptor cannot truncate it under the other process (which would end that one by SIGBUS). Invalid when
/// the kernel refuses.
Descriptor CreateSealedMemory(const char* name, size_t bytes);

/// The same, mapped into `writable`: nobody, whoever holds the descriptor, can map it for writing after that.
Descriptor CreateMemoryForReaders(const char* name, size_t bytes, Mapping* writable);

/// Size of the memory file when it is sealed as `CreateSealedMemory` does; nothing otherwise.
std::optional<size_t> SealedMemoryBytes(int fd);

/// Gives the pages of a part of a memory file back to the kernel (both multiples of the page size): it is zeros again.
void DropPages(int fd, size_t offset, size_t bytes);

size_t PageBytes();

}  // namespace locus
