//! Random numbers, from the kernel.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};

/// So many random bytes, as hexadecimal digits.
pub(crate) fn hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    let source = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
    source.context("cannot read /dev/urandom")?;
    let mut text = String::new();
    for byte in random {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

/// A random UUID (RFC 9562 section 5.4).
pub(crate) fn uuid() -> Result<String> {
    let digits = hex(16)?;
    Ok(format!(
        "{}-{}-4{}-8{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_version_and_differ() {
        let [one, other] = [uuid().unwrap(), uuid().unwrap()];
        assert_ne!(one, other);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!((&one[14..15], &one[19..20]), ("4", "8"));
    }
}
