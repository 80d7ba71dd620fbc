//! `docket health`: asks a server whether it serves, for those who start and watch it and have no client of their own.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::client::{self, Refused, Server};
use crate::config::Config;
use crate::terminal::say;

/// How long the server may take: longer than its database may.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `health` takes.
#[derive(Args, Debug)]
pub struct Health {
    /// Of what: a target as `docket.tasks`, a service as `docket.v1.TaskService`; of the whole when absent.
    pub name: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// `docket health`. Answers whether it serves.
pub async fn run(config: &Config, asked: Health) -> anyhow::Result<bool> {
    let answer = timeout(PATIENCE, ask(config, asked)).await;
    let status = answer.with_context(|| format!("no answer within {PATIENCE:?}"))??;
    say(status.as_str_name())?;
    Ok(status == ServingStatus::Serving)
}

async fn ask(config: &Config, asked: Health) -> anyhow::Result<ServingStatus> {
    let channel = client::connect_as_nobody(config, &asked.server).await?;
    let service = asked.name.unwrap_or_default();
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service: service.clone() }).await;
    match answer {
        Ok(answer) => Ok(answer.into_inner().status()),
        Err(status) if status.code() == Code::NotFound => bail!("the server has no {service:?}"),
        Err(status) => Err(Refused(status).into()),
    }
}
