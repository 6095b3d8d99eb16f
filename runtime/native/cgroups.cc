#include "cgroups.h"

#include <algorithm>
#include <fstream>

namespace locus {

namespace {

/// The controllers of a line of /proc/self/cgroup, between its colons.
bool Has(std::string_view controllers, std::string_view controller) {
  for (size_t start = 0; start <= controllers.size();) {
    const size_t end = std::min(controllers.find(',', start), controllers.size());
    if (controllers.substr(start, end - start) == controller) return true;
    start = end + 1;
  }
  return false;
}

}  // namespace

void ForEachGroup(const std::string& root, std::string_view controller,
                  const std::function<void(const std::string& folder, bool version_2)>& visit) {
  std::ifstream groups(root + "/proc/self/cgroup");
  // Lines of number:controllers:path; version 2 has the number 0 and no controllers.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version_2 = line.starts_with("0:") && controllers.empty();
    if (!version_2 && !Has(controllers, controller)) continue;
    std::string mount = root + "/sys/fs/cgroup";
    if (!version_2) mount.append("/").append(controller);
    // In a container the path may be the host's, which is not there: what is mounted then is its own group.
    for (std::string path = line.substr(second + 1); !path.empty(); path.resize(path.rfind('/')))
      visit(mount + path, version_2);
    visit(mount, version_2);
  }
}

}  // namespace locus
