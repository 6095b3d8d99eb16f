// Nodes that take calls off this server's hands: LOCUS.NODE ATTACH, TAKE, GIVE, DETACH. LOCUS.CALL hands a
// call over where the plan says compute; whatever then happens to the node, the call has one answer: from the
// node, from here, or a typed error.
//
// An attachment is some connections of one node, which has shown the same secret on each. Some take and give:
// it ends with the first of these that closes, since who lost one may have lost what was said on it. What it
// had not taken runs here then, and so does what it had taken and not asked to write for. Of the rest nobody
// can say what it wrote: that fails. The others speak, each for its user in its database, and say nothing:
// with one that closes no more calls of that user come.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "redis_api.h"
#include "reply.h"
#include "supervisor.h"
#include "timers.h"
#include "wanted_users.h"

namespace locus {

struct PendingCall;

/// Chosen, not measured, all of them.
constexpr size_t kNodesMax = 64;
constexpr size_t kConnectionsPerNodeMax = 16;
/// Calls that one node has been handed and not given back, and the bytes of keys and args of all such calls.
constexpr size_t kHandedPerNodeMax = 1'024;
constexpr size_t kHandedBytesMax = 64 << 20;
/// Calls in the answer to one TAKE.
constexpr int64_t kTakenAtOnceMax = 256;
constexpr int64_t kTakeTimeoutMsMax = 60'000;
/// A node tells of a deadline itself, with what was used until then; after this it is told here.
constexpr int64_t kGiveGraceMs = 50;

/// Why a call that belongs on the compute side was not handed over.
enum class NotHanded { kNoNode, kUser, kDatabase, kFull, kCount };

struct HandedCounters {
  uint64_t handed = 0;
  uint64_t returned = 0;  ///< with what the function came to, or with its error
  uint64_t taken_back =
      0;  ///< to run here: not taken in time, given back, or the node left or was lost before it took it
  uint64_t run_again = 0;  ///< here, after a node was lost that had taken it and had not asked to write
  uint64_t lost = 0;       ///< with a node that had taken it and had asked to write
  uint64_t overdue = 0;    ///< past their deadlines, and the node has not said so
  std::array<uint64_t, static_cast<size_t>(NotHanded::kCount)> not_handed = {};
};

/// Main thread only.
class AttachedNodes {
 public:
  explicit AttachedNodes(Timers* timers) : timers_(timers) {}

  /// `speaks`: for its user in its database, instead of taking and giving.
  Failure Attach(RedisModuleCtx* context, std::string_view id, std::string_view secret, bool speaks);
  /// The attachment of this connection gets nothing more. How many calls it has still to give.
  Failure Detach(RedisModuleCtx* context, int64_t* out);
  /// Replies calls, cancellations and wanted users, at once or when there are some.
  int Take(RedisModuleCtx* context, int64_t max, int64_t timeout_ms);
  /// Whether the node that this connection belongs to has that call: not any more where nobody waits for it.
  Failure CheckTaken(RedisModuleCtx* context, uint64_t call_id, bool* taken);
  /// The call that was taken is about to send its first write: from here on it runs nowhere else.
  void NoteWrites(uint64_t call_id);
  bool HasAskedToWrite(uint64_t call_id) const;
  /// What became of a call that was taken.
  void Give(uint64_t call_id, Outcome&& outcome);
  /// The node could not run it, and nothing of it ran: it runs here.
  void TakeBack(uint64_t call_id);
  /// The connection, if it is an attached one, speaks for this user now.
  void ChangeUser(RedisModuleCtx* context, std::string_view user);

  /// Whether a node that may act for its caller has room.
  bool MayHand(const PendingCall& call) const;
  /// Hands the call to the node that has fewest of those that may act for its caller. False: it has to run
  /// here.
  bool Hand(PendingCall* call);
  /// Nobody waits for it any more.
  void Cancel(PendingCall* call);
  /// Calls that were handed over and not given back.
  size_t out() const { return handed_.size(); }
  size_t count() const { return nodes_.size(); }
  /// Of those, the ones that overflow.
  size_t overflowing() const { return overflowing_; }

  /// Any client, not only one of a node.
  void OnClosing(uint64_t client_id);

  struct State {
    size_t nodes = 0;
    size_t waiting = 0;
    size_t taken = 0;
    HandedCounters counters;
  };
  State state() const;

 private:
  /// For whom a connection was opened, as it has shown by authenticating or acting: functions run with these
  /// rights in this database.
  struct Connection {
    std::string user;
    int db = 0;
    bool speaks = false;
  };
  /// A client that waits; a timer of ours keeps its time, as in sample_windows.h.
  struct Taker {
    RedisModuleBlockedClient* client = nullptr;
    Timers::Id timer;
    int64_t max = 0;
  };
  struct Node {
    std::string id;
    std::string secret;
    std::map<uint64_t, Connection> connections;  ///< by the client's id
    std::set<uint64_t> waiting;                  ///< calls that it has not taken, the oldest first
    std::set<uint64_t> taken;
    std::vector<uint64_t> cancelled;  ///< of those that it had taken, to be told
    std::deque<Taker> takers;
    uint64_t told = 0;     ///< of the wanted users: all up to this number
    bool silent = false;   ///< let a call wait for too long, and has not taken since
    bool leaving = false;  ///< wants no more
    bool gone = false;
  };
  using SharedNode = std::shared_ptr<Node>;
  struct Handed {
    PendingCall* call = nullptr;
    SharedNode node;
    int64_t patience_end_ns = 0;  ///< when it runs here, if it has not been taken
    Timers::Id timer;             ///< for that, then for its deadline
    size_t bytes = 0;
  };
  /// What a TAKE that is answered later takes along.
  struct Taking {
    SharedNode node;
    int64_t max = 0;
  };

  static int OnTaken(RedisModuleCtx* context, RedisModuleString** argv, int argc);
  static void OnTakenDone(RedisModuleCtx* context, void* taking);
  static void OnTakerGone(RedisModuleCtx* context, RedisModuleBlockedClient* client);

  void OnTakerTimeout(const RedisModuleBlockedClient* client);
  void OnDue(uint64_t id);
  SharedNode NodeOf(RedisModuleCtx* context) const;
  SharedNode Choose(const PendingCall& call, NotHanded* why) const;
  /// Has all nodes told that one might act for the caller.
  void Want(const PendingCall& call);
  int ReplyTaken(RedisModuleCtx* context, Node& node, int64_t max);
  void ReplyCall(RedisModuleCtx* context, uint64_t id, const PendingCall& call);
  /// The taker, out of its node's list; no client where it has been answered.
  Taker RemoveTaker(const RedisModuleBlockedClient* client, SharedNode* node);
  void Wake(const SharedNode& node);
  void SetDue(uint64_t id, Handed& handed, int64_t due_ns);
  /// Out of all lists; the call is the caller's to answer or to run.
  PendingCall* Release(uint64_t id);
  void TakeBackWaiting(Node& node);
  /// What waits for a node that does not speak for its caller any more.
  void TakeBackUnspoken(Node& node);
  void End(const SharedNode& node);

  Timers* const timers_;
  std::map<std::string, SharedNode, std::less<>> nodes_;
  std::unordered_map<uint64_t, SharedNode> by_client_;
  std::unordered_map<uint64_t, Handed> handed_;
  size_t handed_bytes_ = 0;
  size_t overflowing_ = 0;  ///< of what is handed, calls that overflow
  uint64_t next_id_ = 0;
  HandedCounters counters_;
  WantedUsers wanted_;
};

}  // namespace locus
