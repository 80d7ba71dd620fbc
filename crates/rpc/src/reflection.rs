//! Server reflection, v1 and v1alpha: clients like grpcurl learn the contract, and the error details, from the server.

use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

/// Adds both versions of the reflection service to a port's routes.
pub fn add_to(routes: Routes) -> Result<Routes, Error> {
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}

fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(docket_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}
