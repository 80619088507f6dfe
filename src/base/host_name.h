// The name of this machine.
#pragma once

#include <string>

namespace inlet {

/// Empty: the system does not say.
std::string host_name();

}  // namespace inlet
