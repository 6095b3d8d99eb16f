// TLS over a descriptor that was passed connected: the one thing of a connection that the node cannot do for
// its host. With Node's own OpenSSL, whose symbols its binary exports. Used by SocketChannel only.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace locus {

/// One TLS session; reads and writes like the system calls (-1 with errno, EAGAIN when it would block).
class TlsSession {
 public:
  /// Shakes hands over a blocking descriptor; the certificate must be valid for `server_name` under the
  /// authorities (PEM). Null with `*failure` when that fails.
  static std::unique_ptr<TlsSession> Connect(int fd, const std::string& server_name,
                                             std::string_view authorities_pem, std::string* failure);

  ssize_t Read(char* to, size_t bytes);
  ssize_t Write(const char* from, size_t bytes);
  /// Bytes that were decrypted and not read yet: poll on the descriptor does not tell of them.
  bool pending() const { return SSL_pending(session_.get()) > 0; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* session) const { SSL_free(session); }
  };
  ssize_t Result(int returned);

  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> session_;
};

/// The authorities that a connection without its own is checked against (PEM); set once at start.
void SetDefaultAuthorities(std::string pem);

}  // namespace locus
