#include "frames.h"

#include <cstring>

namespace locus {

namespace {

template <typename Header>
bool TakeHeader(std::string_view* from, Header* header) {
  if (from->size() < sizeof *header) return false;
  std::memcpy(header, from->data(), sizeof *header);
  from->remove_prefix(sizeof *header);
  return true;
}

/// False when there is less.
bool Take(std::string_view* from, size_t bytes, std::string_view* taken) {
  if (from->size() < bytes) return false;
  *taken = from->substr(0, bytes);
  from->remove_prefix(bytes);
  return true;
}

template <typename Header>
std::string Begin(const Header& header) {
  return std::string(reinterpret_cast<const char*>(&header), sizeof header);
}

uint32_t Bytes(std::string_view text) {
  return static_cast<uint32_t>(text.size());
}

}  // namespace

bool ReadOutcome(std::string_view payload, OutcomeFrame* outcome) {
  OutcomeHeader& header = outcome->header;
  return TakeHeader(&payload, &header) && header.code < static_cast<uint32_t>(Code::kCount) &&
         header.result_bytes <= kResultBytesMax && header.message_bytes <= kErrorTextBytesMax &&
         header.stack_bytes <= kErrorTextBytesMax && Take(&payload, header.result_bytes, &outcome->result) &&
         Take(&payload, header.message_bytes, &outcome->message) &&
         Take(&payload, header.stack_bytes, &outcome->stack) && payload.empty();
}

std::string WriteOutcome(OutcomeFrame outcome) {
  outcome.header.result_bytes = Bytes(outcome.result);
  outcome.header.message_bytes = Bytes(outcome.message);
  outcome.header.stack_bytes = Bytes(outcome.stack);
  std::string payload = Begin(outcome.header);
  payload.reserve(payload.size() + outcome.result.size() + outcome.message.size() + outcome.stack.size());
  return payload.append(outcome.result).append(outcome.message).append(outcome.stack);
}

bool ReadInvoke(std::string_view payload, InvokeFrame* invoke) {
  InvokeHeader& header = invoke->header;
  std::string_view keys;
  if (!TakeHeader(&payload, &header) || !Take(&payload, header.keys_bytes, &keys) ||
      !Take(&payload, header.args_bytes, &invoke->args) || header.known_bytes > kReadSetBytesMax ||
      !Take(&payload, header.known_bytes, &invoke->known) || !payload.empty())
    return false;
  invoke->keys.clear();
  for (uint32_t i = 0; i < header.key_count; i++) {
    uint32_t bytes = 0;
    std::string_view key;
    if (!TakeHeader(&keys, &bytes) || !Take(&keys, bytes, &key)) return false;
    invoke->keys.push_back(key);
  }
  return keys.empty();
}

std::string WriteInvoke(InvokeFrame invoke) {
  InvokeHeader& header = invoke.header;
  header.key_count = static_cast<uint32_t>(invoke.keys.size());
  header.keys_bytes = 0;
  for (const std::string_view key : invoke.keys) header.keys_bytes += sizeof(uint32_t) + Bytes(key);
  header.args_bytes = Bytes(invoke.args);
  header.known_bytes = Bytes(invoke.known);
  std::string payload = Begin(header);
  payload.reserve(sizeof header + header.keys_bytes + header.args_bytes + header.known_bytes);
  for (const std::string_view key : invoke.keys) payload.append(Begin(Bytes(key))).append(key);
  return payload.append(invoke.args).append(invoke.known);
}

bool ReadOpen(std::string_view payload, OpenFrame* open) {
  OpenHeader header;
  if (!TakeHeader(&payload, &header)) return false;
  open->lane = header.lane;
  open->memory_mb = header.memory_mb;
  return Take(&payload, header.version_bytes, &open->version) &&
         Take(&payload, header.bundle_bytes, &open->bundle) && payload.empty();
}

std::string WriteOpen(const OpenFrame& open) {
  return Begin(OpenHeader{open.lane, open.memory_mb, Bytes(open.version), Bytes(open.bundle)})
      .append(open.version)
      .append(open.bundle);
}

bool ReadDescriptorMessage(std::string_view bytes, DescriptorMessage* message) {
  DescriptorHeader header;
  if (!TakeHeader(&bytes, &header)) return false;
  message->connection = header.connection;
  message->database = header.database;
  return Take(&bytes, header.server_name_bytes, &message->server_name) &&
         Take(&bytes, header.authorities_bytes, &message->authorities) &&
         Take(&bytes, header.username_bytes, &message->username) &&
         Take(&bytes, header.password_bytes, &message->password) && bytes.empty();
}

std::string WriteDescriptorMessage(const DescriptorMessage& message) {
  return Begin(DescriptorHeader{message.connection, message.database, Bytes(message.server_name),
                                Bytes(message.authorities), Bytes(message.username), Bytes(message.password)})
      .append(message.server_name)
      .append(message.authorities)
      .append(message.username)
      .append(message.password);
}

bool TakeRoundHeader(std::string_view* payload, RoundHeader* header) {
  return TakeHeader(payload, header);
}

}  // namespace locus
