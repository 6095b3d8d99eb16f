// Two ends of a ring on two threads. `honest`: everything that is written is read, in order, whatever the
// sizes; for ThreadSanitizer. `liar`: a third thread changes bytes and positions all the time; the consumer
// reads on, or finds the ring broken, and stays within its bounds; for AddressSanitizer, since races are the
// point.
#include "ring.h"

#include <sched.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>

#include "bell.h"
#include "expect.h"
#include "shared_memory.h"

namespace {

using locus::Frame;
using locus::RingConsumer;
using locus::RingProducer;

constexpr uint64_t kFrameBytesMax = 64 * 1024;

struct Memory {
  uint64_t capacity = locus::PageBytes();
  locus::Descriptor file = locus::CreateSealedMemory("ring-test", capacity);
  locus::Mapping data = locus::Mapping::MapTwice(file.get(), 0, capacity);
  locus::RingWords words = {};

  locus::RingView view() { return {&words, data.data(), capacity}; }
};

/// Mostly small ones, now and then one that streams.
size_t SizeOf(uint64_t id) {
  std::minstd_rand random(static_cast<uint32_t>(id) + 1);
  random.discard(3);
  return random() % 64 == 0 ? random() % kFrameBytesMax : random() % 200;
}

char ByteOf(uint64_t id) {
  return static_cast<char>('a' + id % 26);
}

void EverythingComesThroughInOrder() {
  constexpr uint64_t kFrames = 20'000;
  Memory memory;
  // Both ends are there before either thread.
  RingProducer producer(memory.view());
  RingConsumer consumer(memory.view(), kFrameBytesMax);
  locus::BellWord bell = {};
  std::thread writer([&] {
    for (uint64_t id = 0; id < kFrames; id++) {
      const std::string payload(SizeOf(id), ByteOf(id));
      producer.Write(static_cast<uint16_t>(id % 7), id, payload);
      locus::Ring(&bell, {});
      while (!producer.Flush()) {
        locus::Ring(&bell, {});
        sched_yield();
      }
    }
    locus::Ring(&bell, {});
  });
  uint64_t next = 0;
  while (next < kFrames) {
    Frame frame;
    while (consumer.Read(&frame)) {
      const bool right = frame.id == next && frame.kind == next % 7 && frame.payload.size() == SizeOf(next) &&
                         frame.payload.find_first_not_of(ByteOf(next)) == std::string_view::npos;
      EXPECT(right);
      if (!right) std::abort();
      next++;
      consumer.Release();
    }
    locus::AnnounceSleep(&bell, locus::Sleep::kOnFutex);
    if (next < kFrames && consumer.empty()) {
      locus::SleepOnFutex(&bell, locus::NowNs() + 1'000'000);
    } else {
      locus::CancelSleep(&bell);
    }
  }
  writer.join();
  EXPECT(consumer.empty() && !consumer.broken() && !producer.broken());
}

/// Who sleeps while there is nothing to look at sleeps until more of it comes.
void APartOfAFrameIsNothingToLookAt() {
  Memory memory;
  RingProducer producer(memory.view());
  RingConsumer consumer(memory.view(), kFrameBytesMax);
  const std::string payload(memory.capacity / 4 * 3, 'x');
  EXPECT(producer.Write(1, 1, payload));
  EXPECT(!producer.Write(1, 2, payload));
  Frame frame;
  EXPECT(!consumer.empty());
  EXPECT(consumer.Read(&frame) && frame.id == 1);
  EXPECT(consumer.Release());
  EXPECT(!consumer.empty());
  EXPECT(!consumer.Read(&frame));
  EXPECT(consumer.empty());
  EXPECT(producer.Flush());
  EXPECT(!consumer.empty());
  EXPECT(consumer.Read(&frame) && frame.id == 2);
  consumer.Release();
  EXPECT(consumer.empty());
  // One that is larger than the ring comes in parts, and each of them is something.
  EXPECT(!producer.Write(1, 3, std::string(3 * memory.capacity, 'y')));
  for (int parts = 0; parts < 3; parts++) {
    EXPECT(!consumer.empty());
    EXPECT(!consumer.Read(&frame));
    EXPECT(consumer.empty());
    producer.Flush();
  }
  EXPECT(!consumer.empty());
  EXPECT(consumer.Read(&frame) && frame.payload.size() == 3 * memory.capacity);
  consumer.Release();
  EXPECT(consumer.empty());
}

void ALiarBreaksNothingButTheRing() {
  constexpr int kRings = 200;
  /// Where nobody gives the liar a core, as many as it takes until it was heard.
  constexpr int kRingsMax = 200'000;
  constexpr int kReads = 2'000;
  Memory memory;
  std::atomic<bool> over{false};
  std::thread liar([&] {
    std::minstd_rand random(1);
    const locus::RingView view = memory.view();
    while (!over.load()) {
      view.data[random() % view.capacity] = static_cast<uint8_t>(random() % 4 == 0 ? random() : 0);
      if (random() % 8 == 0) view.words->produced.fetch_add(random() % 64 * 8);
      if (random() % 4096 == 0) view.words->produced.store(uint64_t{random()} << 32);
      if (random() % 64 == 0) view.words->consumed.fetch_add(8);
    }
  });
  uint64_t read = 0;
  uint64_t broken = 0;
  for (int ring = 0; ring < kRings || ((read == 0 || broken == 0) && ring < kRingsMax); ring++) {
    if (ring >= kRings) sched_yield();
    memory.words.produced.store(0);
    memory.words.consumed.store(0);
    RingConsumer consumer(memory.view(), kFrameBytesMax);
    RingProducer producer(memory.view());
    for (int i = 0; i < kReads && !consumer.broken(); i++) {
      Frame frame;
      if (consumer.Read(&frame)) {
        EXPECT(frame.payload.size() <= kFrameBytesMax);
        const std::string copy(frame.payload);
        read += copy.size() > 0 ? 1 : 0;
        consumer.Release();
      }
      if (!producer.broken() && producer.pending_bytes() < kFrameBytesMax) producer.Write(1, 1, "something");
    }
    broken += consumer.broken() ? 1 : 0;
  }
  over.store(true);
  liar.join();
  // It did lie, and was heard.
  EXPECT(read > 0 && broken > 0);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view which = argc > 1 ? argv[1] : "";
  if (which == "honest") {
    EverythingComesThroughInOrder();
    APartOfAFrameIsNothingToLookAt();
  } else if (which == "liar") {
    ALiarBreaksNothingButTheRing();
  } else {
    return 2;
  }
  return failures == 0 ? 0 : 1;
}
