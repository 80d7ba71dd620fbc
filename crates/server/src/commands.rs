//! What `docket` does besides serving.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use docket_domain::source::Clock as _;
use docket_rpc::Authenticator;
use docket_store::{Lock, Store};

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
    let store = Store::open(&config.database).await?;
    match way {
        Way::Up => store.migrate_up(None).await?,
        Way::Down { steps } => store.migrate_down(steps).await?,
        Way::Status => {}
    }
    for (name, applied) in store.migrations().await? {
        print(&format!("{} {name}", if applied { "applied" } else { "pending" }))?;
    }
    store.close().await?;
    drop(lock);
    Ok(())
}

/// `docket token`.
pub fn token(config: &Config, token: &Token) -> anyhow::Result<()> {
    let secret = config.auth.load_secret(&config.secret_file()).context("cannot read the secret")?;
    let ttl = Duration::from_secs(u64::from(token.minutes) * 60);
    print(&Authenticator::new(&config.auth, &secret).issue(&token.user, &[], ttl, SystemClock.now()))
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
