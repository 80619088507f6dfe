#include "source/file_stdin.h"

#include <fcntl.h>

#include <chrono>
#include <functional>
#include <thread>

#include "source/file_name.h"
#include "tests/source/file_following.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;
using testing::Line;
using testing::Reading;
using testing::small_blocks;
using Lines = std::vector<Line>;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(fds_, O_CLOEXEC), 0); }
  ~Pipe() {
    end();
    ::close(fds_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void write(std::string_view bytes) {
    EXPECT_EQ(::write(fds_[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void end() {
    if (fds_[1] >= 0) ::close(fds_[1]);
    fds_[1] = -1;
  }
  FileSourceOptions options(std::size_t block = 64) const {
    auto options = small_blocks(block);
    options.stdin_fd = fds_[0];
    return options;
  }

 private:
  int fds_[2] = {-1, -1};
};

TEST(StdinSource, delivers_lines_as_they_come_and_ends_with_the_stream) {
  Pipe pipe;
  Reading reading("-", false, {}, pipe.options());
  EXPECT_TRUE(reading.read(milliseconds(5)).empty());
  pipe.write("one\r\ntw");
  EXPECT_EQ(reading.read(milliseconds(5)), (Lines{{"stdin", 4, "one"}}));
  EXPECT_EQ(reading.listener.assigned.at(0).source, "stdin:" + line_fingerprint_text("one"));
  pipe.write("o\nthree");
  EXPECT_EQ(reading.read(milliseconds(5)), (Lines{{"stdin", 8, "two"}}));
  EXPECT_FALSE(reading.source->exhausted());
  pipe.end();
  EXPECT_EQ(reading.read(milliseconds(5)), (Lines{{"stdin", 13, "three"}}));
  EXPECT_TRUE(reading.read(milliseconds(5)).empty());
  EXPECT_TRUE(reading.source->exhausted());
}

TEST(StdinSource, a_stream_without_a_byte_is_exhausted) {
  Pipe pipe;
  pipe.end();
  Reading reading("-", true, {}, pipe.options());
  EXPECT_TRUE(reading.read(milliseconds(1000)).empty());
  EXPECT_TRUE(reading.source->exhausted());
  EXPECT_TRUE(reading.listener.assigned.empty());
}

TEST(StdinSource, opening_it_reads_nothing) {
  Pipe pipe;
  pipe.write("one\n");
  { Reading reading("-", false, {}, pipe.options()); }
  Reading other("-", false, {}, pipe.options());
  EXPECT_EQ(other.read(milliseconds(5)), (Lines{{"stdin", 3, "one"}}));
}

TEST(StdinSource, goes_on_at_every_position_with_the_same_records) {
  const std::string stream = "one\n\n" + std::string(500, 'x') + "\r\ntwo\nthree";
  Lines all;
  {
    Pipe pipe;
    pipe.write(stream);
    pipe.end();
    all = Reading("-", false, {}, pipe.options()).read();
  }
  ASSERT_EQ(all.size(), 5U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const bool ask_for_fingerprint : {false, true}) {
      Pipe pipe;
      pipe.write(stream);
      pipe.end();
      Reading reading("-", false, {{"stdin", all[i].offset + 1}}, pipe.options());
      if (ask_for_fingerprint) {
        reading.listener.during_assignment = [&](const TopicPartition& partition) {
          EXPECT_EQ(reading.source->fingerprint_at(partition, {all[i].offset}).value(), line_fingerprint(all[i].value));
        };
      }
      EXPECT_EQ(reading.read(), Lines(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end())) << i;
      EXPECT_EQ(reading.error, "");
    }
  }
}

TEST(StdinSource, a_stream_that_ends_before_the_position_is_a_loss) {
  Pipe pipe;
  pipe.write("one\ntwo\n");
  pipe.end();
  Reading reading("-", false, {{"stdin", 100}}, pipe.options());
  EXPECT_TRUE(reading.read().empty());
  EXPECT_EQ(reading.error, "stdin.ended_early");
  EXPECT_NE(reading.message.find("byte 8"), std::string::npos) << reading.message;
}

TEST(StdinSource, a_last_line_taken_before_that_goes_on_now_is_a_loss) {
  Pipe pipe;
  pipe.write("one\ntwofold\n");
  pipe.end();
  Reading reading("-", false, {{"stdin", 7}}, pipe.options());
  reading.listener.during_assignment = [&](const TopicPartition& partition) {
    EXPECT_EQ(reading.source->fingerprint_at(partition, {6}).value(), line_fingerprint("two"));
  };
  reading.read();
  EXPECT_EQ(reading.error, "file.line_continued");
}

TEST(StdinSource, a_fingerprint_that_has_not_come_yet_is_transient) {
  Pipe pipe;
  pipe.write("one\n");
  Reading reading("-", false, {{"stdin", 8}}, pipe.options());
  reading.listener.during_assignment = [&](const TopicPartition& partition) {
    EXPECT_EQ(reading.source->fingerprint_at(partition, {7}).status().code(), StatusCode::kTransient);
    pipe.write("two\nthree\n");
    EXPECT_EQ(reading.source->fingerprint_at(partition, {7}).value(), line_fingerprint("two"));
  };
  EXPECT_EQ(reading.read(milliseconds(20)), (Lines{{"stdin", 13, "three"}}));
}

TEST(StdinSource, is_endless_to_whoever_asks_for_bounds) {
  Pipe pipe;
  Reading reading("-", true, {}, pipe.options());
  EXPECT_EQ(reading.source->bounds({"stdin:0", 0})->end, OffsetBounds::kEndless);
}

TEST(StdinSource, poll_returns_in_time_and_as_soon_as_a_line_is_there) {
  Pipe pipe;
  Reading reading("-", false, {}, pipe.options());
  auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(reading.source->poll(milliseconds(30)).value().has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(500));
  begin = std::chrono::steady_clock::now();
  std::thread writer([&] {
    std::this_thread::sleep_for(milliseconds(20));
    pipe.write("now\n");
  });
  EXPECT_TRUE(reading.source->poll(milliseconds(10'000)).value().has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5'000));
  writer.join();
}

TEST(StdinSource, a_paused_stream_waits) {
  Pipe pipe;
  pipe.write("one\n");
  Reading reading("-", false, {}, pipe.options());
  EXPECT_EQ(reading.read(milliseconds(5)).size(), 1U);
  reading.source->pause(reading.listener.assigned.at(0));
  pipe.write("two\n");
  EXPECT_TRUE(reading.read(milliseconds(10)).empty());
  reading.source->resume(reading.listener.assigned.at(0));
  EXPECT_EQ(reading.read(milliseconds(5)).size(), 1U);
}

TEST(StdinSource, megabytes_pass_through_in_order) {
  Pipe pipe;
  constexpr int kLines = 200'000;
  std::thread writer([&] {
    std::string block;
    for (int i = 0; i < kLines; ++i) {
      block += "line " + std::to_string(i) + "\n";
      if (block.size() < 3000 && i + 1 < kLines) continue;
      pipe.write(block);
      block.clear();
    }
    pipe.end();
  });
  Reading reading("-", false, {}, pipe.options(1U << 16U));
  int expected = 0;
  while (!reading.source->exhausted()) {
    auto batch = reading.source->poll(milliseconds(1000)).value();
    if (!batch) continue;
    reading.check(*batch);
    for (const auto& record : batch->records) ASSERT_EQ(record.value, "line " + std::to_string(expected++));
  }
  EXPECT_EQ(expected, kLines);
  writer.join();
}

}  // namespace
}  // namespace inlet::source
