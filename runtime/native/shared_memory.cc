#include "shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace locus {

namespace {
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

/// Null where the kernel refuses.
uint8_t* MapShared(int fd, size_t offset, size_t bytes, int protection) {
  void* data = mmap(nullptr, bytes, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  return data == MAP_FAILED ? nullptr : static_cast<uint8_t*>(data);
}

Descriptor CreateMemory(const char* name, size_t bytes) {
  Descriptor file(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return {};
  return file;
}

bool Seal(const Descriptor& file, int seals) {
  return fcntl(file.get(), F_ADD_SEALS, seals) == 0;
}

}  // namespace

void Descriptor::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void Mapping::Unmap() {
  if (data_ != nullptr) munmap(data_, bytes_);
  data_ = nullptr;
  bytes_ = 0;
}

Mapping Mapping::Map(int fd, size_t offset, size_t bytes) {
  uint8_t* data = MapShared(fd, offset, bytes, PROT_READ | PROT_WRITE);
  return data == nullptr ? Mapping() : Mapping(data, bytes);
}

Mapping Mapping::MapForReading(int fd, size_t bytes) {
  uint8_t* data = MapShared(fd, 0, bytes, PROT_READ);
  return data == nullptr ? Mapping() : Mapping(data, bytes);
}

Mapping Mapping::MapTwice(int fd, size_t offset, size_t bytes) {
  void* reserved = mmap(nullptr, bytes * 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserved == MAP_FAILED) return {};
  auto* base = static_cast<uint8_t*>(reserved);
  for (int copy = 0; copy < 2; copy++) {
    void* piece = mmap(base + copy * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                       static_cast<off_t>(offset));
    if (piece == MAP_FAILED) {
      munmap(base, bytes * 2);
      return {};
    }
  }
  return {base, bytes * 2};
}

Descriptor CreateSealedMemory(const char* name, size_t bytes) {
  Descriptor file = CreateMemory(name, bytes);
  if (!file.valid() || !Seal(file, kSeals)) return {};
  return file;
}

Descriptor CreateMemoryForReaders(const char* name, size_t bytes, Mapping* writable) {
  Descriptor file = CreateMemory(name, bytes);
  if (!file.valid()) return {};
  Mapping mapping = Mapping::Map(file.get(), 0, bytes);
  if (mapping.data() == nullptr || !Seal(file, kSeals | F_SEAL_FUTURE_WRITE)) return {};
  *writable = std::move(mapping);
  return file;
}

std::optional<size_t> SealedMemoryBytes(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return std::nullopt;
  struct stat status = {};
  if (fstat(fd, &status) != 0 || status.st_size <= 0) return std::nullopt;
  return static_cast<size_t>(status.st_size);
}

void DropPages(int fd, size_t offset, size_t bytes) {
  fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(bytes));
}

size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace locus
