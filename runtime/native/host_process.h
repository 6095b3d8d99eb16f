// One sandbox host process as its supervisor holds it: the memory file, the rings' supervisor ends, the
// process itself. Started through the launcher by posix_spawn (a fork would copy a large Redis' page tables);
// killed, never asked.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lane.h"

namespace locus {

/// How to start a host: the launcher, Node, and the host program.
struct HostCommand {
  std::string launcher_path;
  std::string node_path;
  std::string program_path;
  /// Whether the launcher takes away what the host must not have.
  bool confine = true;
  /// By how much it is nicer than whoever starts it, 0 … 19.
  int nice = 0;
  /// Further arguments for the host program.
  std::vector<std::string> arguments;
};

/// The supervisor's ends of one lane's rings.
struct HostLane {
  /// Its rings are mapped: an isolate is there, or is being opened. Set by whoever opens one, and looked at by who
  /// serves operations.
  std::atomic<bool> open{false};
  LaneRings rings;
  RingProducer to_isolate;
  RingConsumer from_isolate;
  RingConsumer operations;
  RingProducer replies;
  std::span<const int> bells;  ///< eventfds of isolates that sleep in poll (compute side)

  bool Ring() { return locus::Ring(&rings.words->isolate_bell, bells); }
};

class HostProcess {
 public:
  HostProcess() = default;
  ~HostProcess() { Kill(); }
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  /// What a host has of its supervisor.
  struct Shape {
    uint32_t lanes = 0;
    /// Storage: data by ring.
    bool operation_rings = false;
    /// With operation rings: the descriptor of a read cache for it (read_cache.h); -1: none.
    int read_cache = -1;
    /// Otherwise: sockets that its isolates read, each at most one at a time.
    uint32_t connections = 0;
  };
  /// Starts a host, once. Empty on success, else what went wrong. Takes milliseconds.
  std::string Start(const HostCommand& command, const Shape& shape);
  /// Ends it with SIGKILL and lets everything go. Idempotent.
  void Kill();
  /// Ends it with SIGKILL, and nothing else: its memory can still be looked at.
  void Stop();

  bool alive() const { return pid_ > 0; }
  int pid() const { return pid_; }
  /// CPU time of all its threads; of one that has ended what it had then, as far as it was still to be read. 0:
  /// never started, or the machine does not tell. Never falls.
  uint64_t cpu_us();
  uint32_t lane_count() const { return static_cast<uint32_t>(lanes_.size()); }
  HostLane& lane(uint32_t index) { return lanes_[index]; }
  const HostLane& lane(uint32_t index) const { return lanes_[index]; }
  /// Maps the rings of a lane that nobody uses: an isolate and we begin anew, whatever the last one left. False when
  /// the kernel refuses.
  bool OpenLane(uint32_t index);
  /// Gives back what a lane took. Nobody uses it any more.
  void CloseLane(uint32_t index);
  HostHeader* header() const { return reinterpret_cast<HostHeader*>(memory_map_.data()); }

  /// Readable after the host rang the supervisor's bell. Watched edge-triggered and never read: the host
  /// holds it too, and could make a read block.
  int bell_descriptor() const { return bell_.get(); }
  /// Readable when the process is gone.
  int pid_descriptor() const { return pidfd_.get(); }
  /// The host's stdout and stderr; non-blocking.
  int output_descriptor() const { return output_.get(); }

  /// Whole lines of what the host has written, each at most 4 KiB. False when there is more than `bytes_max`:
  /// a host that writes faster than it is read waits.
  bool ReadOutput(size_t bytes_max, const std::function<void(std::string_view)>& on_line);
  /// Reaps the process if it is gone; describes how it ended ("signal 11", "exit code 1"). Empty while it
  /// lives.
  std::string Reap();
  /// `message`: a DescriptorHeader and its texts. False when the host cannot take it now.
  bool SendDescriptor(std::string_view message, int fd);

 private:
  static void ReapLater(int pid);

  int pid_ = 0;
  bool reaped_ = false;  ///< its number may be another process'
  uint64_t cpu_us_ = 0;  ///< as last read
  Descriptor memory_, bell_, pidfd_, output_, control_socket_;
  Mapping memory_map_;
  HostLayout layout_;
  std::vector<HostLane> lanes_;
  std::vector<Descriptor> lane_bells_;
  std::vector<int> lane_bell_numbers_;  ///< the same descriptors
  std::string output_buffer_;
};

}  // namespace locus
