//! The kernel's engine over the local file system, one for the process, and over an object store, one for each.

use std::sync::{Arc, OnceLock};

use delta_kernel::object_store::local::LocalFileSystem;
use delta_kernel::object_store::ObjectStore;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Result, ShimError};

pub type StoreEngine = DefaultEngine<TokioMultiThreadExecutor>;

/// What all I/O that is not a plain file's runs on. Multi-threaded on purpose: on the kernel's default, single-threaded
/// executor, reading the log while its output is being written (a checkpoint) waits for itself for ever.
pub fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::result::Result<Runtime, ShimError>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .enable_all()
            .worker_threads(2)
            .thread_name("delta")
            .build()
            .map_err(|e| ShimError::io("start threads for the Delta log", &e))
    });
    runtime.as_ref().map_err(Clone::clone)
}

pub fn over(store: Arc<dyn ObjectStore>) -> Result<Arc<StoreEngine>> {
    let executor = TokioMultiThreadExecutor::new(runtime()?.handle().clone());
    let builder = DefaultEngineBuilder::new(store).with_task_executor(Arc::new(executor));
    Ok(Arc::new(builder.build()))
}

pub fn local() -> Result<Arc<StoreEngine>> {
    static ENGINE: OnceLock<std::result::Result<Arc<StoreEngine>, ShimError>> = OnceLock::new();
    ENGINE.get_or_init(|| over(Arc::new(LocalFileSystem::new()))).clone()
}
