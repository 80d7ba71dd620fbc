//! What `docket` does besides serving.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use docket_domain::source::Clock as _;
use docket_rpc::Signer;
use docket_store::{Lock, StepState, Stores};

use crate::args::{ConfigAction, Token, Way};
use crate::config::Config;
use crate::source::SystemClock;

/// `docket migrate`.
pub async fn migrate(config: &Config, way: Way) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data_dir).context("data_dir: cannot be created")?;
    // Who only asks gets in no one's way.
    let lock = match way {
        Way::Up | Way::Down { .. } => Lock::take(&config.database)?,
        Way::Status => None,
    };
    // As nobody yet: who changes the schema is not who works with it.
    let stores = Stores::open(&config.database, &[]).await?;
    match way {
        Way::Up => stores.migrate_up(None).await?,
        Way::Down { steps } => stores.migrate_down(steps).await?,
        Way::Status => {}
    }
    for step in stores.migrations().await? {
        let state = match step.state {
            StepState::Applied => "applied",
            StepState::Pending => "pending",
            StepState::Newer => "newer",
        };
        let schema = step.schema.map(|schema| format!("{schema}/")).unwrap_or_default();
        print(&format!("{state} {schema}{}", step.name))?;
    }
    stores.close().await?;
    drop(lock);
    Ok(())
}

/// `docket token`.
pub fn token(config: &Config, token: &Token) -> anyhow::Result<()> {
    let secret = config.auth.load_secret(&config.secret_file()).context("cannot read the secret")?;
    let secret = secret
        .context("auth.secret: there is none, because auth.jwks says that tokens are issued elsewhere")?;
    let scopes: Vec<&str> = config.auth.required_scope.as_deref().into_iter().collect();
    let ttl = Duration::from_secs(u64::from(token.minutes) * 60);
    print(&Signer::new(&config.auth, &secret).issue(&token.user, &scopes, ttl, SystemClock.now()))
}

/// `docket config`.
pub fn config(config: &Config, action: ConfigAction) -> anyhow::Result<()> {
    match action {
        ConfigAction::Print => print(&config.print()?),
        ConfigAction::Check => {
            config.check_to_serve()?;
            print("the configuration is right")
        }
    }
}

fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", line.trim_end()).context("cannot write to standard output")
}
