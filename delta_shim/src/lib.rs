//! Delta tables on local disk and in object stores for Inlet, behind the C ABI of `include/delta_shim.h`.
//!
//! ```text
//!   abi            the C functions: documents in and out, panics and errors become error handles
//!   table          a table that is open: its state, its commits, its checkpoints
//!   actions        a commit as JSON lines, written and read
//!   digest         what tells damage from what was written
//!   protocol       which tables are refused, by the name of the feature
//!   log_store      what is done to a log, wherever it lies
//!   log_files      the only writer of _delta_log on local disk: aside, fsync, link, fsync
//!   store          an object store: logs by conditional put, data files, small objects on conditions
//!   store_options  how an object store is reached, and where credentials come from
//!   checkpoint     what the kernel yields, written durably
//!   checksum_file  what a version holds in all, beside its checkpoint; and what of such a file is believed
//!   clean_up       what of a log nobody needs, removed behind a checkpoint that was held against it
//!   live_files     what the kernel's log replay says about a version
//!   engine         the kernel's engine over local disk or an object store
//! ```
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_op_in_unsafe_fn)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod abi;
mod actions;
mod checkpoint;
mod checksum_file;
mod clean_up;
mod digest;
mod engine;
mod error;
mod fault;
mod file_path;
mod live_files;
mod log_files;
mod log_store;
#[cfg(test)]
mod object_log_test;
mod protocol;
mod store;
mod store_options;
mod table;
#[cfg(test)]
mod test_directory;
mod warning;
