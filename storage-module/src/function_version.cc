#include "function_version.h"

#include <openssl/evp.h>

namespace locus {

std::string VersionOf(std::string_view bundle) {
  unsigned char digest[EVP_MAX_MD_SIZE] = {};
  EVP_Digest(bundle.data(), bundle.size(), digest, nullptr, EVP_sha256(), nullptr);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string version;
  for (size_t i = 0; i < kVersionBytes / 2; i++) {
    version.push_back(kHex[digest[i] >> 4]);
    version.push_back(kHex[digest[i] & 15]);
  }
  return version;
}

}  // namespace locus
