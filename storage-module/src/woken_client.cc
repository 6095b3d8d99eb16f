#include "woken_client.h"

namespace locus {

namespace {

/// The last one that was. Main thread only.
uint64_t closing_client = 0;

}  // namespace

void NoteClosing(uint64_t client_id) {
  closing_client = client_id;
}

void CloseIfWoken(RedisModuleCtx* context) {
  const uint64_t client_id = redis::GetClientId(context);
  if (client_id != closing_client) redis::DeauthenticateAndCloseClient(context, client_id);
}

}  // namespace locus
