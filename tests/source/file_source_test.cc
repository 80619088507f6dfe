#include "source/file_source.h"

#include <sys/stat.h>

#include <chrono>
#include <functional>
#include <random>
#include <thread>

#include "base/queue.h"
#include "source/file_name.h"
#include "tests/source/file_following.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;
using testing::Line;
using testing::Reading;
using testing::small_blocks;
using testing::TemporaryDirectory;
using Lines = std::vector<Line>;

TEST(FileSource, the_offset_of_a_line_is_its_last_byte) {
  TemporaryDirectory directory;
  directory.write("a", "abc\nde\n");
  Reading reading(directory.path("a"));
  ASSERT_TRUE(reading.status.is_ok());
  auto batch = reading.source->poll(milliseconds(0)).value();
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->partition.source, "file:a:" + line_fingerprint_text("abc"));
  EXPECT_EQ(batch->partition.partition, 0);
  EXPECT_EQ(batch->range, (OffsetRange{{0}, {6}}));
  ASSERT_EQ(batch->records.size(), 2U);
  EXPECT_EQ(batch->records[0].offset.value, 3);
  EXPECT_EQ(batch->records[0].value, "abc");
  EXPECT_EQ(batch->records[1].offset.value, 6);
  EXPECT_EQ(batch->records[1].value, "de");
}

TEST(FileSource, carriage_returns_are_stripped_and_empty_lines_are_records) {
  TemporaryDirectory directory;
  directory.write("a", "x\r\n\r\n\ny\rz\n");
  EXPECT_EQ(Reading(directory.path("a")).read(),
            (Lines{{"file:a", 2, "x"}, {"file:a", 4, ""}, {"file:a", 5, ""}, {"file:a", 9, "y\rz"}}));
}

TEST(FileSource, follows_a_file_that_grows) {
  TemporaryDirectory directory;
  directory.write("a", "1\n2\n3");
  Reading reading(directory.path("a"));
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 1, "1"}, {"file:a", 3, "2"}}));
  directory.append("a", "3\n4");
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 6, "33"}}));
  directory.append("a", "\n\n");
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 8, "4"}, {"file:a", 9, ""}}));
}

TEST(FileSource, a_file_waits_for_its_first_line) {
  TemporaryDirectory directory;
  directory.write("a", "");
  Reading reading(directory.path("a"));
  EXPECT_TRUE(reading.read().empty());
  directory.append("a", "first");
  EXPECT_TRUE(reading.read().empty());
  EXPECT_TRUE(reading.listener.assigned.empty());
  directory.append("a", "\n");
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 5, "first"}}));
}

TEST(FileSource, reads_a_directory_in_name_order_and_leaves_out_hidden_and_unfinished_files) {
  TemporaryDirectory directory;
  directory.write("b", "b1\nb2\n");
  directory.write("a", "a1\n");
  directory.write(".hidden", "h\n");
  directory.write("c.tmp", "t\n");
  std::filesystem::create_directory(directory.path("d"));
  Reading reading(directory.path());
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 2, "a1"}, {"file:b", 2, "b1"}, {"file:b", 5, "b2"}}));
  ASSERT_EQ(reading.listener.assigned.size(), 2U);
}

TEST(FileSource, picks_up_new_files_and_the_growth_of_old_ones_in_name_order) {
  TemporaryDirectory directory;
  directory.write("b", "b1\n");
  Reading reading(directory.path());
  EXPECT_EQ(reading.read().size(), 1U);
  directory.write("c.tmp", "c1\n");
  directory.write("a", "a1\n");
  directory.append("b", "b2\n");
  std::filesystem::rename(directory.path("c.tmp"), directory.path("c"));
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 2, "a1"}, {"file:b", 5, "b2"}, {"file:c", 2, "c1"}}));
}

TEST(FileSource, an_empty_directory_is_waited_for) {
  TemporaryDirectory directory;
  Reading reading(directory.path());
  ASSERT_TRUE(reading.status.is_ok());
  EXPECT_TRUE(reading.read().empty());
  directory.write("a", "a1\n");
  EXPECT_EQ(reading.read().size(), 1U);
}

TEST(FileSource, an_unterminated_last_line_is_taken_only_to_catch_up) {
  TemporaryDirectory directory;
  directory.write("a", "1\nlast");
  EXPECT_EQ(Reading(directory.path("a"), false).read(), (Lines{{"file:a", 1, "1"}}));
  EXPECT_EQ(Reading(directory.path("a"), true).read(), (Lines{{"file:a", 1, "1"}, {"file:a", 5, "last"}}));
  directory.write("b", "lone");
  EXPECT_EQ(Reading(directory.path("b"), true).read(), (Lines{{"file:b", 3, "lone"}}));
}

TEST(FileSource, the_newline_behind_a_line_taken_without_it_is_skipped) {
  TemporaryDirectory directory;
  for (const std::string newline : {"\n", "\r\n"}) {
    directory.write("a", "1\nlast" + newline);
    Reading reading(directory.path("a"), false, {{"file:a", 6}});
    EXPECT_TRUE(reading.read().empty());
    EXPECT_EQ(reading.next_offset.begin()->second, 6 + static_cast<std::int64_t>(newline.size()));
    directory.append("a", "next\n");
    EXPECT_EQ(reading.read().at(0).value, "next");

    directory.write("b", "1\nlast" + newline + "next\n");
    Reading at_once(directory.path("b"), false, {{"file:b", 6}});
    const auto batch = at_once.source->poll(milliseconds(0)).value();
    EXPECT_EQ(batch->range.first.value, 6);
    ASSERT_EQ(batch->records.size(), 1U);
    EXPECT_EQ(batch->records[0].value, "next");
  }
}

TEST(FileSource, a_line_that_goes_on_after_it_was_taken_is_a_loss) {
  TemporaryDirectory directory;
  directory.write("a", "1\nlast and more\n");
  Reading reading(directory.path("a"), false, {{"file:a", 6}});
  EXPECT_TRUE(reading.read().empty());
  EXPECT_EQ(reading.error, "file.line_continued");
  EXPECT_NE(reading.message.find("at byte 6"), std::string::npos) << reading.message;

  auto accepting = small_blocks();
  accepting.fail_on_data_loss = false;
  EXPECT_EQ(Reading(directory.path("a"), false, {{"file:a", 6}}, accepting).read(),
            (Lines{{"file:a", 15, " and more"}}));
}

TEST(FileSource, a_line_that_goes_on_in_the_run_that_took_it_is_a_loss) {
  TemporaryDirectory directory;
  directory.write("a", "1\nlast");
  Reading reading(directory.path("a"), true);
  EXPECT_EQ(reading.read().size(), 2U);
  directory.append("a", "ing\n");
  EXPECT_TRUE(reading.read().empty());
  EXPECT_EQ(reading.error, "file.line_continued");
}

TEST(FileSource, half_a_newline_at_the_end_can_be_caught_up_with) {
  TemporaryDirectory directory;
  directory.write("a", "1\nlast\r");
  Reading reading(directory.path("a"), true, {{"file:a", 6}});
  EXPECT_TRUE(reading.read().empty());
  EXPECT_EQ(reading.next_offset.begin()->second, 7);
  directory.append("a", "\n2\n");
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 9, "2"}}));
}

TEST(FileSource, lines_longer_than_a_block_come_whole) {
  TemporaryDirectory directory;
  const std::string longer(1000, 'x');
  const std::string longest(20'000'000, 'y');
  directory.write("a", "1\n" + longer + "\n2\n" + longest + "\n3\n");
  const Lines lines = Reading(directory.path("a")).read();
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[1].value, longer);
  EXPECT_TRUE(lines[3].value == longest);
  EXPECT_EQ(lines[4], (Line{"file:a", 20'001'007, "3"}));
}

TEST(FileSource, a_line_beyond_the_limit_is_refused_with_its_position_after_what_stands_before_it) {
  TemporaryDirectory directory;
  directory.write("a", "1\n" + std::string(500, 'x') + "\n");
  auto options = small_blocks();
  options.limits.max_line_bytes = 200;
  Reading reading(directory.path("a"), false, {}, options);
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 1, "1"}}));
  EXPECT_EQ(reading.error, "file.line_too_long");
  EXPECT_NE(reading.message.find("begins at byte 2"), std::string::npos) << reading.message;
}

TEST(FileSource, a_file_that_shrank_before_the_start_is_a_loss) {
  TemporaryDirectory directory;
  directory.write("a", "1\n2\n");
  Reading reading(directory.path("a"), false, {{"file:a", 10}});
  EXPECT_EQ(reading.status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(reading.status.detail().id, "file.shrank");
  EXPECT_NE(reading.status.to_line().find("from 10 to 4 bytes"), std::string::npos) << reading.status.to_line();
}

TEST(FileSource, a_file_that_shrinks_while_running_is_a_loss) {
  TemporaryDirectory directory;
  directory.write("a", "1\n2\n3\n");
  Reading reading(directory.path("a"));
  EXPECT_EQ(reading.read().size(), 3U);
  std::filesystem::resize_file(directory.path("a"), 4);
  reading.read();
  EXPECT_EQ(reading.error, "file.shrank");
}

TEST(FileSource, a_file_that_is_replaced_while_running_is_a_loss) {
  TemporaryDirectory directory;
  directory.write("a", "1\n2\n");
  Reading reading(directory.path("a"));
  EXPECT_EQ(reading.read().size(), 2U);
  directory.write("new", "1\n2\n3\n");
  std::filesystem::rename(directory.path("new"), directory.path("a"));
  reading.read();
  EXPECT_EQ(reading.error, "file.replaced");
  EXPECT_FALSE(reading.source->poll(milliseconds(100)).is_ok());
}

TEST(FileSource, accepting_losses_a_replaced_file_is_offered_again) {
  TemporaryDirectory directory;
  directory.write("a", "1\n2\n");
  auto options = small_blocks();
  options.fail_on_data_loss = false;
  Reading reading(directory.path("a"), false, {}, options);
  EXPECT_EQ(reading.read().size(), 2U);
  directory.write("new", "other\n");
  std::filesystem::rename(directory.path("new"), directory.path("a"));
  EXPECT_EQ(reading.read(), (Lines{{"file:a", 5, "other"}}));
}

TEST(FileSource, a_file_deleted_after_its_end_is_fine_and_before_it_a_loss) {
  TemporaryDirectory directory;
  directory.write("a", "1\n");
  directory.write("b", "1\n");
  directory.write("c", "2\nincomplete");
  Reading reading(directory.path());
  EXPECT_EQ(reading.read().size(), 3U);
  std::filesystem::remove(directory.path("a"));
  EXPECT_TRUE(reading.read().empty());
  EXPECT_EQ(reading.error, "");
  directory.append("b", "2\n");
  EXPECT_EQ(reading.read().size(), 1U);
  std::filesystem::remove(directory.path("c"));
  EXPECT_TRUE(reading.read().empty());
  EXPECT_EQ(reading.error, "file.deleted");
}

TEST(FileSource, resumes_at_every_line_of_random_files_with_the_same_records) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::string content;
    for (auto lines = random() % 40 + 1; lines > 0; --lines) {
      content +=
          std::string(random() % 5 == 0 ? random() % 300 : random() % 10, 'a' + static_cast<char>(random() % 26));
      if (lines > 1 || random() % 2 == 0) content += random() % 4 == 0 ? "\r\n" : "\n";
    }
    if (content.empty()) continue;
    TemporaryDirectory directory;
    directory.write("a", content);
    const auto block = small_blocks(1 + random() % 100);
    const Lines all = Reading(directory.path("a"), true, {}, block).read(milliseconds(1));
    ASSERT_EQ(all.back().offset, static_cast<std::int64_t>(content.size()) - 1);
    for (std::size_t i = 0; i < all.size(); ++i) {
      Reading reading(directory.path("a"), true, {{"file:a", all[i].offset + 1}}, block);
      const Lines rest = reading.read(milliseconds(0));
      ASSERT_EQ(rest, Lines(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end())) << "after line " << i;
      ASSERT_EQ(reading.error, "");
      ASSERT_EQ(reading.source->fingerprint_at(reading.listener.assigned[0], {all[i].offset}).value(),
                line_fingerprint(all[i].value))
          << "of line " << i;
    }
  }
}

TEST(FileSource, fills_batches_across_blocks) {
  TemporaryDirectory directory;
  std::string content;
  for (int i = 0; i < 5000; ++i) content += "line " + std::to_string(i) + "\n";
  directory.write("a", content);
  Reading reading(directory.path("a"), false, {}, small_blocks(1000));
  std::vector<std::size_t> sizes;
  int expected = 0;
  while (auto batch = reading.source->poll(milliseconds(0)).value()) {
    sizes.push_back(batch->records.size());
    for (const auto& record : batch->records) ASSERT_EQ(record.value, "line " + std::to_string(expected++));
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{2048, 2048, 904}));
}

TEST(FileSource, batches_outlive_reading_on_and_the_source) {
  TemporaryDirectory directory;
  directory.write("a", "first\n");
  std::optional<RecordBatch> first;
  {
    Reading reading(directory.path("a"));
    first = reading.source->poll(milliseconds(0)).value();
    reading.check(*first);
    for (int i = 0; i < 50; ++i) directory.append("a", std::string(30, 'z') + "\n");
    EXPECT_EQ(reading.read().size(), 50U);
  }
  EXPECT_EQ(first->records[0].value, "first");
}

TEST(FileSource, batches_can_be_read_and_freed_on_another_thread_while_the_source_reads_on) {
  TemporaryDirectory directory;
  Reading reading(directory.path(), false, {}, small_blocks(4096));
  BoundedQueue<RecordBatch> queue({100, 1U << 20U});
  std::size_t read = 0;
  std::thread consumer([&] {
    while (auto batch = queue.pop()) {
      for (const auto& record : batch->records) read += record.value == std::string(record.value.size(), 'x') ? 1 : 0;
    }
  });
  constexpr std::size_t kLines = 300;
  std::size_t delivered = 0;
  for (std::size_t i = 0; i < kLines; ++i) directory.append("a", std::string(1 + i % 50, 'x') + "\n");
  while (delivered < kLines) {
    if (delivered % 3 == 0) directory.append("b", "xxx\n");
    auto batch = reading.source->poll(milliseconds(10)).value();
    if (!batch) continue;
    delivered += batch->records.size();
    const std::size_t bytes = batch->bytes;
    queue.push(std::move(*batch), {1, bytes});
  }
  queue.close();
  consumer.join();
  EXPECT_EQ(read, delivered);
}

TEST(FileSource, bounds_end_with_the_file_even_in_the_middle_of_a_line) {
  TemporaryDirectory directory;
  directory.write("a", "1\nhalf");
  Reading reading(directory.path("a"));
  const auto partition = reading.listener.assigned.at(0);
  EXPECT_EQ(reading.source->bounds(partition)->begin.value, 0);
  EXPECT_EQ(reading.source->bounds(partition)->end.value, 6);
  EXPECT_EQ(reading.source->bounds({"file:other:0", 0}).status().code(), StatusCode::kNotFound);
}

TEST(FileSource, bounds_and_fingerprints_can_be_asked_for_while_being_assigned) {
  TemporaryDirectory directory;
  directory.write("a", "1\n2\n");
  testing::Positions listener;
  const auto source = make_file_source({directory.path("a")});
  int asked = 0;
  listener.during_assignment = [&](const TopicPartition& partition) {
    ++asked;
    EXPECT_EQ(source->bounds(partition)->end.value, 4);
    EXPECT_EQ(source->fingerprint_at(partition, {3}).value(), line_fingerprint("2"));
  };
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  EXPECT_EQ(asked, 1);
}

TEST(FileSource, no_record_stands_behind_the_end) {
  TemporaryDirectory directory;
  directory.write("a", "1\n");
  Reading reading(directory.path("a"));
  EXPECT_FALSE(reading.source->fingerprint_at(reading.listener.assigned[0], {2}).value().has_value());
  EXPECT_FALSE(reading.source->fingerprint_at(reading.listener.assigned[0], {-1}).value().has_value());
}

TEST(FileSource, a_paused_file_is_left_out_until_resumed) {
  TemporaryDirectory directory;
  directory.write("a", "a1\n");
  directory.write("b", "b1\n");
  Reading reading(directory.path());
  reading.source->pause(reading.listener.assigned[0]);
  EXPECT_EQ(reading.read(milliseconds(1)), (Lines{{"file:b", 2, "b1"}}));
  reading.source->resume(reading.listener.assigned[0]);
  EXPECT_EQ(reading.read(milliseconds(1)), (Lines{{"file:a", 2, "a1"}}));
}

TEST(FileSource, a_name_in_a_source_id_cannot_look_like_another) {
  TemporaryDirectory directory;
  directory.write("a:b%\n", "1\n");
  Reading reading(directory.path());
  EXPECT_EQ(reading.listener.assigned.at(0).source, "file:a%3Ab%25%0A:" + line_fingerprint_text("1"));
}

TEST(FileSource, a_file_with_another_first_line_has_another_id) {
  TemporaryDirectory directory;
  directory.write("a", "1\n");
  const auto one = Reading(directory.path("a")).listener.assigned.at(0);
  directory.append("a", "2\n");
  EXPECT_EQ(Reading(directory.path("a")).listener.assigned.at(0), one);
  directory.write("a", "2\n");
  EXPECT_NE(Reading(directory.path("a")).listener.assigned.at(0), one);
}

TEST(FileSource, open_says_what_to_do_about_a_path_that_cannot_be_read) {
  TemporaryDirectory directory;
  Reading missing(directory.path("nowhere"));
  EXPECT_EQ(missing.status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(missing.status.detail().id, "file.not_found");
  EXPECT_FALSE(missing.status.detail().fix.empty());
  ASSERT_EQ(::mkfifo(directory.path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(Reading(directory.path("pipe")).status.detail().id, "file.not_a_file");
}

TEST(FileSource, poll_waits_no_longer_than_its_timeout) {
  TemporaryDirectory directory;
  Reading reading(directory.path());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(reading.source->poll(milliseconds(50)).value().has_value());
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, milliseconds(50));
  EXPECT_LT(took, milliseconds(500));
}

}  // namespace
}  // namespace inlet::source
