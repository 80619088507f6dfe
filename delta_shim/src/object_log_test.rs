//! Tables in an object store: the store in memory, which keeps its promises, and one that keeps none.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use delta_kernel::object_store::memory::InMemory;
use delta_kernel::object_store::{ObjectStore, ObjectStoreExt as _};
use futures_util::stream::TryStreamExt as _;
use url::Url;

use crate::digest;
use crate::engine;
use crate::error::{Class, ShimError};
use crate::log_files;
use crate::log_store::LogStore;
use crate::store::{Placed, Store, Transfer};
use crate::store_options::Kind;
use crate::table::{self, Location, Outcome, Standing, Table};
use crate::test_directory::TestDirectory;

const SCHEMA: &str = r#"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}},{\"name\":\"k\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}}]}"#;

fn in_memory() -> (Arc<Store>, Arc<InMemory>) {
    let objects = Arc::new(InMemory::new());
    let url = Url::parse("memory:///some/where/").unwrap();
    let store = Store::over(Arc::clone(&objects) as Arc<dyn ObjectStore>, url, None).unwrap();
    (Arc::new(store), objects)
}

fn definition() -> String {
    format!(
        r#"{{"id":"5f1c1b8e-0000-4000-8000-000000000000","txnId":"create","engineInfo":"Inlet/test","name":"t",
            "schemaString":"{SCHEMA}","partitionColumns":["k"],"configuration":{{}}}}"#
    )
}

fn commit(txn_id: &str, adds: &str, version: u64) -> String {
    format!(
        r#"{{"txnId":"{txn_id}","operation":"WRITE","engineInfo":"Inlet/test","dataChange":true,
            "adds":[{adds}],"removes":[],"transactions":[{{"appId":"app","version":{version}}}]}}"#
    )
}

fn new_table(store: &Arc<Store>, dir: &Path) -> Table {
    let at = Location::in_store(store, "bronze/t", dir).unwrap();
    assert!(matches!(table::create(&at, &definition()), Outcome::Committed(())));
    assert!(matches!(table::create(&at, &definition()), Outcome::Conflict));
    Table::open(at).unwrap()
}

fn transfer(name: &str, path: &Path) -> Transfer {
    let bytes = fs::read(path).unwrap_or_default();
    Transfer {
        key: name.to_string(),
        path: path.to_path_buf(),
        size: bytes.len() as u64,
        digest: digest::of_bytes(&bytes),
    }
}

fn names_in(objects: &InMemory) -> Vec<String> {
    let found = engine::runtime()
        .unwrap()
        .block_on(objects.list(None).try_collect::<Vec<_>>());
    let mut names: Vec<String> = found.unwrap().iter().map(|meta| meta.location.to_string()).collect();
    names.sort();
    names
}

#[test]
fn who_only_reads_puts_nothing_and_the_first_put_tries_the_store() {
    let (dir, (store, objects)) = (TestDirectory::new(), in_memory());
    let at = Location::in_store(&store, "bronze/t", dir.path()).unwrap();
    assert_eq!(Table::open(at).err().unwrap().class, Class::NotFound);
    assert_eq!(store.tables().unwrap(), Vec::<String>::new());
    assert_eq!(store.list("bronze/t").unwrap(), []);
    assert_eq!(store.missing("bronze/t", &["bronze/t/a".into()]).unwrap().len(), 1);
    assert_eq!(store.get_small("_inlet/a").unwrap(), None);
    assert_eq!(names_in(&objects), Vec::<String>::new());
    store.check_writable().unwrap();
    assert_eq!(names_in(&objects), ["some/where/_inlet/probe"]);
    // Once: what was tried is known.
    engine::runtime()
        .unwrap()
        .block_on(objects.delete(&"some/where/_inlet/probe".into()))
        .unwrap();
    assert!(matches!(store.put_small("_inlet/a", "1", ""), Ok(Placed::Ours(_))));
    assert_eq!(names_in(&objects), ["some/where/_inlet/a"]);
    // And by a process that finds it standing.
    let url = Url::parse("memory:///some/where/").unwrap();
    for _ in 0..2 {
        let objects = Arc::clone(&objects) as Arc<dyn ObjectStore>;
        Store::over(objects, url.clone(), None)
            .unwrap()
            .check_writable()
            .unwrap();
    }
}

#[test]
fn of_two_handles_one_commits_a_version_and_the_other_finds_out_whose_it_is() {
    let (dir, (store, _)) = (TestDirectory::new(), in_memory());
    let first = new_table(&store, dir.path());
    let second = Table::open(Location::in_store(&store, "bronze/t", dir.path()).unwrap()).unwrap();
    assert!(matches!(first.commit(0, &commit("one", "", 5)), Outcome::Committed(_)));
    assert!(matches!(second.commit(0, &commit("two", "", 6)), Outcome::Conflict));
    assert_eq!(second.look(1, "two"), Ok((Standing::Anothers, 0)));
    assert_eq!(second.look(1, "one").unwrap().0, Standing::Ours);
    assert_eq!(second.look(2, "two"), Ok((Standing::Absent, 0)));
    assert_eq!(second.refresh().unwrap().transactions["app"], 5);
    assert!(matches!(second.commit(1, &commit("two", "", 6)), Outcome::Committed(_)));
    assert_eq!(first.refresh().unwrap().transactions["app"], 6);
    assert_eq!(store.tables().unwrap(), vec!["bronze/t"]);
}

#[test]
fn a_log_of_many_versions_is_read_from_its_checkpoint_and_cleaned() {
    let (dir, (store, _)) = (TestDirectory::new(), in_memory());
    let table = new_table(&store, dir.path());
    for i in 0..25_u64 {
        let add = format!(
            r#"{{"path":"k=a b/{i}%2F.parquet","size":7,"modificationTime":9,"partitionValues":{{"k":"a b"}}}}"#
        );
        assert!(matches!(
            table.commit(i, &commit(&format!("c{i}"), &add, i)),
            Outcome::Committed(_)
        ));
    }
    drop(table);
    let at = Location::in_store(&store, "bronze/t", dir.path()).unwrap();
    let log: &dyn LogStore = &store.log_of("bronze/t", dir.path()).unwrap();
    let checkpoint = log.last_checkpoint_version().unwrap();
    assert!(checkpoint >= 10);
    assert!(log.identity(&log_files::checksum_name(checkpoint)).unwrap().is_some());
    let table = Table::open(at.clone()).unwrap();
    assert_eq!(table.state().transactions["app"], 24);
    assert_eq!(table.files(25).unwrap().len(), 25);
    assert!(table.files(25).unwrap().iter().any(|f| f.path == "k=a b/3%2F.parquet"));
    let cleaned = table.clean_log(i64::MAX, u64::MAX, false).unwrap();
    assert!(cleaned.oldest >= 10 && cleaned.removed_files > 0, "{cleaned:?}");
    assert_eq!(table.versions(), Ok((cleaned.oldest, 25)));
    assert_eq!(Table::open(at).unwrap().files(25).unwrap().len(), 25);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing is left on local disk"
    );
}

#[test]
fn a_handle_whose_version_was_replaced_writes_nothing() {
    let (dir, (store, _)) = (TestDirectory::new(), in_memory());
    let table = new_table(&store, dir.path());
    let log = store.log_of("bronze/t", dir.path()).unwrap();
    let first = log.read(&log_files::commit_name(0)).unwrap().unwrap();
    log.replace(&log_files::commit_name(0), &first.bytes).unwrap();
    assert!(matches!(table.commit(0, &commit("one", "", 1)), Outcome::Conflict));
    assert!(table.refresh().unwrap().reset);
    assert!(matches!(table.commit(0, &commit("one", "", 1)), Outcome::Committed(_)));
}

#[test]
fn a_damaged_commit_checkpoint_or_checksum_file_is_corruption() {
    let (dir, (store, _)) = (TestDirectory::new(), in_memory());
    let table = new_table(&store, dir.path());
    for i in 0..11_u64 {
        assert!(matches!(
            table.commit(i, &commit(&format!("c{i}"), "", i)),
            Outcome::Committed(_)
        ));
    }
    drop(table);
    let log = store.log_of("bronze/t", dir.path()).unwrap();
    for name in [
        log_files::commit_name(11),
        log_files::checkpoint_name(10),
        log_files::checksum_name(10),
    ] {
        let whole = log.read(&name).unwrap().unwrap().bytes;
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        log.replace(&name, &damaged).unwrap();
        let error = Table::open(Location::in_store(&store, "bronze/t", dir.path()).unwrap())
            .err()
            .unwrap();
        assert_eq!(error.class, Class::Corruption);
        assert!(error.message.contains(&name), "{}", error.message);
        log.replace(&name, &whole).unwrap();
    }
}

#[test]
fn files_come_back_as_they_were_put_whatever_their_names_and_sizes() {
    let (dir, (store, objects)) = (TestDirectory::new(), in_memory());
    let names = ["t/k=a b%2Fé/x.parquet", "t/large.parquet", "t/empty.parquet"];
    let sizes = [10, (8 << 20) * 2 + 17, 0];
    let mut files = Vec::new();
    for (i, (name, size)) in names.iter().zip(sizes).enumerate() {
        let path = dir.path().join(format!("{i}"));
        let bytes: Vec<u8> = (0..size as u32).map(|n| (n % 251) as u8).collect();
        fs::write(&path, bytes).unwrap();
        files.push(transfer(name, &path));
    }
    store.put_files(&files).unwrap();
    // As it is called in a log, decoded once.
    let key =
        delta_kernel::object_store::path::Path::from_url_path("some/where/t/k%3Da%20b%252F%C3%A9/x.parquet").unwrap();
    assert!(engine::runtime().unwrap().block_on(objects.head(&key)).is_ok());
    assert!(fs::metadata(&files[0].path).unwrap().permissions().readonly());

    let mut fetched = Vec::new();
    for file in &files {
        let path = dir.path().join("fetched/deep").join(file.path.file_name().unwrap());
        fetched.push(Transfer {
            key: file.key.clone(),
            path,
            size: file.size,
            digest: file.digest.clone(),
        });
    }
    store.get_files(&fetched).unwrap();
    for (file, copy) in files.iter().zip(&fetched) {
        assert_eq!(fs::read(&file.path).unwrap(), fs::read(&copy.path).unwrap());
    }
    let gone = store
        .missing("t", &[names[0].to_string(), "t/none".to_string()])
        .unwrap();
    assert_eq!(gone, vec!["t/none"]);
    let mut many: Vec<String> = (0..300).map(|i| format!("t/{i}")).collect();
    many.push(names[0].to_string());
    assert_eq!(store.missing("t", &many).unwrap().len(), 300);
    assert_eq!(store.list("t").unwrap().len(), 3);

    let place = dir.path().join("fetched/wrong");
    let wrong = |key: &str, size: u64, digest: &str| {
        let file = Transfer {
            key: key.to_string(),
            path: place.clone(),
            size,
            digest: digest.to_string(),
        };
        let error = store.get_files(&[file]).unwrap_err();
        assert!(!place.exists());
        error.class
    };
    assert_eq!(wrong(names[0], 10, "xxh64:0000000000000000"), Class::Corruption);
    assert_eq!(wrong("t/none", 10, ""), Class::NotFound);
    assert!(store.delete(names[0]).unwrap());
}

#[test]
fn a_small_object_is_put_on_conditions() {
    let (store, _) = in_memory();
    let Placed::Ours(first) = store.put_small("_inlet/a", "1", "").unwrap() else {
        panic!("not put")
    };
    assert!(matches!(
        store.put_small("_inlet/a", "2", "").unwrap(),
        Placed::Conflict
    ));
    let Placed::Ours(second) = store.put_small("_inlet/a", "2", &first).unwrap() else {
        panic!("not put")
    };
    assert!(matches!(
        store.put_small("_inlet/a", "3", &first).unwrap(),
        Placed::Conflict
    ));
    let found = store.get_small("_inlet/a").unwrap().unwrap();
    assert_eq!((found.text.as_str(), found.tag), ("2", second));
    assert_eq!(store.get_small("_inlet/b").unwrap(), None);
}

/// Stores that are not what a lake needs.
mod wanting {
    use super::*;
    use delta_kernel::object_store::path::Path as Key;
    use delta_kernel::object_store::*;
    use futures_util::stream::BoxStream;

    #[derive(Debug)]
    pub enum Takes {
        /// Whatever the condition of the put, as some do.
        Every,
        /// As for credentials that may only read.
        None,
    }

    #[derive(Debug)]
    pub struct Store {
        pub takes: Takes,
        pub objects: InMemory,
    }

    impl std::fmt::Display for Store {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wanting")
        }
    }

    #[async_trait::async_trait]
    impl ObjectStore for Store {
        async fn put_opts(&self, key: &Key, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
            if let Takes::None = self.takes {
                let (path, source) = (key.to_string(), "403 AccessDenied".into());
                return Err(Error::PermissionDenied { path, source });
            }
            options.mode = PutMode::Overwrite;
            self.objects.put_opts(key, payload, options).await
        }
        async fn put_multipart_opts(
            &self,
            key: &Key,
            options: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            self.objects.put_multipart_opts(key, options).await
        }
        async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<GetResult> {
            self.objects.get_opts(key, options).await
        }
        fn delete_stream(&self, keys: BoxStream<'static, Result<Key>>) -> BoxStream<'static, Result<Key>> {
            self.objects.delete_stream(keys)
        }
        fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
            self.objects.list(prefix)
        }
        async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
            self.objects.list_with_delimiter(prefix).await
        }
        async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
            self.objects.copy_opts(from, to, options).await
        }
    }
}

#[test]
fn a_store_that_takes_a_second_put_of_a_name_is_refused_before_anything_else_is_put() {
    let dir = TestDirectory::new();
    let objects = Arc::new(wanting::Store {
        takes: wanting::Takes::Every,
        objects: InMemory::new(),
    });
    let url = Url::parse("memory:///lake/").unwrap();
    let store = Arc::new(Store::over(Arc::clone(&objects) as Arc<dyn ObjectStore>, url, None).unwrap());
    let is_refusal = |error: ShimError| {
        assert_eq!(error.class, Class::NoConditionalPut);
        assert!(error.message.contains("second put"), "{}", error.message);
    };
    let file = dir.path().join("a.parquet");
    fs::write(&file, b"rows").unwrap();
    let log: &dyn LogStore = &store.log_of("t", dir.path()).unwrap();
    let at = Location::in_store(&store, "t", dir.path()).unwrap();
    for _ in 0..2 {
        is_refusal(store.check_writable().unwrap_err());
        is_refusal(store.put_files(&[transfer("t/a.parquet", &file)]).unwrap_err());
        is_refusal(store.put_small("_inlet/a", "1", "").err().unwrap());
        is_refusal(log.replace("_last_checkpoint", b"{}").unwrap_err());
        let (scratch, _) = log.scratch("checkpoint").unwrap();
        is_refusal(log.place(scratch, "checkpoint").unwrap_err());
        let Outcome::Unknown(error) = table::create(&at, &definition()) else {
            panic!("a commit that did not fail");
        };
        is_refusal(error);
    }
    assert_eq!(names_in(&objects.objects), ["lake/_inlet/probe"]);
}

#[test]
fn what_is_denied_names_the_permission() {
    let objects = Arc::new(wanting::Store {
        takes: wanting::Takes::None,
        objects: InMemory::new(),
    });
    let url = Url::parse("s3://bucket/lake/").unwrap();
    let store = Store::over(objects, url, Some(Kind::S3)).unwrap();
    let error = store.put_small("_inlet/a", "1", "").err().unwrap();
    assert_eq!(error.class, Class::Denied);
    assert!(
        error.message.contains("needs the permission s3:PutObject;"),
        "{}",
        error.message
    );
}
