//! Compiles `proto/` into the contract crate; needs no `protoc`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    // `compile_fds` prints none of its own: without these, any changed file in the repository rebuilds this crate.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=proto");

    let mut files = Vec::new();
    collect(Path::new("proto/docket"), &mut files)?;
    files.sort();
    let descriptors = protox::compile(&files, ["proto"])?;

    // Reflection and the surface snapshot need no comments.
    let mut bare = descriptors.clone();
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    let encoded = bare.encode_to_vec();
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out_dir.join("docket_descriptor.bin"), &encoded)?;

    // The well-known types come from pbjson, because events need their JSON mapping.
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile_fds(descriptors)?;

    // Only events travel as JSON; snake_case names, as the topics' first readers know them. Fields that a later version
    // adds are passed over, so that old readers go on reading.
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .preserve_proto_field_names()
        .ignore_unknown_fields()
        .build(&[".docket.event.v1"])?;
    Ok(())
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
