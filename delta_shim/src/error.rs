//! One error type for everything that crosses the border: a class for the caller, a sentence for a person.

use std::fmt;
use std::io;

use delta_kernel::KernelError;

use crate::store;

/// Mirrors `delta_shim_class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Class {
    Invalid = 1,
    NotFound = 2,
    Unsupported = 3,
    Transient = 4,
    Io = 5,
    Corruption = 6,
    Internal = 7,
    Denied = 8,
    NoStore = 9,
    NoCredentials = 10,
    NoConditionalPut = 11,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShimError {
    pub class: Class,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, ShimError>;

impl ShimError {
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
        }
    }
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Class::Invalid, message)
    }
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Class::Unsupported, message)
    }
    pub fn corruption(message: impl Into<String>) -> Self {
        Self::new(Class::Corruption, message)
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Class::Internal, message)
    }

    /// `doing`: what was tried, with the path: "write /lake/t/_delta_log/…".
    pub fn io(doing: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(class_of(error), format!("{doing}: {error}"))
    }
}

impl fmt::Display for ShimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Transient is what passes by itself. A full disk does not: the caller stops, says so, and goes on when restarted.
/// A missing file is Io here: only who looks for a table or a version may call it NotFound.
fn class_of(error: &io::Error) -> Class {
    const EINTR: i32 = 4;
    const EAGAIN: i32 = 11;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ETIMEDOUT: i32 = 110;
    const ESTALE: i32 = 116;
    match error.raw_os_error() {
        Some(EINTR | EAGAIN | ENFILE | EMFILE | ETIMEDOUT | ESTALE) => Class::Transient,
        _ => Class::Io,
    }
}

impl From<KernelError> for ShimError {
    fn from(error: KernelError) -> Self {
        // What the kernel reads with may have wrapped it in an error of its own: Parquet's, for a checkpoint that could
        // not be fetched.
        let from_store = store::cause::<delta_kernel::object_store::Error>(&error).map(store::class_of);
        if let Some(class @ (Class::Transient | Class::Denied | Class::NoStore | Class::NoCredentials)) = from_store {
            return Self::new(class, error.to_string());
        }
        let class = match &error {
            KernelError::IOError(e) => class_of(e),
            KernelError::Backtraced { source, .. } => return Self::new(class_of_kernel(source), error.to_string()),
            other => class_of_kernel(other),
        };
        Self::new(class, error.to_string())
    }
}

fn class_of_kernel(error: &KernelError) -> Class {
    match error {
        KernelError::IOError(e) => class_of(e),
        KernelError::ObjectStore(e) => store::class_of(e),
        KernelError::FileNotFound(_) => Class::Io,
        KernelError::Unsupported(_) => Class::Unsupported,
        KernelError::Arrow(_)
        | KernelError::Parquet(_)
        | KernelError::MalformedJson(_)
        | KernelError::Extract(..)
        | KernelError::MissingColumn(_)
        | KernelError::MissingData(_)
        | KernelError::MissingVersion(_)
        | KernelError::UnexpectedColumnType(_)
        | KernelError::MissingMetadata
        | KernelError::MissingProtocol
        | KernelError::InvalidProtocol(_)
        | KernelError::MissingMetadataAndProtocol
        | KernelError::InvalidCheckpoint(_)
        | KernelError::ParseError(..)
        | KernelError::Utf8Error(_) => Class::Corruption,
        _ => Class::Internal,
    }
}
