//! The libraries that a program is loaded with, as this system's loader finds them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Those of a program and the loader itself, by the paths at which they are looked for; none of one that needs none.
pub(super) fn of(program: &Path) -> Result<Vec<PathBuf>> {
    let answer = process::answer(Command::new("ldd").arg(program).env("LC_ALL", "C"));
    let answer = answer.context("ldd, which names the libraries of a program, does not run here")?;
    read(&answer).with_context(|| format!("the libraries of {}", program.display()))
}

fn read(answer: &str) -> Result<Vec<PathBuf>> {
    if answer.contains("not a dynamic executable") || answer.contains("statically linked") {
        return Ok(Vec::new());
    }
    let mut libraries = Vec::new();
    for line in answer.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, place) = line.split_once(" => ").unwrap_or((line, line));
        // Where it was loaded to follows in brackets.
        let place = place.split(" (").next().unwrap_or_default();
        match place {
            _ if place.starts_with('/') => libraries.push(PathBuf::from(place)),
            // It is the kernel's, and no file.
            _ if name.starts_with("linux-vdso") || name.starts_with("linux-gate") => {}
            _ => bail!("ldd says: {line}"),
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read() {
        let answer = "\tlinux-vdso.so.1 (0x00007fca2a732000)\n\
            \tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007fca2a700000)\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fca2781e000)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007fca2a734000)\n";
        let expect = [
            "/lib/x86_64-linux-gnu/libgcc_s.so.1",
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(read(answer).unwrap(), expect.map(PathBuf::from));
    }

    #[test]
    fn program_without_libraries_has_none() {
        assert_eq!(read("\tnot a dynamic executable\n").unwrap(), Vec::<PathBuf>::new());
        assert_eq!(read("\tstatically linked\n").unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_is_missing_is_said() {
        let error = read("\tlibzstd.so.1 => not found\n").unwrap_err().to_string();
        assert!(error.contains("libzstd.so.1 => not found"), "{error}");
        assert!(read("ldd: ./docket: No such file or directory\n").is_err());
    }
}
