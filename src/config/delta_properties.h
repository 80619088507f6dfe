// Names of Delta table properties, to recognise a misspelt one. A name that resembles none is passed on: Delta grows.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace inlet::config {

/// The known property of that name in any case, or `name` itself.
std::string delta_property_case(std::string_view name);

/// InvalidArgument: not `delta.*`, a misspelt known name, or one that Inlet cannot work with.
Status check_delta_property(std::string_view name);

}  // namespace inlet::config
