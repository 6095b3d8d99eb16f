// A supervisor's owner for tests, with the scripted host (test/fixtures/native/scripted_host.cc): serves
// operations as the keyspace service does, and polls on a thread of the test's.
#pragma once

#include <poll.h>

#include <atomic>
#include <memory>
#include <string>

#include "frames.h"
#include "supervisor.h"

namespace locus {

inline SupervisorOptions OptionsOf(const char* host) {
  SupervisorOptions options;
  options.command.launcher_path = host;
  options.isolates_max = 4;
  options.queue_length_max = 64;
  options.operation_rings = true;
  options.writes_are_tracked = true;
  options.on_log = [](std::string_view, std::string_view, uint64_t) {};
  return options;
}

/// Answers each operation of a round with its number.
inline void Serve(Supervisor& supervisor) {
  supervisor.ForEachReadyOperations([&](Place place, HostLane& lane) {
    Frame frame;
    while (lane.operations.Read(&frame)) {
      RoundHeader header;
      std::string_view commands = frame.payload;
      const bool torn = !TakeRoundHeader(&commands, &header) || header.count > 1000;
      std::string replies;
      if (!torn) {
        replies.append(reinterpret_cast<const char*>(&header), sizeof header);
        for (uint32_t i = 0; i < header.count; i++) replies += ":" + std::to_string(i) + "\r\n";
      }
      const uint64_t id = frame.id;
      lane.operations.Release();
      if (torn) return supervisor.CondemnHost(place.host, "sent a torn round");
      if (supervisor.FindInFlight(id, place) != nullptr)
        lane.replies.Write(static_cast<uint16_t>(Operations::kReplies), id, replies);
    }
    lane.replies.Flush();
    lane.Ring();
  });
}

/// The owner's thread, as a node and the module have it.
inline void Own(Supervisor& supervisor, const std::atomic<bool>& over) {
  while (!over.load()) {
    const bool worked = supervisor.Poll();
    Serve(supervisor);
    int64_t next_ns = 0;
    if (worked || !supervisor.PrepareSleep(&next_ns)) continue;
    pollfd waits = {supervisor.descriptor(), POLLIN, 0};
    poll(&waits, 1, 5);
    supervisor.CancelSleep();
  }
  supervisor.Close(Code::SIDE_UNAVAILABLE, "over");
}

inline std::shared_ptr<FunctionImage> ImageOf(const std::string& version,
                                              const std::string& bundle = "script") {
  auto image = std::make_shared<FunctionImage>();
  image->name = "script";
  image->version = version;
  image->bundle = bundle;
  image->limits.concurrency = 1;
  return image;
}

}  // namespace locus
