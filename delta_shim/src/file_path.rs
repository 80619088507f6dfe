//! Paths of data files: as on disk on our side, percent-encoded in the log.
//! Source: Delta protocol, "Add File and Remove File": `path` is a URI relative to the table's root (RFC 2396).

use crate::error::{Result, ShimError};

/// Everything but unreserved characters, `/` and `=` is encoded: `:` and `+` need not be, but some readers take the one
/// for a scheme and the other for a space.
pub fn encode(path: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'=' => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

/// A `%` that begins no escape stands for itself, as readers have it.
pub fn decode(path: &str) -> Result<String> {
    fn digit(byte: Option<&u8>) -> Option<u8> {
        char::from(*byte?).to_digit(16).and_then(|d| u8::try_from(d).ok())
    }
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_err(|_| ShimError::corruption(format!("the path {path:?} in the log is not UTF-8")))
}

/// A path a commit may name: below the table's directory, nothing of the log, no way out of it.
pub fn check_relative(path: &str) -> Result<()> {
    let wrong = path.is_empty()
        || path.starts_with('/')
        || path.starts_with("_delta_log/")
        || path.contains("://")
        || path.contains('\0')
        || path
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == "..");
    if wrong {
        return Err(ShimError::invalid(format!(
            "{path:?} is not a path of a data file below the table's directory"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_gives_back_what_was_encoded() {
        for path in [
            "a.parquet",
            "jour=2024-01-01/x.parquet",
            "k=a b/c%2Fd/é:+#?&\"'|\\^.parquet",
            "k=100%/x",
            "k=日本/x",
        ] {
            assert_eq!(decode(&encode(path)), Ok(path.to_string()));
        }
    }

    #[test]
    fn spaces_percent_and_unicode_are_encoded() {
        assert_eq!(encode("k=a b/50%/é"), "k=a%20b/50%25/%C3%A9");
    }

    #[test]
    fn a_percent_that_begins_no_escape_stands_for_itself() {
        assert_eq!(decode("a%zz%4"), Ok("a%zz%4".to_string()));
    }

    #[test]
    fn paths_that_leave_the_table_are_refused() {
        for path in [
            "",
            "/a",
            "../a",
            "a/../b",
            "a//b",
            "_delta_log/x.json",
            "file:///a",
            "./a",
        ] {
            assert!(check_relative(path).is_err(), "{path}");
        }
        assert!(check_relative("jour=2024-01-01/a..b.parquet").is_ok());
    }
}
