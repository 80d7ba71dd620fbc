//! What `docket` does besides serving.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use docket_domain::TimeDelta;
use docket_domain::source::Clock as _;
use docket_rpc::Signer;
use docket_store::{Lock, Schema, StepState, Stores};

use crate::args::{self, ConfigAction, Format, Token, Way};
use crate::config::{Config, Error};
use crate::source::{SystemClock, TimeOrderedIds};
use crate::verify::{Order, Verify};

/// `docket migrate`.
pub async fn migrate(config: &Config, way: Way) -> anyhow::Result<()> {
    let grants: &[String] = if let Way::Up { grant } = &way { grant } else { &[] };
    if !grants.is_empty() && config.database.url.starts_with("sqlite:") {
        let why = "--grant: an SQLite file has no logins; whoever may read and write it can serve it";
        return Err(Error::Wrong(why.to_owned()).into());
    }
    std::fs::create_dir_all(&config.data_dir).context("data_dir: cannot be created")?;
    // Who only asks gets in no one's way.
    let lock = match way {
        Way::Up { .. } | Way::Down { .. } => Lock::take(&config.database)?,
        Way::Status => None,
    };
    // As nobody yet: who changes the schema is not who works with it.
    let stores = Stores::open(&config.database, &[]).await?;
    match way {
        Way::Up { .. } => stores.migrate_up(None).await?,
        Way::Down { steps } => stores.migrate_down(steps).await?,
        Way::Status => {}
    }
    if !grants.is_empty() {
        stores.allow(&config.schemas(), grants).await.context("--grant")?;
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
    let required = config.auth.required_scope.as_deref();
    let scopes: Vec<&str> = token.scopes.iter().map(String::as_str).chain(required).collect();
    let ttl = Duration::from_secs(u64::from(token.minutes) * 60);
    print(&Signer::new(&config.auth, &secret).issue(&token.user, &scopes, ttl, SystemClock.now()))
}

/// `docket audit verify`: whether the audit log has everything.
pub async fn verify_audit(config: &Config, arguments: &args::Verify) -> anyhow::Result<bool> {
    // Without a claim on an embedded database: a server may work with it, and what is added to the outbox it finds.
    let stores = Stores::open(&config.database, &[Schema::Tasks, Schema::Audit]).await?;
    stores.check_schema().await?;
    let order = Order {
        task: arguments.task,
        refill: arguments.refill,
        grace: TimeDelta::seconds(arguments.grace_seconds.into()),
    };
    let (tasks, audit) = (stores.of(Schema::Tasks), stores.of(Schema::Audit));
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(TimeOrderedIds));
    let verify = Verify::new(tasks, audit, &config.tasks.topic, clock, ids);
    let found = verify.run(&order, |gap| match arguments.format {
        Format::Text => print(&gap.text()),
        Format::Json => print(&gap.json().to_string()),
    });
    let summary = found.await?;
    stores.close().await?;
    match arguments.format {
        Format::Text => print(&summary.text())?,
        Format::Json => print(&summary.json().to_string())?,
    }
    Ok(summary.missing == 0)
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
