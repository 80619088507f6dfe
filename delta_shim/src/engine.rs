//! The kernel's engine over the local file system: one for the process, made on first use.

use std::sync::{Arc, OnceLock};

use delta_kernel::object_store::local::LocalFileSystem;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder};

use crate::error::{Result, ShimError};

pub type LocalEngine = DefaultEngine<TokioMultiThreadExecutor>;

/// Multi-threaded on purpose: on the kernel's default, single-threaded executor, reading the log while its output is
/// being written (a checkpoint) waits for itself for ever.
pub fn local() -> Result<Arc<LocalEngine>> {
    static ENGINE: OnceLock<std::result::Result<Arc<LocalEngine>, ShimError>> = OnceLock::new();
    ENGINE
        .get_or_init(|| {
            let executor = TokioMultiThreadExecutor::new_owned_runtime(Some(2), None)?;
            let store = Arc::new(LocalFileSystem::new());
            Ok(Arc::new(
                DefaultEngineBuilder::new(store)
                    .with_task_executor(Arc::new(executor))
                    .build(),
            ))
        })
        .clone()
}
