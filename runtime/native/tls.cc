#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>

namespace locus {

namespace {

std::string& DefaultAuthorities() {
  static std::string pem;
  return pem;
}

std::string LastError(const char* attempt, const SSL* session) {
  std::string text = attempt;
  const long verdict = session == nullptr ? X509_V_OK : SSL_get_verify_result(session);
  char reason[256] = "";
  if (verdict != X509_V_OK) {
    text += std::string(": ") + X509_verify_cert_error_string(verdict);
  } else if (const unsigned long error = ERR_get_error(); error != 0) {
    ERR_error_string_n(error, reason, sizeof reason);
    text += std::string(": ") + reason;
  }
  ERR_clear_error();
  return text;
}

bool AddAuthorities(SSL_CTX* context, std::string_view pem) {
  if (pem.size() > INT_MAX) return false;
  BIO* input = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  if (input == nullptr) return false;
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int added = 0;
  while (X509* certificate = PEM_read_bio_X509(input, nullptr, nullptr, nullptr)) {
    added += X509_STORE_add_cert(store, certificate);
    X509_free(certificate);
  }
  BIO_free(input);
  ERR_clear_error();
  return added > 0;
}

}  // namespace

void SetDefaultAuthorities(std::string pem) {
  DefaultAuthorities() = std::move(pem);
}

std::unique_ptr<TlsSession> TlsSession::Connect(int fd, const std::string& server_name,
                                                std::string_view authorities_pem, std::string* failure) {
  ERR_clear_error();
  auto tls = std::make_unique<TlsSession>();
  tls->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = tls->context_.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
    *failure = LastError("TLS could not be set up", nullptr);
    return nullptr;
  }
  if (!AddAuthorities(context,
                      authorities_pem.empty() ? std::string_view(DefaultAuthorities()) : authorities_pem)) {
    *failure = "the certificate authorities given for Redis hold no certificate";
    return nullptr;
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  tls->session_.reset(SSL_new(context));
  SSL* session = tls->session_.get();
  // A name and an address are checked against different fields of the certificate.
  X509_VERIFY_PARAM* expected = SSL_get0_param(session);
  const bool named = X509_VERIFY_PARAM_set1_ip_asc(expected, server_name.c_str()) == 1 ||
                     (SSL_set1_host(session, server_name.c_str()) == 1 &&
                      SSL_set_tlsext_host_name(session, server_name.c_str()) == 1);
  if (!named || SSL_set_fd(session, fd) != 1 || SSL_connect(session) != 1) {
    *failure = LastError(("no TLS session with Redis as " + server_name).c_str(), session);
    return nullptr;
  }
  return tls;
}

ssize_t TlsSession::Result(int returned) {
  if (returned > 0) return returned;
  const int error = SSL_get_error(session_.get(), returned);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
  } else if (error != SSL_ERROR_SYSCALL || errno == 0) {
    errno = EPROTO;
  }
  return -1;
}

// OpenSSL judges a result by the thread's error queue as well, which must be empty before each call.
ssize_t TlsSession::Read(char* to, size_t bytes) {
  ERR_clear_error();
  return Result(SSL_read(session_.get(), to, static_cast<int>(std::min<size_t>(bytes, INT_MAX))));
}

ssize_t TlsSession::Write(const char* from, size_t bytes) {
  ERR_clear_error();
  return Result(SSL_write(session_.get(), from, static_cast<int>(std::min<size_t>(bytes, INT_MAX))));
}

}  // namespace locus
