//! Rust bindings of the protobuf contract in this directory.
#![doc = include_str!("README.md")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated code; the comments live in the .proto files"
)]

/// The API, and the events that are kept for ever and therefore versioned apart from it.
pub mod docket {
    /// Services and resources.
    pub mod v1 {
        tonic::include_proto!("docket.v1");
    }
    /// What is published on topics.
    pub mod event {
        /// Version 1 of the events.
        pub mod v1 {
            tonic::include_proto!("docket.event.v1");
            include!(concat!(env!("OUT_DIR"), "/docket.event.v1.serde.rs"));
        }
    }
}

pub use docket::event::v1 as event;
pub use docket::v1;

/// Encoded descriptors of every file, for reflection and for tests that walk the contract.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("docket_descriptor");

#[cfg(test)]
#[path = "surface_test.rs"]
mod surface_test;
