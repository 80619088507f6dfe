//! The kernel's engine over the local file system, one for the process, and over an object store, one for each.

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use delta_kernel::object_store::local::LocalFileSystem;
use delta_kernel::object_store::ObjectStore;
use delta_kernel::{Engine, KernelResult};
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::executor::TaskExecutor;
use delta_kernel_default_engine::DefaultEngineBuilder;
use tokio::runtime::{Builder, Runtime};

use crate::error::{Result, ShimError};

/// What requests to an object store run on.
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

/// Multi-threaded on purpose: on the kernel's default, single-threaded executor, reading the log while its output is
/// being written (a checkpoint) waits for itself for ever.
pub fn over(store: Arc<dyn ObjectStore>) -> Result<Arc<dyn Engine>> {
    let executor = TokioMultiThreadExecutor::new(runtime()?.handle().clone());
    let builder = DefaultEngineBuilder::new(store).with_task_executor(Arc::new(executor));
    Ok(Arc::new(builder.build()))
}

pub fn local() -> Arc<dyn Engine> {
    static ENGINE: OnceLock<Arc<dyn Engine>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let builder = DefaultEngineBuilder::new(Arc::new(LocalFileSystem::new()));
        Arc::new(builder.with_task_executor(Arc::new(CallingThread)).build())
    });
    Arc::clone(engine)
}

/// Runs a task in the thread that asks for its result, also inside another one: nothing of the local file system is
/// awaited (object_store calls it directly where it finds no runtime). To hand every commit and every name of a listing
/// to another thread and back takes longer than to read them.
struct CallingThread;

/// A task whose thread waits for it. The flag is its own: of two tasks in one thread either may be woken.
struct Awaited {
    is_woken: AtomicBool,
    thread: Thread,
}

impl Wake for Awaited {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl TaskExecutor for CallingThread {
    type Guard<'a> = ();

    fn block_on<T>(&self, task: T) -> T::Output
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        let awaited = Arc::new(Awaited {
            is_woken: AtomicBool::new(false),
            thread: thread::current(),
        });
        let waker = Waker::from(Arc::clone(&awaited));
        let mut context = Context::from_waker(&waker);
        let mut task = pin!(task);
        loop {
            if let Poll::Ready(output) = task.as_mut().poll(&mut context) {
                return output;
            }
            while !awaited.is_woken.swap(false, Ordering::Acquire) {
                thread::park();
            }
        }
    }

    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.block_on(task);
    }

    fn spawn_blocking<T, R>(&self, task: T) -> Pin<Box<dyn Future<Output = KernelResult<R>> + Send + '_>>
    where
        T: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        Box::pin(async { Ok(task()) })
    }

    fn enter(&self) {}
}

#[cfg(test)]
mod tests {
    use std::future;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    /// Pending until another thread, a moment later, says otherwise.
    fn told_by_another_thread() -> impl Future<Output = i32> + Send {
        let told: Arc<Mutex<Option<i32>>> = Arc::default();
        let mut is_begun = false;
        future::poll_fn(move |context| {
            if let Some(value) = *told.lock().unwrap() {
                return Poll::Ready(value);
            }
            if !std::mem::replace(&mut is_begun, true) {
                let (told, waker) = (Arc::clone(&told), context.waker().clone());
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(20));
                    *told.lock().unwrap() = Some(7);
                    waker.wake();
                });
            }
            Poll::Pending
        })
    }

    #[test]
    fn a_task_is_waited_for_in_the_thread_that_asks() {
        assert_eq!(CallingThread.block_on(told_by_another_thread()), 7);
        let asking = thread::current().id();
        assert_eq!(CallingThread.block_on(async { thread::current().id() }), asking);
    }

    #[test]
    fn a_task_may_wait_for_another_one_and_be_woken_meanwhile() {
        let mut is_begun = false;
        let outer = future::poll_fn(move |context| {
            if std::mem::replace(&mut is_begun, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref(); // before the other one parks the thread
            assert_eq!(CallingThread.block_on(told_by_another_thread()), 7);
            Poll::Pending
        });
        CallingThread.block_on(outer);
    }
}
