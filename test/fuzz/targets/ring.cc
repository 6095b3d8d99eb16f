// A ring whose other end does what it likes: positions, headers, and bytes that are something else a moment
// later. Our ends stay within the ring and within their bounds; between two honest ends every frame comes
// through.
#include "ring.h"

#include <deque>

#include "shared_memory.h"
#include "target.h"

namespace locus {
namespace {

constexpr uint64_t kFrameBytesMax = 16 * 1024;

struct Shared {
  uint64_t capacity = PageBytes();
  Descriptor file = CreateSealedMemory("fuzz", capacity);
  Mapping data = Mapping::MapTwice(file.get(), 0, capacity);
  RingWords words = {};

  RingView Begin() {
    words.produced = words.consumed = 0;
    words.producer_waits = 0;
    std::memset(data.data(), 0, capacity);
    return {&words, data.data(), capacity};
  }
};

struct Sent {
  uint16_t kind;
  uint64_t id;
  std::string payload;
};

}  // namespace
}  // namespace locus

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  static Shared shared;
  const RingView view = shared.Begin();
  RingProducer producer(view);
  RingConsumer consumer(view, kFrameBytesMax);
  std::deque<Sent> sent;
  bool honest = true;
  uint64_t written = 0;
  for (Input input(data, size); !input.empty();) {
    switch (input.Take<uint8_t>() % 8) {
      case 0:
      case 1: {
        const auto kind = input.Take<uint8_t>();
        const std::string payload(input.Take<uint16_t>() % kFrameBytesMax, static_cast<char>(kind));
        sent.push_back({kind, written, payload});
        producer.Write(kind, written++, payload.substr(0, payload.size() / 2),
                       std::string_view(payload).substr(payload.size() / 2));
        break;
      }
      case 2:
      case 3: {
        Frame frame;
        while (consumer.Read(&frame)) {
          EXPECT(frame.payload.size() <= kFrameBytesMax);
          std::string copy(frame.payload);
          if (honest) {
            EXPECT(!sent.empty() && frame.kind == sent.front().kind && frame.id == sent.front().id &&
                   copy == sent.front().payload);
            sent.pop_front();
          }
          consumer.Release();
        }
        break;
      }
      case 4:
        producer.Flush();
        break;
      case 5:
        honest = false;
        view.words->produced.store(view.words->consumed.load() + input.Take<uint16_t>());
        break;
      case 6:
        honest = false;
        (input.Take<uint8_t>() % 2 == 0 ? view.words->produced : view.words->consumed)
            .store(input.Take<uint64_t>());
        break;
      case 7: {
        honest = false;
        const std::string_view bytes = input.TakeText();
        std::memcpy(view.data + view.words->consumed.load() % view.capacity, bytes.data(), bytes.size());
        break;
      }
    }
    if (honest) EXPECT(!producer.broken() && !consumer.broken());
  }
  if (!honest) return 0;
  Frame frame;
  while (!sent.empty()) {
    producer.Flush();
    while (consumer.Read(&frame)) {
      EXPECT(frame.payload == sent.front().payload);
      sent.pop_front();
      consumer.Release();
    }
  }
  return 0;
}
