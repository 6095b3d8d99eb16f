// Clients that Redis itself wakes while they wait for what another thread brings: one by CLIENT UNBLOCK, all
// of them when this server becomes a replica. What they waited for may come in the same moment.
#pragma once

#include <cstdint>

#include "redis_api.h"

namespace locus {

/// That client is being closed: its disconnect callbacks come next.
void NoteClosing(uint64_t client_id);

/// For the disconnect callback of a client that has been unblocked with what it waited for. Where it is not
/// being closed, it is now: Redis 7.0 (7.2 does not) leaves one that CLIENT UNBLOCK meets between the two
/// without any reply, and it would take the next command's for this one's.
void CloseIfWoken(RedisModuleCtx* context);

}  // namespace locus
