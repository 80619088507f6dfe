#include "lake/file_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/lake/lake_fixture.h"

namespace inlet::lake {
namespace {

namespace fs = std::filesystem;

class FileCacheTest : public LakeTest {
 protected:
  std::shared_ptr<FileCache> open(std::int64_t most_bytes) {
    auto cache = FileCache::open((root_ / "cache").string(), "s3://b/lake", most_bytes);
    EXPECT_TRUE(cache.is_ok()) << cache.status().to_line();
    return *cache;
  }

  // A file that was put or fetched is read-only; the n-th was used n seconds after the first.
  static std::string put(const FileCache& cache, const std::string& name, std::size_t bytes, int used,
                         bool is_in_store = true) {
    const fs::path path = fs::path(cache.files()) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << std::string(bytes, 'x');
    if (is_in_store) fs::permissions(path, fs::perms::owner_read);
    const std::array<timespec, 2> times{timespec{1'000'000 + used, 0}, timespec{0, UTIME_OMIT}};
    EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0), 0);
    return path.string();
  }
};

TEST_F(FileCacheTest, the_least_recently_used_go_and_what_is_held_or_not_yet_put_stays) {
  const auto cache = open(1000);
  const auto oldest_held = put(*cache, "t/a=1/0.parquet", 300, 0);
  const auto unput = put(*cache, "t/a=1/1.parquet", 300, 1, false);
  const auto oldest = put(*cache, "t/a=1/2.parquet", 300, 2);
  const auto newest = put(*cache, "t/a=1/3.parquet", 300, 3);
  const auto state = put(*cache, "_inlet/p/views/v/s.parquet", 5000, 0);
  const auto held = cache->hold({oldest_held});
  ASSERT_TRUE(held.is_ok()) << held.status().to_line();
  // A hold counts as a use; what is held stays even where it is the least recently used.
  const std::array<timespec, 2> long_ago{timespec{1, 0}, timespec{0, UTIME_OMIT}};
  ASSERT_EQ(::utimensat(AT_FDCWD, oldest_held.c_str(), long_ago.data(), 0), 0);
  cache->grew(1200);
  EXPECT_TRUE(fs::exists(oldest_held));
  EXPECT_TRUE(fs::exists(unput));
  EXPECT_FALSE(fs::exists(oldest));
  EXPECT_TRUE(fs::exists(newest));
  EXPECT_TRUE(fs::exists(state)) << "the states of views are none of its business";
}

TEST_F(FileCacheTest, a_hold_ends_with_its_last_copy_and_with_its_process) {
  const auto cache = open(500);
  const auto file = put(*cache, "t/0.parquet", 400, 0);
  put(*cache, "t/1.parquet", 200, 1);
  const auto holds = fs::path(cache->files()).parent_path() / "holds";
  {
    auto held = cache->hold({file});
    const HeldFiles copy = *held;
    held = HeldFiles();
    cache->grew(600);
    EXPECT_TRUE(fs::exists(file));
  }
  EXPECT_TRUE(fs::is_empty(holds));
  // As a process leaves it that was killed: nobody has its lock.
  std::ofstream(holds / "99999-1") << file << "\n";
  put(*cache, "t/2.parquet", 300, 3);
  // The hold was a use: without that it is the least recently used again.
  const std::array<timespec, 2> long_ago{timespec{1, 0}, timespec{0, UTIME_OMIT}};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), long_ago.data(), 0), 0);
  cache->grew(600);
  EXPECT_FALSE(fs::exists(file));
  EXPECT_TRUE(fs::is_empty(holds));
}

TEST_F(FileCacheTest, a_cache_within_its_size_keeps_everything) {
  const auto cache = open(1000);
  const auto file = put(*cache, "t/0.parquet", 900, 0);
  cache->grew(900);
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(FileCacheTest, lakes_of_another_url_or_endpoint_have_directories_of_their_own) {
  const auto one = cache_directory("/c", "s3://bucket/lake", "");
  EXPECT_EQ(one.rfind("/c/bucket-", 0), 0U) << one;
  EXPECT_NE(one, cache_directory("/c", "s3://bucket/lake2", ""));
  EXPECT_NE(one, cache_directory("/c", "s3://bucket/lake", "http://127.0.0.1:1"));
  EXPECT_EQ(one, cache_directory("/c", "s3://bucket/lake", ""));
}

}  // namespace
}  // namespace inlet::lake
