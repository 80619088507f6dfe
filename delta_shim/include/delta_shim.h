/* Delta tables on local disk and in object stores, behind a small C ABI. Used by src/lake only.
 *
 * Documents are UTF-8 JSON. Strings in: pointer and length, borrowed for the call. Strings out: NUL-terminated, owned
 * by the caller, freed by delta_shim_string_free. Tables and errors have a free function each; freeing NULL is allowed.
 * Nothing that is not listed here crosses the border: no Arrow, no exception, no panic.
 *
 * Functions that return `delta_shim_error*` return NULL on success; otherwise no out parameter was written, and the
 * error is the caller's to free.
 *
 * Threads: every function may be called from any thread. Calls on one table are serialised inside, except
 * those that read older versions (files, tombstones, changes, read_commit, state_at, versions) and
 * clean_log, which run beside them.
 */
#ifndef DELTA_SHIM_H
#define DELTA_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct delta_shim_table delta_shim_table;
typedef struct delta_shim_store delta_shim_store;
typedef struct delta_shim_error delta_shim_error;

/* What the caller can do about an error. */
typedef enum delta_shim_class {
  DELTA_SHIM_INVALID = 1,     /* the document or the call is wrong */
  DELTA_SHIM_NOT_FOUND = 2,   /* no table, or no such version, stands there; never "could not look" */
  DELTA_SHIM_UNSUPPORTED = 3, /* a table feature or property that Inlet does not write, by name */
  DELTA_SHIM_TRANSIENT = 4,   /* worth trying again: EINTR, EAGAIN, EMFILE, ESTALE, ETIMEDOUT, ... */
  DELTA_SHIM_IO = 5,          /* the system's own words are in the message: ENOSPC, EIO, EACCES, ... */
  DELTA_SHIM_CORRUPTION = 6,  /* what stands in the log is not what a writer wrote */
  DELTA_SHIM_INTERNAL = 7,
  DELTA_SHIM_DENIED = 8,        /* the object store took the credentials and refused the request, or refused them */
  DELTA_SHIM_NO_STORE = 9,      /* the bucket is not there */
  DELTA_SHIM_NO_CREDENTIALS = 10, /* none were found, and no service of the machine hands any out */
  DELTA_SHIM_NO_CONDITIONAL_PUT = 11 /* the object store puts an object though the condition does not hold */
} delta_shim_class;

typedef enum delta_shim_outcome {
  DELTA_SHIM_COMMITTED = 0, /* stands in the log, and survives a power cut */
  DELTA_SHIM_CONFLICT = 1,  /* the version is taken, by whomever: even by this very commit */
  DELTA_SHIM_UNKNOWN = 2,   /* an error, before or after it became visible: look before doing anything else */
  DELTA_SHIM_REFUSED = 3    /* nothing was written: the commit itself is wrong */
} delta_shim_outcome;

/* What stands at a version of the log. */
typedef enum delta_shim_standing {
  DELTA_SHIM_ABSENT = 0,
  DELTA_SHIM_OURS = 1, /* a commit with the txnId asked for; it was flushed to disk again */
  DELTA_SHIM_ANOTHERS = 2
} delta_shim_standing;

/* Called at named points of a commit and of a checkpoint:
 *   lake.before_commit_write, lake.after_commit_write, lake.after_commit_fsync, lake.before_commit_link,
 *   lake.after_commit_link, lake.after_commit_dirsync, lake.before_checkpoint, lake.before_checksum_file,
 *   lake.after_checkpoint, lake.before_log_remove
 * Returns 0 to go on, or an errno: the committer then fails as if the system had said so. NULL (the default) removes
 * the hook. Must not call back into this library. For tests. */
void delta_shim_set_fault_hook(int (*hook)(const char* name));

/* Told about what no return value carries, such as a checkpoint that failed in the background. May be called from any
 * thread; the message is borrowed for the call. NULL removes it. */
void delta_shim_set_warning_hook(void (*hook)(const char* message));

delta_shim_class delta_shim_error_class(const delta_shim_error* error);
const char* delta_shim_error_message(const delta_shim_error* error); /* borrowed from the error */
void delta_shim_error_free(delta_shim_error* error);
void delta_shim_string_free(char* text);

/* A table is told by where it stands:
 *   store NULL:  `directory` (absolute) holds all of it; `name` is not looked at;
 *   otherwise:   its log is `name`/_delta_log below the store's URL, and `directory` is where its data files are written
 *                before they are put there (their digests are taken from it) and where checkpoints are put together.
 *
 * Writes version 0 (on local disk the directory is created with its parents, durably). `definition`:
 *   {"id":uuid,"txnId":uuid,"engineInfo":"…","name":"…","schemaString":"…","partitionColumns":["…"],
 *    "configuration":{"delta.…":"…"}}
 * CONFLICT: a table stands there already. `error` is written for UNKNOWN and REFUSED, and set to NULL otherwise. */
delta_shim_outcome delta_shim_table_create(delta_shim_store* store, const char* name, size_t name_length,
                                           const char* directory, size_t directory_length, const char* definition,
                                           size_t definition_length, delta_shim_error** error);

/* Opens a table at its newest version. Reads the checkpoint and every commit after it; a commit that
 * is empty or is not JSON is CORRUPTION. Removes temporary files of writers that are long dead.
 * UNSUPPORTED: delta.setTransactionRetentionDuration is set, or a feature Inlet does not write is in use.
 * The store may be freed before the table. */
delta_shim_error* delta_shim_table_open(delta_shim_store* store, const char* name, size_t name_length,
                                        const char* directory, size_t directory_length, delta_shim_table** table);

/* Waits for a checkpoint that is being written. */
void delta_shim_table_free(delta_shim_table* table);

/* The whole state of the table, as known, no I/O:
 *   {"version":n,"reset":true,"transactions":{"app id":n},"timestamp":ms or null,
 *    "table":{"id":"…","schemaString":"…","partitionColumns":[…],"configuration":{…}}} */
delta_shim_error* delta_shim_table_state(delta_shim_table* table, char** state);

/* The same of an older version, read from the log: its definition and its transactions as they were. NOT_FOUND: no such
 * version, or it was cleaned up; the message has the range there is. */
delta_shim_error* delta_shim_table_state_at(delta_shim_table* table, uint64_t version, char** state);

/* The oldest and the newest version that the log can still be replayed to. Lists the log. */
delta_shim_error* delta_shim_table_versions(delta_shim_table* table, uint64_t* oldest, uint64_t* newest);

/* Looks at the log and moves to its newest version. `advance` is as above; without "reset" and "table" when only commits
 * were added that did not touch them, and "transactions" then holds only those that were written since. */
delta_shim_error* delta_shim_table_refresh(delta_shim_table* table, char** advance);

/* Writes `commit` as version `read_version` + 1, exactly once or not at all: aside, fsync, hard link into place,
 * fsync of the directory; in an object store by a put that fails where the name is taken.
 *   {"txnId":"…","operation":"…","operationParameters":{},"operationMetrics":{"…":n},"info":{},"engineInfo":"…",
 *    "dataChange":true,"adds":[{"path":"…","size":n,"modificationTime":ms,"partitionValues":{"c":null},"stats":"…"}],
 *    "removes":["path"],"transactions":[{"appId":"…","version":n}],
 *    "table":{"schemaString":"…","partitionColumns":["…"]}}
 * `table`, if it is there: a metaData action makes the table's columns and partitioning these; its id, name and
 * configuration stay. REFUSED: it would be partitioned otherwise while a file of the old partitions stays.
 * Paths are relative to the table's directory, as on disk. COMMITTED writes `advance` (with "reset" where `table` was
 * given); UNKNOWN and REFUSED write `error`.
 * What is not written is set to NULL. After CONFLICT or UNKNOWN the table still stands at `read_version`. */
delta_shim_outcome delta_shim_table_commit(delta_shim_table* table, uint64_t read_version, const char* commit,
                                           size_t commit_length, char** advance, delta_shim_error** error);

/* What stands at `version`, and if it carries `txn_id`: whether it is ours. OURS is flushed to disk before the answer,
 * since the commit whose outcome was unknown may not have got that far; `timestamp` is its commitInfo.timestamp (ms). */
delta_shim_error* delta_shim_table_look(delta_shim_table* table, uint64_t version, const char* txn_id,
                                        size_t txn_id_length, delta_shim_standing* standing, int64_t* timestamp);

/* One commit, as history shows it: {"version":n,"timestamp":ms,"commitInfo":{…},"transactions":[{"appId":"…",
 * "version":n}],"addedFiles":n,"removedFiles":n}. NOT_FOUND: no such commit file (cleaned up, or never written). */
delta_shim_error* delta_shim_table_read_commit(delta_shim_table* table, uint64_t version, char** commit);

/* What one commit did to the rows: {"adds":[file],"removes":["path"],"removesData":bool,"changesTable":bool,"txnId":"…","timestamp":ms}.
 * `adds` are files as below, only those with dataChange; `removes`: all of them, by their paths on disk; removesData: a remove with dataChange is among the actions;
 * changesTable: a protocol or metaData action is. NOT_FOUND: no such commit file. UNSUPPORTED: a deletion vector. */
delta_shim_error* delta_shim_table_changes(delta_shim_table* table, uint64_t version, char** changes);

/* Live data files of a version: [{"path":"…","size":n,"modificationTime":ms,"partitionValues":{"c":null},"stats":"…","digest":"…"}].
 * Paths are as on disk; digest: where the log has one. Replays the log. */
delta_shim_error* delta_shim_table_files(delta_shim_table* table, uint64_t version, char** files);

/* Files that were removed, as of a version, and when: [{"path":"…","deletionTimestamp":ms}]. What a checkpoint has
 * forgotten (delta.deletedFileRetentionDuration) is not among them; what was added again since is. */
delta_shim_error* delta_shim_table_tombstones(delta_shim_table* table, uint64_t version, char** tombstones);

/* Removes from the log what is about versions before a checkpoint alone: the newest one at or before both `keep_from` and
 * the newest version that was committed (by its file's time) before `expired_before`; one is written where none is
 * within delta.checkpointInterval. That checkpoint is read back whole before, and held against the log. `cleaned`:
 *   {"oldest":n,"removedFiles":n,"removedBytes":n}, `oldest` being the oldest version that can be read afterwards.
 * With `dry_run` nothing is written, removed or read back. CORRUPTION: the checkpoint says something else than the log;
 * nothing was removed. */
delta_shim_error* delta_shim_table_clean_log(delta_shim_table* table, int64_t expired_before, uint64_t keep_from,
                                             int dry_run, char** cleaned);

/* The digest of a file's bytes, as it stands in the tags of the add actions and in "digest" of the files above:
 * "xxh64:0123456789abcdef" (XXH64 with seed 0). "": no such file. */
delta_shim_error* delta_shim_file_digest(const char* path, size_t path_length, char** digest);

/* ---- object stores ----
 *
 * Names are those of objects below the store's URL. Requests that fail for a reason that passes (a lost connection, a
 * time-out, 5xx, 429) are tried again with back-off until "retryTimeoutMs" is over, and are TRANSIENT then. DENIED,
 * NO_STORE, NO_CREDENTIALS: as above. Every function may be called from any thread, and calls run side by side.
 *
 * Before the first object that a process puts, by whichever function, a commit and a checkpoint among them, the store is
 * tried: an object of a fixed name is put where it stands already, and on a condition that does not hold.
 * NO_CONDITIONAL_PUT: it let either through, so that two writers would overwrite each other's commits; nothing else was
 * put. */

/* `url`: s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, abfss://…, gs://BUCKET/PREFIX. `options`:
 *   {"endpoint":"…","region":"…","profile":"…","allowHttp":bool,"virtualHosted":bool,"timeoutMs":n,"retryTimeoutMs":n}
 * each may be left out; another one is INVALID. Asks the store nothing. */
delta_shim_error* delta_shim_store_open(const char* url, size_t url_length, const char* options, size_t options_length,
                                        delta_shim_store** store);
void delta_shim_store_free(delta_shim_store* store);

/* Tries the store now, unless it was already: for who is going to write. */
delta_shim_error* delta_shim_store_check_writable(delta_shim_store* store);

/* Local files to objects: [{"key":"name","path":"/…"}], some at once, large ones in pieces. An object is whole or not
 * there. A file that was put is made read-only. The first error ends it; what was put stays. */
delta_shim_error* delta_shim_store_put_files(delta_shim_store* store, const char* files, size_t files_length);

/* Objects to local files: [{"key":"name","path":"/…","size":n,"digest":"xxh64:…"}]; a digest of "" is not looked at.
 * Written aside, held against size and digest, made read-only, renamed; directories are created.
 * NOT_FOUND: the object is gone. CORRUPTION: it is not what the log has. */
delta_shim_error* delta_shim_store_get_files(delta_shim_store* store, const char* files, size_t files_length);

/* Those of `names` (["name",…], all below `folder`) that are no objects, as a list like it. */
delta_shim_error* delta_shim_store_missing(delta_shim_store* store, const char* folder, size_t folder_length,
                                           const char* names, size_t names_length, char** missing);

/* Every object below `folder`: [{"key":"name","size":n,"modifiedMs":n}]. */
delta_shim_error* delta_shim_store_list(delta_shim_store* store, const char* folder, size_t folder_length, char** listed);

/* The names of all tables, sorted. */
delta_shim_error* delta_shim_store_tables(delta_shim_store* store, char** tables);

/* An object that is gone already is no error. */
delta_shim_error* delta_shim_store_delete(delta_shim_store* store, const char* name, size_t name_length);

/* A small object: {"text":"…","tag":"…"}, or null where none is. */
delta_shim_error* delta_shim_store_get(delta_shim_store* store, const char* name, size_t name_length, char** found);

/* Puts a small object: where none stands (`tag` empty), or where what stands still has `tag`. COMMITTED writes its new
 * tag, as a JSON text. CONFLICT: something else stands there, or this very text: the reply to an earlier try was lost.
 * UNKNOWN writes `error`. */
delta_shim_outcome delta_shim_store_put(delta_shim_store* store, const char* name, size_t name_length, const char* text,
                                        size_t text_length, const char* tag, size_t tag_length, char** new_tag,
                                        delta_shim_error** error);

#ifdef __cplusplus
}
#endif

#endif
