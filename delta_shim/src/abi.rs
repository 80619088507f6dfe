//! The C functions. Contracts are in `include/delta_shim.h`; here is only the crossing: pointers become slices,
//! results become out parameters, and a panic becomes an error instead of unwinding into C.

use std::any::Any;
use std::ffi::{c_char, c_int, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::digest;
use crate::error::{Class, Result, ShimError};
use crate::fault::{self, FaultHook};
use crate::store::{Placed, Store, Transfer};
use crate::table::{self, Location, Outcome, Standing, Table};
use crate::warning::{self, WarningHook};

pub struct ErrorHandle {
    class: Class,
    message: CString,
}

pub struct TableHandle(Table);

pub struct StoreHandle(Arc<Store>);

/// Mirrors `delta_shim_outcome`.
#[repr(C)]
pub enum OutcomeCode {
    Committed = 0,
    Conflict = 1,
    Unknown = 2,
    Refused = 3,
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

fn error_handle(error: &ShimError) -> *mut ErrorHandle {
    Box::into_raw(Box::new(ErrorHandle {
        class: error.class,
        message: c_string(&error.message),
    }))
}

fn document<T: Serialize>(value: &T) -> Result<*mut c_char> {
    let text = serde_json::to_string(value).map_err(|e| ShimError::internal(format!("write a document: {e}")))?;
    Ok(c_string(&text).into_raw())
}

fn of_panic(panic: &(dyn Any + Send)) -> ShimError {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    ShimError::internal(format!("panic in the Delta library: {}", text.unwrap_or_default()))
}

fn guarded(body: impl FnOnce() -> Result<()>) -> *mut ErrorHandle {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => std::ptr::null_mut(),
        Ok(Err(e)) => error_handle(&e),
        Err(panic) => error_handle(&of_panic(panic.as_ref())),
    }
}

/// # Safety
/// `text` points to `length` bytes that live through the call, or `length` is 0.
unsafe fn text_in<'a>(text: *const c_char, length: usize) -> Result<&'a str> {
    if text.is_null() || length == 0 {
        return Ok("");
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    std::str::from_utf8(bytes).map_err(|e| ShimError::invalid(format!("text that is not UTF-8: {e}")))
}

/// # Safety
/// `table` is null or a live handle.
unsafe fn table_in<'a>(table: *const TableHandle) -> Result<&'a Table> {
    // SAFETY: the caller's promise.
    unsafe { table.as_ref() }
        .map(|t| &t.0)
        .ok_or_else(|| ShimError::invalid("no table was given"))
}

/// # Safety
/// `out` is null or may be written.
unsafe fn put<T>(out: *mut T, value: T) -> Result<()> {
    if out.is_null() {
        return Err(ShimError::invalid("no out parameter was given"));
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(value) };
    Ok(())
}

/// Turns an outcome into its code and out parameters; a panic is an outcome nobody knows.
///
/// # Safety
/// `advance` and `error` are null or may be written.
unsafe fn settle<T: Serialize>(
    body: impl FnOnce() -> Outcome<T>,
    advance: *mut *mut c_char,
    error: *mut *mut ErrorHandle,
) -> OutcomeCode {
    // SAFETY: the caller's promise.
    unsafe {
        if !advance.is_null() {
            advance.write(std::ptr::null_mut());
        }
        if !error.is_null() {
            error.write(std::ptr::null_mut());
        }
    }
    let fail = |e: &ShimError, code: OutcomeCode| {
        if !error.is_null() {
            // SAFETY: the caller's promise.
            unsafe { error.write(error_handle(e)) };
        }
        code
    };
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Outcome::Committed(_)) if advance.is_null() => OutcomeCode::Committed,
        Ok(Outcome::Committed(value)) => match document(&value) {
            Ok(text) => {
                // SAFETY: the caller's promise.
                unsafe { advance.write(text) };
                OutcomeCode::Committed
            }
            Err(e) => fail(&e, OutcomeCode::Unknown),
        },
        Ok(Outcome::Conflict) => OutcomeCode::Conflict,
        Ok(Outcome::Unknown(e)) => fail(&e, OutcomeCode::Unknown),
        Ok(Outcome::Refused(e)) => fail(&e, OutcomeCode::Refused),
        Err(panic) => fail(&of_panic(panic.as_ref()), OutcomeCode::Unknown),
    }
}

#[no_mangle]
pub extern "C" fn delta_shim_set_fault_hook(hook: Option<FaultHook>) {
    fault::set_hook(hook);
}

#[no_mangle]
pub extern "C" fn delta_shim_set_warning_hook(hook: Option<WarningHook>) {
    warning::set_hook(hook);
}

/// # Safety
/// `error` is a live handle.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_error_class(error: *const ErrorHandle) -> Class {
    // SAFETY: the caller's promise.
    unsafe { error.as_ref() }.map_or(Class::Internal, |e| e.class)
}

/// # Safety
/// `error` is a live handle.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_error_message(error: *const ErrorHandle) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |e| e.message.as_ptr())
}

/// # Safety
/// `error` is null, or a handle that is used no more.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_error_free(error: *mut ErrorHandle) {
    if !error.is_null() {
        // SAFETY: made by Box::into_raw, and given back once.
        drop(unsafe { Box::from_raw(error) });
    }
}

/// # Safety
/// `text` is null, or a string of this library that is used no more.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_string_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: made by CString::into_raw, and given back once.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// # Safety
/// `store` is null or a live handle; the texts are as `text_in` wants them.
unsafe fn location_in(
    store: *const StoreHandle,
    name: *const c_char,
    name_length: usize,
    directory: *const c_char,
    directory_length: usize,
) -> Result<Location> {
    // SAFETY: the caller's promise.
    unsafe {
        let directory = Path::new(text_in(directory, directory_length)?);
        match store.as_ref() {
            None => Location::local(directory),
            Some(store) => Location::in_store(&store.0, text_in(name, name_length)?, directory),
        }
    }
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_create(
    store: *const StoreHandle,
    name: *const c_char,
    name_length: usize,
    directory: *const c_char,
    directory_length: usize,
    definition: *const c_char,
    definition_length: usize,
    error: *mut *mut ErrorHandle,
) -> OutcomeCode {
    let body = || {
        // SAFETY: the caller's promise.
        let given = unsafe {
            location_in(store, name, name_length, directory, directory_length)
                .and_then(|at| Ok((at, text_in(definition, definition_length)?)))
        };
        match given {
            Ok((at, definition)) => table::create(&at, definition),
            Err(e) => Outcome::Refused(e),
        }
    };
    // SAFETY: the caller's promise.
    unsafe { settle(body, std::ptr::null_mut(), error) }
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_open(
    store: *const StoreHandle,
    name: *const c_char,
    name_length: usize,
    directory: *const c_char,
    directory_length: usize,
    table: *mut *mut TableHandle,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        let at = unsafe { location_in(store, name, name_length, directory, directory_length) }?;
        let opened = Table::open(at)?;
        // SAFETY: the caller's promise.
        unsafe { put(table, Box::into_raw(Box::new(TableHandle(opened)))) }
    })
}

/// # Safety
/// `table` is null, or a handle that is used no more.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_free(table: *mut TableHandle) {
    if !table.is_null() {
        // SAFETY: made by Box::into_raw, and given back once.
        let table = unsafe { Box::from_raw(table) };
        let panicked = guarded(|| {
            drop(table);
            Ok(())
        });
        // SAFETY: made just above.
        unsafe { delta_shim_error_free(panicked) };
    }
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_state(
    table: *const TableHandle,
    state: *mut *mut c_char,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { put(state, document(&table_in(table)?.state())?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_state_at(
    table: *const TableHandle,
    version: u64,
    state: *mut *mut c_char,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { put(state, document(&table_in(table)?.state_at(version)?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_versions(
    table: *const TableHandle,
    oldest: *mut u64,
    newest: *mut u64,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe {
            let (first, last) = table_in(table)?.versions()?;
            put(oldest, first)?;
            put(newest, last)
        }
    })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_refresh(
    table: *const TableHandle,
    advance: *mut *mut c_char,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { put(advance, document(&table_in(table)?.refresh()?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_commit(
    table: *const TableHandle,
    read_version: u64,
    commit: *const c_char,
    commit_length: usize,
    advance: *mut *mut c_char,
    error: *mut *mut ErrorHandle,
) -> OutcomeCode {
    let body = || {
        // SAFETY: the caller's promise.
        let given = unsafe { table_in(table).and_then(|t| Ok((t, text_in(commit, commit_length)?))) };
        match given {
            Ok((table, commit)) => table.commit(read_version, commit),
            Err(e) => Outcome::Refused(e),
        }
    };
    // SAFETY: the caller's promise.
    unsafe { settle(body, advance, error) }
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_look(
    table: *const TableHandle,
    version: u64,
    txn_id: *const c_char,
    txn_id_length: usize,
    standing: *mut Standing,
    timestamp: *mut i64,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe {
            let (found, when) = table_in(table)?.look(version, text_in(txn_id, txn_id_length)?)?;
            put(standing, found)?;
            put(timestamp, when)
        }
    })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_read_commit(
    table: *const TableHandle,
    version: u64,
    commit: *mut *mut c_char,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { put(commit, document(&table_in(table)?.history_line(version)?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_changes(
    table: *const TableHandle,
    version: u64,
    changes: *mut *mut c_char,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { put(changes, document(&table_in(table)?.changes(version)?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_files(
    table: *const TableHandle,
    version: u64,
    files: *mut *mut c_char,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { put(files, document(&table_in(table)?.files(version)?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_tombstones(
    table: *const TableHandle,
    version: u64,
    tombstones: *mut *mut c_char,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { put(tombstones, document(&table_in(table)?.tombstones(version)?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_table_clean_log(
    table: *const TableHandle,
    expired_before: i64,
    keep_from: u64,
    dry_run: c_int,
    cleaned: *mut *mut c_char,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe {
            let report = table_in(table)?.clean_log(expired_before, keep_from, dry_run != 0)?;
            put(cleaned, document(&report)?)
        }
    })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_file_digest(
    path: *const c_char,
    path_length: usize,
    digest: *mut *mut c_char,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe {
            let found = digest::of_file(Path::new(text_in(path, path_length)?))?;
            put(digest, c_string(&found.unwrap_or_default()).into_raw())
        }
    })
}

// ---- object stores --------------------------------------------------------------------------------------------------

/// # Safety
/// `store` is null or a live handle.
unsafe fn store_in<'a>(store: *const StoreHandle) -> Result<&'a Arc<Store>> {
    // SAFETY: the caller's promise.
    unsafe { store.as_ref() }
        .map(|s| &s.0)
        .ok_or_else(|| ShimError::invalid("no store was given"))
}

fn list_in<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>> {
    serde_json::from_str(text).map_err(|e| ShimError::invalid(format!("a list for the object store: {e}")))
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_open(
    url: *const c_char,
    url_length: usize,
    options: *const c_char,
    options_length: usize,
    store: *mut *mut StoreHandle,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe {
            let opened = Store::open(text_in(url, url_length)?, text_in(options, options_length)?)?;
            put(store, Box::into_raw(Box::new(StoreHandle(opened))))
        }
    })
}

/// # Safety
/// `store` is null, or a handle that is used no more.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_free(store: *mut StoreHandle) {
    if !store.is_null() {
        // SAFETY: made by Box::into_raw, and given back once.
        drop(unsafe { Box::from_raw(store) });
    }
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_check_writable(store: *const StoreHandle) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { store_in(store)?.check_writable() })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_put_files(
    store: *const StoreHandle,
    files: *const c_char,
    files_length: usize,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { store_in(store)?.put_files(&list_in::<Transfer>(text_in(files, files_length)?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_get_files(
    store: *const StoreHandle,
    files: *const c_char,
    files_length: usize,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { store_in(store)?.get_files(&list_in::<Transfer>(text_in(files, files_length)?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_missing(
    store: *const StoreHandle,
    folder: *const c_char,
    folder_length: usize,
    names: *const c_char,
    names_length: usize,
    missing: *mut *mut c_char,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe {
            let names = list_in::<String>(text_in(names, names_length)?)?;
            let gone = store_in(store)?.missing(text_in(folder, folder_length)?, &names)?;
            put(missing, document(&gone)?)
        }
    })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_list(
    store: *const StoreHandle,
    folder: *const c_char,
    folder_length: usize,
    listed: *mut *mut c_char,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe {
            let found = store_in(store)?.list(text_in(folder, folder_length)?)?;
            put(listed, document(&found)?)
        }
    })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_tables(
    store: *const StoreHandle,
    tables: *mut *mut c_char,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { put(tables, document(&store_in(store)?.tables()?)?) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_delete(
    store: *const StoreHandle,
    name: *const c_char,
    name_length: usize,
) -> *mut ErrorHandle {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { store_in(store)?.delete(text_in(name, name_length)?).map(|_| ()) })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_get(
    store: *const StoreHandle,
    name: *const c_char,
    name_length: usize,
    found: *mut *mut c_char,
) -> *mut ErrorHandle {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe {
            let small = store_in(store)?.get_small(text_in(name, name_length)?)?;
            put(found, document(&small)?)
        }
    })
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn delta_shim_store_put(
    store: *const StoreHandle,
    name: *const c_char,
    name_length: usize,
    text: *const c_char,
    text_length: usize,
    tag: *const c_char,
    tag_length: usize,
    new_tag: *mut *mut c_char,
    error: *mut *mut ErrorHandle,
) -> OutcomeCode {
    let body = || {
        // SAFETY: the caller's promise.
        let put = unsafe {
            store_in(store).and_then(|store| {
                let (name, text) = (text_in(name, name_length)?, text_in(text, text_length)?);
                store.put_small(name, text, text_in(tag, tag_length)?)
            })
        };
        match put {
            Ok(Placed::Ours(tag)) => Outcome::Committed(tag),
            Ok(Placed::Conflict) => Outcome::Conflict,
            Err(e) => Outcome::Unknown(e),
        }
    };
    // SAFETY: the caller's promise.
    unsafe { settle(body, new_tag, error) }
}

// The hooks are declared in C with these types.
const _: Option<extern "C" fn(*const c_char) -> c_int> = None::<FaultHook>;
