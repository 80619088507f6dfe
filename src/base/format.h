// Text from values. The only include of fmt beside base/log.h.
#pragma once

#include <fmt/chrono.h>
#include <fmt/format.h>
