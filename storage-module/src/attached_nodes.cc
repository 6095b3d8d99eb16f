#include "attached_nodes.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cctype>

#include "bell.h"
#include "module.h"

namespace locus {

namespace {

constexpr size_t kNodeIdBytesMax = 128;
constexpr size_t kSecretBytesMin = 16;
constexpr size_t kSecretBytesMax = 128;

bool IsNodeId(std::string_view id) {
  return !id.empty() && id.size() <= kNodeIdBytesMax && std::ranges::all_of(id, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
  });
}

bool IsSame(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

std::string UserOf(RedisModuleCtx* context) {
  RedisModuleString* name = redis::GetCurrentUserName(context);
  std::string user(TextOf(name));
  redis::FreeString(context, name);
  return user;
}

Failure NotAttached() {
  return {Code::REQUEST_INVALID, "this connection is not attached: LOCUS.NODE ATTACH comes first"};
}

size_t BytesOf(const PendingCall& call) {
  size_t bytes = call.arguments.args.size() + call.known.size();
  for (const std::string& key : call.arguments.keys) bytes += sizeof(uint32_t) + key.size();
  return bytes;
}

}  // namespace

// ---- Attachments

Failure AttachedNodes::Attach(RedisModuleCtx* context, std::string_view id, std::string_view secret,
                              bool speaks) {
  if (!IsNodeId(id))
    return {Code::REQUEST_INVALID, "the node's id is " + Shown(id) + ", must have 1 to " +
                                       std::to_string(kNodeIdBytesMax) + " letters, digits and any of -_.:"};
  if (secret.size() < kSecretBytesMin || secret.size() > kSecretBytesMax)
    return {Code::REQUEST_INVALID, "the secret must have " + std::to_string(kSecretBytesMin) + " to " +
                                       std::to_string(kSecretBytesMax) + " bytes"};
  const auto found = nodes_.find(id);
  if (found != nodes_.end() && !IsSame(found->second->secret, secret))
    return {Code::REQUEST_INVALID,
            "a node " + Shown(id) + " is attached with another secret: ids must differ"};
  // Who speaks keeps no attachment alive: it might be one that has ended meanwhile.
  if (found == nodes_.end() && speaks)
    return {Code::REQUEST_INVALID,
            "no node " + Shown(id) + " is attached: its connections that take and give come first"};
  const SharedNode attached = NodeOf(context);
  if (attached != nullptr && (found == nodes_.end() || found->second != attached))
    return {Code::REQUEST_INVALID, "this connection is attached as " + Shown(attached->id) + " already"};
  if (found == nodes_.end() && nodes_.size() >= kNodesMax)
    return {Code::OVERLOADED, std::to_string(kNodesMax) + " nodes are attached already, their most"};
  if (attached == nullptr && found != nodes_.end() &&
      found->second->connections.size() >= kConnectionsPerNodeMax)
    return {Code::OVERLOADED, "the node has attached " + std::to_string(kConnectionsPerNodeMax) +
                                  " connections already, their most"};
  SharedNode node = found != nodes_.end() ? found->second : std::make_shared<Node>();
  if (found == nodes_.end()) {
    node->id = id;
    node->secret = secret;
    nodes_.emplace(id, node);
  }
  const uint64_t client = redis::GetClientId(context);
  const Connection& connection =
      node->connections[client] = {UserOf(context), redis::GetSelectedDb(context), speaks};
  if (speaks) wanted_.Forget(connection.user, connection.db);
  by_client_[client] = std::move(node);
  return {};
}

Failure AttachedNodes::Detach(RedisModuleCtx* context, int64_t* out) {
  const SharedNode node = NodeOf(context);
  if (node == nullptr) return NotAttached();
  node->leaving = true;
  TakeBackWaiting(*node);
  // Who waits learns that there is nothing to wait for but cancellations.
  while (!node->takers.empty()) Wake(node);
  *out = static_cast<int64_t>(node->taken.size());
  return {};
}

void AttachedNodes::ChangeUser(RedisModuleCtx* context, std::string_view user) {
  const SharedNode node = NodeOf(context);
  if (node == nullptr) return;
  const int db = redis::GetSelectedDb(context);
  node->connections[redis::GetClientId(context)] = {std::string(user), db, true};
  wanted_.Forget(user, db);
  TakeBackUnspoken(*node);
}

AttachedNodes::SharedNode AttachedNodes::NodeOf(RedisModuleCtx* context) const {
  const auto found = by_client_.find(redis::GetClientId(context));
  return found == by_client_.end() ? nullptr : found->second;
}

void AttachedNodes::OnClosing(uint64_t client_id) {
  const auto found = by_client_.find(client_id);
  if (found == by_client_.end()) return;
  const SharedNode node = found->second;
  const auto connection = node->connections.find(found->first);
  if (!connection->second.speaks || node->connections.size() == 1) return End(node);
  node->connections.erase(connection);
  by_client_.erase(found);
  TakeBackUnspoken(*node);
}

void AttachedNodes::End(const SharedNode& node) {
  node->gone = true;
  nodes_.erase(node->id);
  for (const auto& [client, connection] : node->connections) by_client_.erase(client);
  while (!node->takers.empty()) Wake(node);
  TakeBackWaiting(*node);
  for (const uint64_t id : std::set<uint64_t>(node->taken)) {
    PendingCall* call = Release(id);
    if (!call->wrote) {
      counters_.run_again++;
      call->Leave(NowNs());
      TheModule().calls.RunHereOrAnswer(call);
      continue;
    }
    counters_.lost++;
    Outcome outcome;
    outcome.code = Code::SANDBOX_DIED;
    outcome.message = "the node " + node->id + " was lost while it ran " + call->deployment.image->name +
                      ", which had begun to write";
    TheModule().calls.Answer(call, std::move(outcome));
  }
}

// ---- Handing over

AttachedNodes::SharedNode AttachedNodes::Choose(const PendingCall& call, NotHanded* why) const {
  *why = NotHanded::kNoNode;
  SharedNode chosen;
  size_t least = kHandedPerNodeMax;
  for (const auto& [id, node] : nodes_) {
    if (node->leaving || node->silent) continue;
    // The nearest that a node came to being the one.
    NotHanded obstacle = NotHanded::kUser;
    for (const auto& [client, connection] : node->connections) {
      if (!connection.speaks || connection.user != TextOf(call.caller->user())) continue;
      obstacle = connection.db == call.caller->db() ? NotHanded::kFull : NotHanded::kDatabase;
      if (obstacle == NotHanded::kFull) break;
    }
    *why = std::max(*why, obstacle);
    const size_t handed = node->waiting.size() + node->taken.size();
    if (obstacle != NotHanded::kFull || handed >= least) continue;
    least = handed;
    chosen = node;
  }
  return chosen;
}

bool AttachedNodes::MayHand(const PendingCall& call) const {
  NotHanded why = NotHanded::kNoNode;
  return !nodes_.empty() && Choose(call, &why) != nullptr;
}

bool AttachedNodes::Hand(PendingCall* call) {
  NotHanded why = NotHanded::kNoNode;
  const size_t bytes = BytesOf(*call);
  const SharedNode node = Choose(*call, &why);
  if (node == nullptr || handed_bytes_ + bytes > kHandedBytesMax) {
    counters_.not_handed[static_cast<size_t>(why)]++;
    if (why == NotHanded::kUser || why == NotHanded::kDatabase) Want(*call);
    return false;
  }
  counters_.handed++;
  const uint64_t id = ++next_id_;
  call->handed = id;
  Handed& handed = handed_[id];
  // From now: one that was pushed back came long ago.
  const int64_t now = NowNs();
  call->stay.side = Side::kCompute;
  call->stay.from_ns = now;
  handed = {call, node, now + TheModule().settings.take_patience_ms * kMs, {}, bytes};
  handed_bytes_ += bytes;
  overflowing_ += call->overflows ? 1 : 0;
  node->waiting.insert(id);
  SetDue(id, handed, std::min(handed.patience_end_ns, call->deadline_ns));
  Wake(node);
  return true;
}

void AttachedNodes::Want(const PendingCall& call) {
  if (TheModule().settings.node_act == 0) return;
  if (!wanted_.Note(TextOf(call.caller->user()), call.caller->db(), NowNs())) return;
  for (const auto& [id, node] : nodes_) Wake(node);
}

void AttachedNodes::Cancel(PendingCall* call) {
  const uint64_t id = call->handed;
  const SharedNode node = handed_.at(id).node;
  if (node->taken.contains(id)) {
    node->cancelled.push_back(id);
    Wake(node);
  }
  Release(id);
  Outcome outcome;
  outcome.code = Code::CANCELLED;
  outcome.message = "the invocation of " + call->deployment.image->name + " was cancelled";
  TheModule().calls.Answer(call, std::move(outcome));
}

PendingCall* AttachedNodes::Release(uint64_t id) {
  const auto found = handed_.find(id);
  const Handed handed = found->second;
  handed_.erase(found);
  handed.node->waiting.erase(id);
  handed.node->taken.erase(id);
  timers_->Stop(handed.timer);
  handed_bytes_ -= handed.bytes;
  overflowing_ -= handed.call->overflows ? 1 : 0;
  handed.call->handed = 0;
  return handed.call;
}

void AttachedNodes::TakeBack(uint64_t id) {
  counters_.taken_back++;
  PendingCall* call = Release(id);
  // Whoever had taken it has run nothing of it.
  call->stay.taken_ns = 0;
  call->Leave(NowNs());
  TheModule().calls.RunHereOrAnswer(call);
}

void AttachedNodes::TakeBackWaiting(Node& node) {
  for (const uint64_t id : std::set<uint64_t>(node.waiting)) TakeBack(id);
}

void AttachedNodes::TakeBackUnspoken(Node& node) {
  for (const uint64_t id : std::set<uint64_t>(node.waiting)) {
    const Caller& caller = *handed_.at(id).call->caller;
    const bool spoken = std::ranges::any_of(node.connections, [&](const auto& entry) {
      const Connection& connection = entry.second;
      return connection.speaks && connection.user == TextOf(caller.user()) && connection.db == caller.db();
    });
    if (!spoken) TakeBack(id);
  }
}

// ---- Time

void AttachedNodes::SetDue(uint64_t id, Handed& handed, int64_t due_ns) {
  timers_->Stop(handed.timer);
  handed.timer = timers_->Set(due_ns, [this, id] { OnDue(id); });
}

void AttachedNodes::OnDue(uint64_t id) {
  const Handed& handed = handed_.at(id);
  const SharedNode node = handed.node;
  if (node->waiting.contains(id)) {
    node->silent = NowNs() >= handed.patience_end_ns;
    return TakeBack(id);
  }
  counters_.overdue++;
  node->cancelled.push_back(id);
  PendingCall* call = Release(id);
  Outcome outcome;
  outcome.code = Code::DEADLINE_EXCEEDED;
  outcome.message =
      call->deployment.image->name + " did not end before its deadline, on the node " + node->id;
  TheModule().calls.Answer(call, std::move(outcome));
  Wake(node);
}

// ---- Taking

int AttachedNodes::Take(RedisModuleCtx* context, int64_t max, int64_t timeout_ms) {
  const SharedNode node = NodeOf(context);
  if (node == nullptr) return ReplyFailure(context, NotAttached());
  if (max > 0) node->silent = false;
  const bool ready = !node->cancelled.empty() || (max > 0 && !node->waiting.empty()) ||
                     !wanted_.After(node->told, NowNs()).empty();
  if (ready || timeout_ms == 0) return ReplyTaken(context, *node, max);
  if (const Failure failure = CheckByItself(context, "LOCUS.NODE TAKE"))
    return ReplyFailure(context, failure);
  RedisModuleBlockedClient* client = redis::BlockClient(context, OnTaken, nullptr, OnTakenDone, 0);
  redis::SetDisconnectCallback(client, OnTakerGone);
  const Timers::Id timer =
      timers_->Set(NowNs() + timeout_ms * kMs, [this, client] { OnTakerTimeout(client); });
  node->takers.push_back({client, timer, max});
  return redis::kOk;
}

/// Has the node's longest waiting taker answered, if one waits. What it gets is seen when its answer is
/// written: all that has come by then.
void AttachedNodes::Wake(const SharedNode& node) {
  if (node->takers.empty()) return;
  const Taker taker = node->takers.front();
  node->takers.pop_front();
  timers_->Stop(taker.timer);
  redis::UnblockClient(taker.client, new Taking{node, taker.max});
}

AttachedNodes::Taker AttachedNodes::RemoveTaker(const RedisModuleBlockedClient* client, SharedNode* node) {
  for (const auto& [id, candidate] : nodes_) {
    const auto found = std::ranges::find(candidate->takers, client, &Taker::client);
    if (found == candidate->takers.end()) continue;
    const Taker taker = *found;
    candidate->takers.erase(found);
    *node = candidate;
    return taker;
  }
  return {};
}

void AttachedNodes::OnTakerTimeout(const RedisModuleBlockedClient* client) {
  SharedNode node;
  const Taker taker = RemoveTaker(client, &node);
  redis::UnblockClient(taker.client, new Taking{node, taker.max});
}

// A client that is unblocked by Redis itself, when this server becomes a replica. (One that closes has ended
// its attachment.)
void AttachedNodes::OnTakerGone(RedisModuleCtx*, RedisModuleBlockedClient* client) {
  AttachedNodes& nodes = TheModule().nodes;
  SharedNode node;
  const Taker taker = nodes.RemoveTaker(client, &node);
  if (taker.client == nullptr) return;
  nodes.timers_->Stop(taker.timer);
  redis::UnblockClient(client, nullptr);
}

int AttachedNodes::OnTaken(RedisModuleCtx* context, RedisModuleString**, int) {
  const auto& taking = *static_cast<const Taking*>(redis::GetBlockedClientPrivateData(context));
  if (taking.node->gone) return ReplyFailure(context, NotAttached());
  return TheModule().nodes.ReplyTaken(context, *taking.node, taking.max);
}

void AttachedNodes::OnTakenDone(RedisModuleCtx*, void* taking) {
  delete static_cast<Taking*>(taking);
}

int AttachedNodes::ReplyTaken(RedisModuleCtx* context, Node& node, int64_t max) {
  const int64_t now = NowNs();
  const size_t count = std::min(static_cast<size_t>(max), node.waiting.size());
  redis::ReplyWithArray(context, 3);
  redis::ReplyWithArray(context, static_cast<long>(count));
  for (size_t i = 0; i < count; i++) {
    const uint64_t id = *node.waiting.begin();
    node.waiting.erase(node.waiting.begin());
    node.taken.insert(id);
    Handed& handed = handed_.at(id);
    SetDue(id, handed, handed.call->deadline_ns + kGiveGraceMs * kMs);
    handed.call->stay.taken_ns = now;
    ReplyCall(context, id, *handed.call);
  }
  redis::ReplyWithArray(context, static_cast<long>(node.cancelled.size()));
  for (const uint64_t id : node.cancelled) redis::ReplyWithLongLong(context, static_cast<long long>(id));
  node.cancelled.clear();
  const std::vector<const WantedUsers::Wanted*> news = wanted_.After(node.told, now);
  node.told = wanted_.last();
  redis::ReplyWithArray(context, static_cast<long>(news.size()));
  for (const WantedUsers::Wanted* wanted : news) {
    redis::ReplyWithArray(context, 2);
    ReplyText(context, wanted->user);
    redis::ReplyWithLongLong(context, wanted->db);
  }
  return redis::kOk;
}

void AttachedNodes::ReplyCall(RedisModuleCtx* context, uint64_t id, const PendingCall& call) {
  const int64_t left_ms = (call.deadline_ns - NowNs() + kMs - 1) / kMs;
  redis::ReplyWithArray(context, 9);
  redis::ReplyWithLongLong(context, static_cast<long long>(id));
  ReplyText(context, call.deployment.image->name);
  ReplyText(context, call.deployment.image->version);
  redis::ReplyWithLongLong(context, std::max<int64_t>(left_ms, 1));
  ReplyText(context, TextOf(call.caller->user()));
  redis::ReplyWithLongLong(context, call.caller->db());
  redis::ReplyWithArray(context, static_cast<long>(call.arguments.keys.size()));
  for (const std::string& key : call.arguments.keys) ReplyText(context, key);
  ReplyText(context, call.arguments.args);
  ReplyText(context, Base64(call.known));
}

// ---- Giving

Failure AttachedNodes::CheckTaken(RedisModuleCtx* context, uint64_t call_id, bool* taken) {
  const SharedNode node = NodeOf(context);
  if (node == nullptr) return NotAttached();
  *taken = node->taken.contains(call_id);
  return {};
}

void AttachedNodes::NoteWrites(uint64_t call_id) {
  handed_.at(call_id).call->wrote = true;
}

bool AttachedNodes::HasAskedToWrite(uint64_t call_id) const {
  return handed_.at(call_id).call->wrote;
}

void AttachedNodes::Give(uint64_t call_id, Outcome&& outcome) {
  counters_.returned++;
  PendingCall* call = Release(call_id);
  call->stay.told = true;
  TheModule().calls.Answer(call, std::move(outcome));
}

AttachedNodes::State AttachedNodes::state() const {
  State state;
  state.nodes = nodes_.size();
  for (const auto& [id, node] : nodes_) {
    state.waiting += node->waiting.size();
    state.taken += node->taken.size();
  }
  state.counters = counters_;
  return state;
}

}  // namespace locus
