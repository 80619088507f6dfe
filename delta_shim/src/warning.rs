//! Where things are said that no return value can carry.

use std::ffi::{c_char, CString};
use std::sync::atomic::{AtomicPtr, Ordering};

pub type WarningHook = extern "C" fn(*const c_char);

static HOOK: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

pub fn set_hook(hook: Option<WarningHook>) {
    let pointer = hook.map_or(std::ptr::null_mut(), |f| f as *mut ());
    HOOK.store(pointer, Ordering::SeqCst);
}

pub fn warn(message: &str) {
    let pointer = HOOK.load(Ordering::Relaxed);
    if pointer.is_null() {
        return;
    }
    // SAFETY: only set_hook stores here, and it stores nothing but a WarningHook or null.
    let hook: WarningHook = unsafe { std::mem::transmute(pointer) };
    if let Ok(text) = CString::new(message.replace('\0', " ")) {
        hook(text.as_ptr());
    }
}
