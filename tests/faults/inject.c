// A library to preload that makes the system calls a lake lives by fail, or kills the program in them.
//
//   LD_PRELOAD=libinlet_inject.so INLET_INJECT_PREFIX=/path/of/the/lake INLET_INJECT=fsync:7:kill inlet run ...
//
// INLET_INJECT is a list, separated by commas, of KIND:N:ACTION[:CALLS]. The N-th call (from 1) of KIND on a path below
// the prefix, counted over all threads, is answered by ACTION:
//   kill         SIGKILL instead of the call
//   after-kill   SIGKILL right after the call
//   torn-kill    of a write: half of the bytes are written, then SIGKILL
//   EIO, ENOSPC, EROFS, EDQUOT, EACCES, EMFILE    the call is not made, and fails so
//   unknown-EIO  the call is made, and then reported as failed: an outcome nobody can know
//   delay        the call is made after three seconds
// An error goes on for CALLS calls (1 unless said), or with "forever"; never while the file INLET_INJECT_UNTIL exists.
// KIND: fsync (fdatasync too), rename, link, write (every form of it), open (which may create), or any.
//
// INLET_INJECT_TRACE names a file that gets one line per counted call, "KIND PATH\n" (of a rename or link: the new
// path, then a tab and the old one), written before the call with O_APPEND, so that a test can see the order of things.
//
// Calls that do not go through the C library's symbols are not seen.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum Kind { kFsync, kRename, kLink, kWrite, kOpen, kKinds };
static const char* const kKindNames[kKinds] = {"fsync", "rename", "link", "write", "open"};

enum Action { kNone, kKill, kAfterKill, kTornKill, kError, kErrorAfterCall, kDelay };

struct Rule {
  unsigned kinds;  // bit per Kind
  long at;
  long calls;
  enum Action action;
  int error;
  atomic_long seen;
};

enum { kMaxRules = 8 };
static struct Rule rules[kMaxRules];
static int rule_count;
static char prefix[PATH_MAX];
static size_t prefix_length;
static const char* until_file;
static int trace_fd = -1;

static void complain(const char* text) {
  static const char kPrefix[] = "inlet_inject: ";
  syscall(SYS_write, STDERR_FILENO, kPrefix, sizeof kPrefix - 1);
  syscall(SYS_write, STDERR_FILENO, text, strlen(text));
  syscall(SYS_write, STDERR_FILENO, "\n", 1);
  _exit(99);
}

static bool read_action(const char* text, struct Rule* rule) {
  static const struct {
    const char* name;
    enum Action action;
    int error;
  } kActions[] = {{"kill", kKill, 0},          {"after-kill", kAfterKill, 0},
                  {"torn-kill", kTornKill, 0}, {"EIO", kError, EIO},
                  {"ENOSPC", kError, ENOSPC},  {"EROFS", kError, EROFS},
                  {"EDQUOT", kError, EDQUOT},  {"EACCES", kError, EACCES},
                  {"EMFILE", kError, EMFILE},  {"unknown-EIO", kErrorAfterCall, EIO},
                  {"delay", kDelay, 0}};
  for (size_t i = 0; i < sizeof kActions / sizeof *kActions; ++i) {
    if (strcmp(text, kActions[i].name) != 0) continue;
    rule->action = kActions[i].action;
    rule->error = kActions[i].error;
    return true;
  }
  return false;
}

static void read_rule(char* text) {
  if (rule_count == kMaxRules) complain("too many rules");
  struct Rule* rule = &rules[rule_count++];
  char* rest = text;
  const char* kind = strsep(&rest, ":");
  const char* at = strsep(&rest, ":");
  const char* action = strsep(&rest, ":");
  for (int k = 0; k < kKinds; ++k) {
    if (strcmp(kind, "any") == 0 || strcmp(kind, kKindNames[k]) == 0) rule->kinds |= 1U << k;
  }
  if (rule->kinds == 0 || at == NULL || action == NULL || !read_action(action, rule)) complain("not a rule");
  rule->at = strtol(at, NULL, 10);
  rule->calls = rest == NULL ? 1 : strcmp(rest, "forever") == 0 ? LONG_MAX : strtol(rest, NULL, 10);
  if (rule->at < 1 || rule->calls < 1) complain("counts begin at 1");
}

__attribute__((constructor)) static void read_environment(void) {
  const char* wanted = getenv("INLET_INJECT_PREFIX");
  if (wanted == NULL || realpath(wanted, prefix) == NULL) return;  // nothing to count: nothing is touched
  prefix_length = strlen(prefix);
  until_file = getenv("INLET_INJECT_UNTIL");
  const char* trace = getenv("INLET_INJECT_TRACE");
  if (trace != NULL) {
    trace_fd = (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (trace_fd < 0) complain("the trace cannot be opened");
  }
  const char* text = getenv("INLET_INJECT");
  if (text == NULL) return;
  char* copy = strdup(text);
  char* rest = copy;
  for (char* one = strsep(&rest, ","); one != NULL; one = strsep(&rest, ",")) read_rule(one);
  free(copy);
}

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

static void wait_three_seconds(void) {
  struct timespec left = {3, 0};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

// --- which file a call is about ---

static bool below_prefix(const char* path) {
  return strncmp(path, prefix, prefix_length) == 0 && (path[prefix_length] == '/' || path[prefix_length] == '\0');
}

static bool path_of_fd(int fd, char out[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, out, PATH_MAX - 1);
  if (length < 0) return false;
  out[length] = '\0';
  return true;
}

static bool absolute_path(int directory, const char* path, char out[PATH_MAX]) {
  if (path == NULL) return false;
  if (path[0] == '/') return (size_t)snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
  char base[PATH_MAX];
  if (directory == AT_FDCWD ? getcwd(base, sizeof base) == NULL : !path_of_fd(directory, base)) return false;
  return (size_t)snprintf(out, PATH_MAX, "%s/%s", base, path) < PATH_MAX;
}

// --- what happens to it ---

struct Verdict {
  enum Action action;
  int error;
};

static void trace(enum Kind kind, const char* path, const char* old_path) {
  if (trace_fd < 0) return;
  char line[2 * PATH_MAX + 32];
  const int length = snprintf(line, sizeof line, "%s %s%s%s\n", kKindNames[kind], path, old_path != NULL ? "\t" : "",
                              old_path != NULL ? old_path : "");
  syscall(SYS_write, trace_fd, line, (size_t)length);
}

static struct Verdict judge(enum Kind kind, const char* path, const char* old_path) {
  struct Verdict verdict = {kNone, 0};
  if (prefix_length == 0 || !below_prefix(path)) return verdict;
  trace(kind, path, old_path);
  for (int i = 0; i < rule_count; ++i) {
    struct Rule* rule = &rules[i];
    if ((rule->kinds & 1U << kind) == 0) continue;
    const long call = atomic_fetch_add(&rule->seen, 1) + 1;
    if (call < rule->at || call - rule->at >= rule->calls) continue;
    const bool is_error = rule->action == kError || rule->action == kErrorAfterCall;
    if (is_error && until_file != NULL && syscall(SYS_access, until_file, F_OK) == 0) continue;
    if (rule->action == kKill) die();
    if (rule->action == kDelay) {
      wait_three_seconds();
      continue;
    }
    verdict.action = rule->action;
    verdict.error = rule->error;
  }
  return verdict;
}

static struct Verdict judge_fd(enum Kind kind, int fd) {
  struct Verdict verdict = {kNone, 0};
  char path[PATH_MAX];
  if (prefix_length == 0) return verdict;
  const int kept = errno;
  if (path_of_fd(fd, path)) verdict = judge(kind, path, NULL);
  errno = kept;
  return verdict;
}

static struct Verdict judge_paths(enum Kind kind, int directory, const char* path, int old_directory,
                                  const char* old_path) {
  struct Verdict verdict = {kNone, 0};
  char absolute[PATH_MAX];
  char old_absolute[PATH_MAX];
  if (prefix_length == 0) return verdict;
  const int kept = errno;
  const bool has_old = old_path != NULL && absolute_path(old_directory, old_path, old_absolute);
  if (absolute_path(directory, path, absolute)) verdict = judge(kind, absolute, has_old ? old_absolute : NULL);
  errno = kept;
  return verdict;
}

// Makes the call unless the verdict says otherwise, and dies after it where it says so.
#define ANSWER(type, verdict, call)                            \
  do {                                                         \
    if ((verdict).action == kError) {                          \
      errno = (verdict).error;                                 \
      return (type)-1;                                         \
    }                                                          \
    const type answer_ = (call);                               \
    if ((verdict).action == kAfterKill) die();                 \
    if ((verdict).action == kTornKill) die();                  \
    if ((verdict).action == kErrorAfterCall && answer_ >= 0) { \
      errno = (verdict).error;                                 \
      return (type)-1;                                         \
    }                                                          \
    return answer_;                                            \
  } while (false)

static void* real_symbol(const char* name) {
  void* symbol = dlsym(RTLD_NEXT, name);
  if (symbol == NULL) complain(name);
  return symbol;
}

int fsync(int fd) {
  const struct Verdict verdict = judge_fd(kFsync, fd);
  ANSWER(int, verdict, (int)syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
  const struct Verdict verdict = judge_fd(kFsync, fd);
  ANSWER(int, verdict, (int)syscall(SYS_fdatasync, fd));
}

int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned int flags) {
  const struct Verdict verdict = judge_paths(kRename, to_directory, to, from_directory, from);
  ANSWER(int, verdict, (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags));
}

int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  return renameat2(from_directory, from, to_directory, to, 0);
}

int rename(const char* from, const char* to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) {
  const struct Verdict verdict = judge_paths(kLink, to_directory, to, from_directory, from);
  ANSWER(int, verdict, (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags));
}

int link(const char* from, const char* to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

static size_t part(struct Verdict verdict, size_t count) { return verdict.action == kTornKill ? count / 2 : count; }

ssize_t write(int fd, const void* bytes, size_t count) {
  const struct Verdict verdict = judge_fd(kWrite, fd);
  ANSWER(ssize_t, verdict, syscall(SYS_write, fd, bytes, part(verdict, count)));
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  const struct Verdict verdict = judge_fd(kWrite, fd);
  ANSWER(ssize_t, verdict, syscall(SYS_pwrite64, fd, bytes, part(verdict, count), offset));
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) { return pwrite64(fd, bytes, count, offset); }

ssize_t writev(int fd, const struct iovec* parts, int count) {
  const struct Verdict verdict = judge_fd(kWrite, fd);
  ANSWER(ssize_t, verdict, syscall(SYS_writev, fd, parts, (int)part(verdict, (size_t)count)));
}

static int open_counted(int directory, const char* path, int flags, mode_t mode) {
  struct Verdict verdict = {kNone, 0};
  if ((flags & O_CREAT) != 0) verdict = judge_paths(kOpen, directory, path, AT_FDCWD, NULL);
  ANSWER(int, verdict, (int)syscall(SYS_openat, directory, path, flags, mode));
}

static bool has_mode(int flags) { return (flags & (O_CREAT | __O_TMPFILE)) != 0; }

#define MODE_ARGUMENT(flags)          \
  mode_t mode = 0;                    \
  if (has_mode(flags)) {              \
    va_list arguments;                \
    va_start(arguments, flags);       \
    mode = va_arg(arguments, mode_t); \
    va_end(arguments);                \
  }

int open(const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_counted(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_counted(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int directory, const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_counted(directory, path, flags, mode);
}

int openat64(int directory, const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_counted(directory, path, flags | O_LARGEFILE, mode);
}

int creat(const char* path, mode_t mode) { return open_counted(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int creat64(const char* path, mode_t mode) { return creat(path, mode); }

// stdio ends in the C library's own write, which no symbol leads to: only the opening is seen here.
static FILE* fopen_counted(const char* name, const char* path, const char* mode) {
  if (mode[0] != 'r') {
    const struct Verdict verdict = judge_paths(kOpen, AT_FDCWD, path, AT_FDCWD, NULL);
    if (verdict.action == kError) {
      errno = verdict.error;
      return NULL;
    }
  }
  return ((FILE * (*)(const char*, const char*)) real_symbol(name))(path, mode);
}

FILE* fopen(const char* path, const char* mode) { return fopen_counted("fopen", path, mode); }

FILE* fopen64(const char* path, const char* mode) { return fopen_counted("fopen64", path, mode); }
