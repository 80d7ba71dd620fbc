//! The calls that are made, each in the one version that every Kafka from 2.7 to 4 understands; those of `docket topics` and of
//! the lag of groups are understood by Redpanda, too, which has fewer versions.

use kafka_protocol::messages as m;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

/// A request and its answer.
pub(crate) trait Call: Encodable + HeaderVersion {
    /// What kind it is.
    const KEY: m::ApiKey;
    /// In which version it is said and answered.
    const VERSION: i16;
    /// What answers it.
    type Answer: Decodable + HeaderVersion;
}

macro_rules! calls {
    ($($key:ident $version:literal: $request:ident => $answer:ident;)*) => {$(
        impl Call for m::$request {
            const KEY: m::ApiKey = m::ApiKey::$key;
            const VERSION: i16 = $version;
            type Answer = m::$answer;
        }
    )*};
}

calls! {
    SaslHandshake 1: SaslHandshakeRequest => SaslHandshakeResponse;
    SaslAuthenticate 2: SaslAuthenticateRequest => SaslAuthenticateResponse;
    Metadata 8: MetadataRequest => MetadataResponse;
    CreateTopics 5: CreateTopicsRequest => CreateTopicsResponse;
    CreatePartitions 2: CreatePartitionsRequest => CreatePartitionsResponse;
    DescribeConfigs 4: DescribeConfigsRequest => DescribeConfigsResponse;
    IncrementalAlterConfigs 1: IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse;
    Produce 9: ProduceRequest => ProduceResponse;
    Fetch 12: FetchRequest => FetchResponse;
    ListOffsets 4: ListOffsetsRequest => ListOffsetsResponse;
    FindCoordinator 3: FindCoordinatorRequest => FindCoordinatorResponse;
    OffsetFetch 7: OffsetFetchRequest => OffsetFetchResponse;
    ListGroups 4: ListGroupsRequest => ListGroupsResponse;
}
