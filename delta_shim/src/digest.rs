//! Digests that tell what was written from what a disk, a cable or a hand made of it since: 64 bits of every file we
//! write, of every commit and of every checksum file. They find damage, not forgery.

use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, Read as _};
use std::path::Path;

use twox_hash::XxHash64;

use crate::error::{Result, ShimError};

/// In the tags of a file or of `_last_checkpoint`.
pub const TAG: &str = "inletDigest";

const PREFIX: &str = "xxh64:";

/// What stands where a text's own digest will: the digest is that of the bytes with this in its place.
pub const PLACEHOLDER: &str = "xxh64:0000000000000000";

const FIELD: &[u8] = br#""inletDigest":""#;

pub fn text(hash: u64) -> String {
    format!("{PREFIX}{hash:016x}")
}

pub fn of_bytes(bytes: &[u8]) -> String {
    text(XxHash64::oneshot(0, bytes))
}

/// None: no such file.
pub fn of_file(path: &Path) -> Result<Option<String>> {
    let failed = |e: &io::Error| ShimError::io(format_args!("read {}", path.display()), e);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let mut hasher = XxHash64::with_seed(0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some(text(hasher.finish()))),
            Ok(read) => hasher.write(buffer.get(..read).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(&e)),
        }
    }
}

/// Where the digest of a text stands: in the commitInfo of a commit's first line, or as the first field of a checksum
/// file. Inside of a JSON text the field's quotes would be escaped, so nothing else looks like it. None: another
/// writer's, or one of before there were any.
fn place_of(text: &[u8]) -> Option<usize> {
    let line = text.split(|b| *b == b'\n').next()?;
    if line.strip_prefix(b"{").is_some_and(|fields| fields.starts_with(FIELD)) {
        return Some(1 + FIELD.len());
    }
    if !line.starts_with(br#"{"commitInfo":"#) {
        return None;
    }
    let field = line.windows(FIELD.len()).position(|w| w == FIELD)?;
    Some(field + FIELD.len())
}

/// The digest of a text whose own stands at `place`.
fn of_sealed(sealed: &[u8], place: usize) -> String {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(sealed.get(..place).unwrap_or_default());
    hasher.write(PLACEHOLDER.as_bytes());
    hasher.write(sealed.get(place + PLACEHOLDER.len()..).unwrap_or_default());
    text(hasher.finish())
}

/// Puts the digest of `sealed` where the placeholder stands.
pub fn seal(sealed: &mut [u8]) -> Result<()> {
    let place = place_of(sealed).ok_or_else(|| ShimError::internal("a text has no place for its digest"))?;
    let digest = of_sealed(sealed, place);
    match sealed.get_mut(place..place + digest.len()) {
        Some(there) => there.copy_from_slice(digest.as_bytes()),
        None => return Err(ShimError::internal("a text has no room for its digest")),
    }
    Ok(())
}

/// What a text's own digest says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    Absent,
    Whole,
    Broken,
}

pub fn seal_of(text: &[u8]) -> Seal {
    let Some(place) = place_of(text) else {
        return Seal::Absent;
    };
    let expected = text.get(place..place + PLACEHOLDER.len()).unwrap_or_default();
    if expected == of_sealed(text, place).as_bytes() {
        Seal::Whole
    } else {
        Seal::Broken
    }
}

/// Corruption: `commit`, the bytes of the file `name`, is not what was written. One without a digest is believed.
pub fn check_commit(name: &str, commit: &[u8]) -> Result<()> {
    if seal_of(commit) != Seal::Broken {
        return Ok(());
    }
    Err(ShimError::corruption(format!(
        "{name} of the Delta log is damaged: it is not what was written, says its digest"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;
    use crate::test_directory::TestDirectory;

    #[test]
    fn a_file_and_its_bytes_have_one_digest() {
        let dir = TestDirectory::new();
        let path = dir.path().join("a");
        let bytes: Vec<u8> = (0..1_000_003_u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(of_file(&path).unwrap().unwrap(), text(XxHash64::oneshot(0, &bytes)));
        assert_eq!(of_file(&dir.path().join("b")), Ok(None));
        // The reference's own value of the empty text: another program can check what stands in a log.
        assert_eq!(text(XxHash64::oneshot(0, b"")), "xxh64:ef46db3751d8e999");
    }

    #[test]
    fn every_flipped_bit_of_a_commit_is_seen_or_leaves_a_commit_without_a_digest() {
        let text = format!("{{\"commitInfo\":{{\"txnId\":\"t\",\"inletDigest\":\"{PLACEHOLDER}\"}}}}\n{{\"txn\":{{\"appId\":\"a\",\"version\":17}}}}\n");
        let mut commit = text.into_bytes();
        seal(&mut commit).unwrap();
        assert_eq!(check_commit("x", &commit), Ok(()));
        let mut unseen = Vec::new();
        for bit in 0..commit.len() * 8 {
            let mut damaged = commit.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match check_commit("x", &damaged) {
                Ok(()) => unseen.push(bit / 8),
                Err(e) => assert_eq!(e.class, Class::Corruption),
            }
        }
        // Those of the field's own name, and of the first line's begin and end: no action of the table's is among them.
        let field = place_of(&commit).unwrap() - FIELD.len();
        let first_line = br#"{"commitInfo":"#.len();
        assert!(
            unseen
                .iter()
                .all(|at| *at < first_line || (field..field + FIELD.len()).contains(at)),
            "{unseen:?}"
        );
    }

    #[test]
    fn commits_without_a_digest_are_believed_and_those_with_one_nobody_knows_are_not() {
        assert_eq!(check_commit("x", b"{\"commitInfo\":{}}\n"), Ok(()));
        assert_eq!(
            check_commit("x", b"{\"add\":{\"path\":\"\\\"inletDigest\\\":\\\"\"}}\n"),
            Ok(())
        );
        for value in ["", "md5:00", "xxh64:0"] {
            let commit = format!("{{\"commitInfo\":{{\"inletDigest\":\"{value}\"}}}}\n");
            assert_eq!(
                check_commit("x", commit.as_bytes()).unwrap_err().class,
                Class::Corruption
            );
        }
    }
}
