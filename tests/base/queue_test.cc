#include "base/queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace inlet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(BoundedQueues, give_items_in_the_order_they_came) {
  BoundedQueue<int> queue({.rows = 10, .bytes = 1000});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.push(i, {1, 10}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.pop(), i);
}

TEST(BoundedQueues, are_full_at_their_rows_and_at_their_bytes) {
  BoundedQueue<int> by_rows({.rows = 2, .bytes = 1000});
  BoundedQueue<int> by_bytes({.rows = 1000, .bytes = 20});
  int item = 7;
  for (auto* queue : {&by_rows, &by_bytes}) {
    EXPECT_TRUE(queue->try_push(item, {1, 10}));
    EXPECT_TRUE(queue->try_push(item, {1, 10}));
    EXPECT_FALSE(queue->try_push(item, {1, 10}));
    EXPECT_EQ(queue->used().rows, 2U);
    EXPECT_EQ(queue->used().bytes, 20U);
    EXPECT_TRUE(queue->pop());
    EXPECT_TRUE(queue->try_push(item, {1, 10}));
  }
}

TEST(BoundedQueues, leave_an_item_alone_that_they_do_not_take) {
  BoundedQueue<std::unique_ptr<int>> queue({.rows = 1, .bytes = 1});
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  EXPECT_TRUE(queue.try_push(first, {1, 1}));
  EXPECT_FALSE(queue.try_push(second, {1, 1}));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
}

TEST(BoundedQueues, take_an_item_heavier_than_the_limits_when_empty) {
  BoundedQueue<int> queue({.rows = 2, .bytes = 10});
  int item = 1;
  EXPECT_TRUE(queue.try_push(item, {5, 1000}));
  EXPECT_FALSE(queue.try_push(item, {0, 0}));
  EXPECT_TRUE(queue.pop());
  EXPECT_TRUE(queue.try_push(item, {0, 0}));
}

TEST(BoundedQueues, wake_a_waiting_producer_when_there_is_room) {
  BoundedQueue<int> queue({.rows = 1, .bytes = 100});
  EXPECT_TRUE(queue.push(1, {1, 1}));
  std::atomic<bool> pushed = false;
  std::thread producer([&] {
    EXPECT_TRUE(queue.push(2, {1, 1}));
    pushed = true;
  });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(pushed);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
  producer.join();
}

TEST(BoundedQueues, when_closed_give_what_is_left_and_then_end) {
  BoundedQueue<int> queue({.rows = 10, .bytes = 10});
  EXPECT_TRUE(queue.push(1, {1, 1}));
  queue.close();
  int item = 2;
  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.push(2, {1, 1}));
  EXPECT_FALSE(queue.try_push(item, {1, 1}));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueues, when_closed_wake_everybody_who_waits) {
  BoundedQueue<int> full({.rows = 1, .bytes = 1});
  BoundedQueue<int> empty({.rows = 1, .bytes = 1});
  EXPECT_TRUE(full.push(1, {1, 1}));
  std::thread producer([&] { EXPECT_FALSE(full.push(2, {1, 1})); });
  std::thread consumer([&] { EXPECT_EQ(empty.pop(), std::nullopt); });
  std::this_thread::sleep_for(milliseconds(10));
  full.close();
  empty.close();
  producer.join();
  consumer.join();
}

TEST(BoundedQueues, wait_no_longer_than_the_deadline) {
  BoundedQueue<int> queue({.rows = 1, .bytes = 1});
  const auto deadline = steady_clock::now() + milliseconds(20);
  EXPECT_EQ(queue.pop_until(deadline), std::nullopt);
  EXPECT_GE(steady_clock::now(), deadline);
  EXPECT_TRUE(queue.push(5, {1, 1}));
  EXPECT_EQ(queue.pop_until(steady_clock::now()), 5);
}

TEST(BoundedQueues, forget_erased_items_and_their_weight) {
  BoundedQueue<int> queue({.rows = 4, .bytes = 100});
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.push(i, {1, 10}));
  queue.erase_if([](int i) { return i % 2 == 0; });
  EXPECT_EQ(queue.used().rows, 2U);
  EXPECT_EQ(queue.used().bytes, 20U);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 3);
}

TEST(BoundedQueues, lose_and_repeat_nothing_between_threads) {
  constexpr int kProducers = 3;
  constexpr int kItems = 2000;
  BoundedQueue<int> queue({.rows = 8, .bytes = 64});
  std::vector<std::thread> threads;
  for (int p = 0; p < kProducers; ++p) {
    threads.emplace_back([&queue, p] {
      for (int i = 0; i < kItems; ++i) EXPECT_TRUE(queue.push(p * kItems + i, {1, 8}));
    });
  }
  std::vector<std::vector<int>> taken(2);
  std::vector<std::thread> consumers;
  for (auto& into : taken) {
    consumers.emplace_back([&queue, &into] {
      while (auto item = queue.pop()) into.push_back(*item);
    });
  }
  for (auto& thread : threads) thread.join();
  queue.close();
  for (auto& thread : consumers) thread.join();
  std::vector<int> all = taken[0];
  all.insert(all.end(), taken[1].begin(), taken[1].end());
  std::sort(all.begin(), all.end());
  std::vector<int> expected(kProducers * kItems);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
  EXPECT_EQ(queue.used().rows, 0U);
  EXPECT_EQ(queue.used().bytes, 0U);
}

}  // namespace
}  // namespace inlet
