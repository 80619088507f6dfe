// Text whose case does not matter: names in SQL, in Delta and of DNS hosts. ASCII letters alone, as DuckDB folds names.
#pragma once

#include <string>
#include <string_view>

namespace inlet {

std::string lower_case(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace inlet
