// snapshot_load LAKE TABLE [TIMES]: how long it takes to open a table and to list its files, in milliseconds, as JSON.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "lake/table.h"

namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: snapshot_load LAKE TABLE [TIMES]\n");
    return 2;
  }
  const int times = count > 3 ? std::max(1, std::atoi(arguments[3])) : 9;
  const auto lake = inlet::lake::open_lake(arguments[1]);
  std::vector<double> opened;
  std::vector<double> listed;
  std::size_t files = 0;
  for (int i = 0; lake.is_ok() && i < times; ++i) {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    const auto began = std::chrono::steady_clock::now();
    const auto table = (*lake)->open(arguments[2]);
    if (!table.is_ok()) break;
    const auto loaded = std::chrono::steady_clock::now();
    const auto live = (*table)->snapshot()->files();
    if (!live.is_ok()) break;
    opened.push_back(Milliseconds(loaded - began).count());
    listed.push_back(Milliseconds(std::chrono::steady_clock::now() - began).count());
    files = live->size();
  }
  if (opened.empty()) {
    std::fprintf(stderr, "the table cannot be read\n");
    return 1;
  }
  std::printf("{\"open_ms\": %.2f, \"open_and_list_ms\": %.2f, \"files\": %zu}\n", median(opened), median(listed),
              files);
  return 0;
}
