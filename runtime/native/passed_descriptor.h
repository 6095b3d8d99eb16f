// What a host does with a descriptor that its supervisor passed: without TLS it is ready; with TLS the
// session and the authentication come first, since they cannot be passed.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "shared_memory.h"

namespace locus {

/// Whether it is the connection's from now on. Blocks for the handshake, seconds at most. `bytes`: a
/// DescriptorMessage (frames.h). `on_failure` gets the connection's number and why it was given up.
bool AdoptDescriptor(Descriptor socket, std::string_view bytes,
                     const std::function<void(uint32_t, const std::string&)>& on_failure);

}  // namespace locus
