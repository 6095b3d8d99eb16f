// The kernel's control groups (version 2 or 1) that this process is in, and those around them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace locus {

/// `visit(folder, version_2)` for each group that may limit what the controller gives. `root` stands before /proc
/// and /sys.
void ForEachGroup(const std::string& root, std::string_view controller,
                  const std::function<void(const std::string& folder, bool version_2)>& visit);

}  // namespace locus
