// Runs a fuzz target without libFuzzer: every file of a corpus as it is, then mutations of them.
//   decode_fuzz_replay CORPUS_DIRECTORY [MUTATIONS [SEED]]
// The seed is printed, and the input is left in a file when the target aborts.
#include "fuzz/replay.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

std::string g_input;  // what the target is looking at; read by the signal handler

void keep_input(int signal) {
  constexpr char kPath[] = "crash-input";
  if (FILE* file = std::fopen(kPath, "wb")) {
    std::fwrite(g_input.data(), 1, g_input.size(), file);
    std::fclose(file);
  }
  std::fprintf(stderr, "the input of %zu bytes is in ./%s\n", g_input.size(), kPath);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(std::string input) {
  g_input = std::move(input);
  // A copy of exactly this size, so that a sanitizer sees every byte read beyond it.
  const std::vector<std::uint8_t> exact(g_input.begin(), g_input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

class Mutator {
 public:
  Mutator(std::vector<std::string> corpus, std::uint64_t seed) : corpus_(std::move(corpus)), random_(seed) {}

  std::string next() {
    std::string text = pick();
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(text);
    return text;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
  const std::string& pick() { return corpus_[below(corpus_.size())]; }

  void change(std::string& text) {
    if (text.empty()) text = pick();
    const std::size_t at = below(text.size());
    if (text.empty()) return;
    switch (below(8)) {
      case 0: text[at] = static_cast<char>(text[at] ^ (1 << below(8))); break;
      case 1: text[at] = static_cast<char>(below(256)); break;
      case 2: text.resize(at); break;
      case 3: text.erase(at, 1 + below(4)); break;
      case 4: text.insert(at, text.substr(below(text.size()), below(40))); break;
      case 5: text.insert(at, 1, text[below(text.size())]); break;
      case 6: std::swap(text[at], text[below(text.size())]); break;
      default: {
        const std::string& other = pick();
        const std::size_t from = below(other.size());
        text.insert(at, other.substr(from, below(60)));
      }
    }
  }

  std::vector<std::string> corpus_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY [MUTATIONS [SEED]]\n", argv[0]);
    return 2;
  }
  const std::uint64_t mutations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::random_device()();
  std::signal(SIGABRT, keep_input);
  std::signal(SIGSEGV, keep_input);

  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    run(corpus.back());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "no file in %s\n", argv[1]);
    return 2;
  }
  std::printf("%zu files, then %llu mutations of seed %llu\n", corpus.size(),
              static_cast<unsigned long long>(mutations), static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  Mutator mutator(std::move(corpus), seed);
  for (std::uint64_t i = 0; i < mutations; ++i) run(mutator.next());
  return 0;
}
