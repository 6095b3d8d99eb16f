#include "passed_descriptor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "frames.h"
#include "host.h"
#include "resp.h"
#include "socket_channel.h"

namespace locus {

namespace {

constexpr timeval kGreetingPatience = {5, 0};
constexpr uint64_t kGreetingBytesMax = 64 * 1024;

/// Sends the command and reads its one reply. Empty, or what Redis refused.
std::string Ask(TlsSession* tls, std::initializer_list<std::string_view> words) {
  std::string command;
  AppendArrayHeader(&command, words.size());
  for (const std::string_view word : words) AppendBulk(&command, word);
  for (size_t sent = 0; sent < command.size();) {
    const ssize_t bytes = tls->Write(command.data() + sent, command.size() - sent);
    if (bytes <= 0) return "could not be sent";
    sent += static_cast<size_t>(bytes);
  }
  RespScanner scanner(kGreetingBytesMax);
  std::string reply;
  char chunk[4096];
  for (;;) {
    const ssize_t bytes = tls->Read(chunk, sizeof chunk);
    if (bytes <= 0) return "was not answered";
    reply.append(chunk, static_cast<size_t>(bytes));
    const RespScanner::Found found = scanner.Next(reply);
    if (found.state == RespRead::kBroken || found.too_large) return "was answered by what is no RESP";
    if (found.state == RespRead::kOk) break;
  }
  return reply[0] == '-' ? reply.substr(1, reply.find('\r') - 1) : "";
}

std::string Greet(TlsSession* tls, std::string_view username, std::string_view password, uint32_t database) {
  const std::string greeted = password.empty()
                                  ? Ask(tls, {"HELLO", "3", "SETNAME", "locus-function"})
                                  : Ask(tls, {"HELLO", "3", "AUTH", username.empty() ? "default" : username,
                                              password, "SETNAME", "locus-function"});
  if (!greeted.empty()) return "HELLO: " + greeted;
  if (database == 0) return "";
  const std::string selected = Ask(tls, {"SELECT", std::to_string(database)});
  return selected.empty() ? "" : "SELECT: " + selected;
}

}  // namespace

bool AdoptDescriptor(Descriptor socket, std::string_view bytes,
                     const std::function<void(uint32_t, const std::string&)>& on_failure) {
  DescriptorMessage message;
  if (!ReadDescriptorMessage(bytes, &message)) return false;
  ConnectionPool* pool = Host::Get().connections();
  if (message.server_name.empty()) return pool->Adopt(message.connection, std::move(socket), nullptr);

  // Blocking for the greeting, by a timeout of the socket's own; the pool then uses it without blocking.
  const int flags = fcntl(socket.get(), F_GETFL);
  fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK);
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kGreetingPatience, sizeof kGreetingPatience);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kGreetingPatience, sizeof kGreetingPatience);
  std::string failure;
  std::unique_ptr<TlsSession> tls = TlsSession::Connect(socket.get(), std::string(message.server_name),
                                                        std::string(message.authorities), &failure);
  if (tls) failure = Greet(tls.get(), message.username, message.password, message.database);
  if (!failure.empty()) {
    on_failure(message.connection, failure);
    return false;
  }
  fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK);
  return pool->Adopt(message.connection, std::move(socket), std::move(tls));
}

}  // namespace locus
